"""What a discovery is asked to do."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from srnet.runs.config import (
    Count,
    FileName,
    FilePath,
    OptionalText,
    Positive,
    Seed,
    Settings,
    Switch,
)


def _for_engines(seed: int) -> int:
    if seed >= 2**31:
        raise ValueError("expected a whole number from 0 to 2**31 - 1, as search engines count")
    return seed


EngineSeed = Annotated[Seed, AfterValidator(_for_engines)]


class DiscoveryRun(Settings):
    """A discovery: its table, how it searches, and where its results go."""

    data: OptionalText = Field(None, description="problem, such as data/F07; none: --csv")
    csv: OptionalText = Field(
        None, description="CSV file with a header line, in place of a problem"
    )
    target: OptionalText = Field(None, description="the CSV file's column that the law is of")
    library: OptionalText = Field(None, description="function library; none: generic shapes")
    seconds: Positive = Field(400.0, description="seconds after which no further way begins")
    seed: EngineSeed = Field(0, description="everything random follows from it")
    network: Switch = Field(True, description="train a network also if a formula is exact")
    epochs: Count = Field(1000, description="epochs of the networks")
    restarts: Count = Field(2, description="networks trained at once; the best is kept")
    engine: Literal["operon", "pysr"] | None = Field(
        "operon", description="search engine; operon is passed over where it isn't installed"
    )
    name: FileName = Field(None, description="name of the state without .pt; None: chosen")
    out: FilePath = Field(Path("models"), description="folder of the state")
    figures: FilePath = Field(Path("figures"), description="folder of the figure")
