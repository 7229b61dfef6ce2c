"""`symdisc dissect modules`: which units each class needs, and how those sets overlap."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.dissecting.given import SOURCES, TABLE, check_files, one_state, write_rows
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, FilePath, Names, Positives, Seed, Settings, Text, Wholes

if TYPE_CHECKING:  # what brings in torch waits until the command needs it
    from torch import Tensor, nn

    from srnet.dissect.controls import Controls
    from srnet.dissect.data import Dataset
    from srnet.dissect.fronts import Front
    from srnet.dissect.modules import DiscoveredModule
    from srnet.dissect.overlaps import Overlap
    from srnet.plots.common import Figure

HELD = 6  # every sixth training example is for validation


class ModulesSettings(Settings):
    """The sub-tasks, the price of a unit, the search, and where figure and table go."""

    data: Text = Field("digits", description=SOURCES)
    layers: Annotated[Names | None, Field(description="layers masked; none: all ReLUs")] = None
    classes: Annotated[
        Wholes | None, Field(description="sub-tasks, 'is it this class?'; none: each class")
    ] = None
    alphas: Positives = Field((0.004,), description="prices of a unit, in nats; several: a front")
    head: Literal["new", "old"] = Field("new", description="a new linear head, or the network's")
    steps: Count = Field(1200, description="steps of Adam")
    batch_size: Count = Field(512, description="examples of a step")
    draws: Count = Field(3, description="random masks of the same size, to compare with")
    seed: Seed = Field(0, description="what batches, masks and the validation examples follow from")
    figure: FilePath = Field(Path("figures/modules.png"), description="figure, .png or .svg")
    table: FilePath | None = Field(None, description=TABLE)


def command(words: Sequence[str]) -> None:
    """`symdisc dissect modules STATE [--KEY VALUE ...]`"""
    states, flags = split_words(words)
    settings = parse_args(
        ModulesSettings,
        flags,
        "symdisc dissect modules STATE",
        "The units that each class needs: masks over units, learnt on a frozen copy.",
    )
    state = one_state(states, "modules")
    check_files(settings.figure, settings.table)

    import torch

    from srnet import plots
    from srnet.dissect.controls import compare_module
    from srnet.dissect.data import load_dataset
    from srnet.dissect.fronts import module_fronts
    from srnet.dissect.modules import Search
    from srnet.dissect.overlaps import overlap
    from srnet.dissect.tasks import one_against_rest
    from srnet.runs.networks import load_network
    from srnet.texttable import as_table

    model = load_network(state)
    data = load_dataset(settings.data)
    train, validation = _held_back(data, settings.seed)
    chosen = range(data.classes) if settings.classes is None else settings.classes
    fronts = module_fronts(
        model,
        settings.layers or _relus(model),
        train,
        validation,
        [one_against_rest(one, data.classes) for one in dict.fromkeys(chosen)],
        sorted(set(settings.alphas)),
        head=settings.head,
        search=Search(steps=settings.steps, batch_size=settings.batch_size),
        seed=settings.seed,
    )
    rows = []
    for front in fronts:
        for module, row in zip(front.modules, front.rows(), strict=True):
            compared = compare_module(
                module,
                train,
                (data.x_test, data.y_test),
                draws=settings.draws,
                generator=torch.Generator().manual_seed(settings.seed),
            )
            rows.append(_row(row, compared))
    print(
        f"{len(train[0])} training, {len(validation[0])} validation (v) and {len(data.x_test)} "
        "test examples; balanced accuracy but for the column of that name\n"
    )
    print(as_table(rows), end="\n\n")
    modules = {_name(one, settings): one for front in fronts for one in front.modules}
    compared = overlap({name: one.kept for name, one in modules.items()})
    if len(modules) > 1:
        print(compared, end="\n\n")
    plots.save(_figure(fronts, modules, compared), settings.figure)
    write_rows(rows, settings.table)
    print(f"figure: {settings.figure}")


def _held_back(data: "Dataset", seed: int) -> "list[tuple[Tensor, Tensor]]":
    """The training examples without every sixth, in a random order, and these for validation."""
    import torch

    order = torch.randperm(len(data.x_train), generator=torch.Generator().manual_seed(seed))
    held, rest = order[::HELD], order[torch.arange(len(order)) % HELD > 0]
    return [(data.x_train[some], data.y_train[some]) for some in (rest, held)]


def _figure(
    fronts: "Sequence[Front]", modules: "Mapping[str, DiscoveredModule]", shared: "Overlap"
) -> "Figure":
    from srnet import plots

    layers = next(iter(modules.values())).kept
    counts = {name: [int(one.kept[name].sum()) for one in modules.values()] for name in layers}
    courses = {front.modules[0].task.name: _course(front) for front in fronts}
    return plots.module_panels(courses, counts, shared.iou, list(modules))


def _row(found: Mapping, compared: "Controls") -> dict:
    """A line of the table: validation, then the test scores of the module and its controls."""
    scores = {row["network"]: row for row in compared.rows()}
    shown = {key: value for key, value in found.items() if key not in ("accuracy", "loss")}
    shown["balanced (v)"] = shown.pop("balanced_accuracy")
    shown["on front (v)"] = "yes" if shown.pop("on_front") else "no"
    shown["accuracy"] = scores["module"]["accuracy"]
    return shown | {name: row["balanced_accuracy"] for name, row in scores.items()}


def _name(module, settings: ModulesSettings) -> str:
    """The class, and the price where there are several."""
    several = len(set(settings.alphas)) > 1
    return f"{module.task.name} at {module.alpha:g}" if several else module.task.name


def _course(front: "Front") -> tuple:
    sizes = [module.size for module in front.modules]
    return sizes, [one.balanced_accuracy for one in front.scores], front.on_front


def _relus(model: "nn.Module") -> list[str]:
    from torch.nn import ReLU

    names = [name for name, layer in model.named_modules() if isinstance(layer, ReLU)]
    if not names:
        raise InputError("the network has no ReLU layers; expected --layers, names of layers")
    return names
