"""The study of lesions: damage to models of reading, and what recovers."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from srnet.runs.arguments import parse_args
from srnet.runs.config import Count, FilePath, Names, OptionalText
from srnet.runs.lesions.protocol import DAMAGES, OPTIMIZERS, Protocol


class LesionSettings(Protocol):
    """The damages, the networks, their training and retraining, and where results go."""

    damages: Names = Field(
        DAMAGES,
        description="KIND:PLACE=SEVERITY,...: cut:hp, zero_out:pp+pc=0.1,0.2, shrink:hidden=0.3, "
        "add_noise:phonology=1, apply_l2=0.001; without severities, those of the kind",
    )
    seeds: Count = Field(3, description="networks that each damage is done to: seeds 0, 1, ...")
    optimizers: Names = Field(
        OPTIMIZERS, description="of retraining: its state carried through the damage, or fresh"
    )
    jobs: Count = Field(2, description="processes")
    out: FilePath = Field(
        Path("models/lesions"), description="folder of trained networks and finished cells"
    )
    table: OptionalText = Field(None, description=".csv or .parquet; None: lesions.csv in out")
    figures: FilePath = Field(Path("figures"), description="folder of the figures")


def lesion(words: Sequence[str]) -> int:
    """`symdisc lesion [--KEY VALUE ...]`"""
    settings = parse_args(
        LesionSettings,
        words,
        "symdisc lesion",
        "Train models of reading, damage them, retrain them: a table of what is lost and what "
        "recovers, beside undamaged controls, and figures. What was stopped goes on.",
    )
    from srnet import plots
    from srnet.reading import ToyOP
    from srnet.runs.lesions.study import lesion_study
    from srnet.texttable import as_table

    chosen = settings.model_dump()
    print(
        f"damaging {settings.seeds} networks in {settings.jobs} processes: "
        f"{', '.join(settings.damages)}",
        flush=True,
    )
    try:
        study = lesion_study(
            settings.damages,
            {name: chosen[name] for name in Protocol.model_fields},
            seeds=range(settings.seeds),
            optimizers=settings.optimizers,
            out=settings.out,
            table=settings.table,
            jobs=settings.jobs,
        )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on")
        return 130
    print(as_table(study.summary()))
    figures = {
        "severity": plots.accuracy_by_severity(study.rows),
        "recovery": plots.recovery(study.rows),
        "lost-words": plots.lost_words(study.rows, ToyOP.words),
    }
    paths = [settings.figures / f"lesions-{name}.png" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        plots.save(figure, path)
    print(f"\ntable: {study.table}  figures: {' '.join(map(str, paths))}")
    return 0
