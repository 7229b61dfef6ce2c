"""`symdisc dissect modularity`: are sets of units modules? Against random sets of their sizes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.dissecting.given import TABLE, check_files, one_state, write_rows
from srnet.runs.commands.dissecting.information import Examples, recorded, some_examples
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, FilePath, Positive


class ModularitySettings(Examples):
    """The candidate modules, what they are held against, and where figure and table go."""

    modules: Annotated[
        FilePath | None,
        Field(description="YAML or JSON: {module: {layer: [units]}}; none: one for each class"),
    ] = None
    share: Positive = Field(0.2, description="of a layer's units, in the module of a class")
    components: Count = Field(2, description="principal components of a group's variable")
    levels: Count = Field(2, description="levels of each component, from 2")
    estimator: Literal["plug-in", "miller-madow"] = Field("miller-madow", description="of entropy")
    random_modules: Count = Field(199, description="random modules of each size")
    figure: FilePath = Field(Path("figures/modularity.png"), description="figure, .png or .svg")
    table: FilePath | None = Field(None, description=TABLE)


def command(words: Sequence[str]) -> None:
    """`symdisc dissect modularity STATE [--KEY VALUE ...]`"""
    states, flags = split_words(words)
    settings = parse_args(
        ModularitySettings,
        flags,
        "symdisc dissect modularity STATE",
        "C1, C2 and C3 of candidate modules between each layer and the next, with p-values.",
    )
    check_files(settings.figure, settings.table)

    import torch

    from srnet import plots
    from srnet.dissect.groups import class_modules
    from srnet.dissect.modularity import modularity_measures
    from srnet.runs.networks import load_network

    generator = torch.Generator().manual_seed(settings.seed)
    model = load_network(one_state(states, "modularity"))
    x, y = some_examples(settings, generator)
    acts = recorded(model, x, settings.layers)
    given = settings.modules
    modules = class_modules(acts, y, settings.share) if given is None else read_modules(given)
    how = settings.model_dump(
        include={"components", "levels", "estimator", "random_modules", "base"}
    )
    report = modularity_measures(acts, modules, generator=generator, **how)
    print(f"{len(x)} examples; C1, C2 and C3 in {settings.base}\n\n{report}\n")
    plots.save(plots.modularity_panels(report), settings.figure)
    write_rows(report.rows(), settings.table)
    print(f"figure: {settings.figure}")


def read_modules(path: Path) -> dict[str, Mapping[str, list[int]]]:
    """The modules in a YAML or JSON file, each {layer: [units]}.

    Raises:
        InputError: a file that can't be read, or that holds something else.
    """
    from srnet.runs.values import read_text, read_yaml

    values = read_yaml(read_text(path, "a YAML or JSON file"), str(path))
    if not isinstance(values, Mapping) or not values:
        raise InputError(f"{path}: got {values!r:.40}; expected {{module: {{layer: [units]}}}}")
    for name, module in values.items():
        if not isinstance(module, Mapping):
            raise InputError(f"{path}: {name}: got {module!r:.40}; expected {{layer: [units]}}")
    return {str(name): module for name, module in values.items()}
