"""What a run is asked to do: frozen pydantic models, each field with its range and its meaning.

A field's one-line description is also its help on the command line. How plain values become a
model is the business of values.py.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    field_validator,
)
from pydantic_core import PydanticCustomError


def _number(value: object) -> object:
    """Text stands for its number, since YAML 1.1 reads 1e-4 as text; a bool is not a number."""
    if isinstance(value, bool):
        raise ValueError("a bool is not a number")
    if isinstance(value, str):
        for read in (int, float):
            with suppress(ValueError):
                return read(value)
    return value


def _says(expected: str) -> WrapValidator:
    """One plain phrase in place of pydantic's messages, which are one for each union member."""

    def check(value: object, handler: Callable[[Any], Any]) -> object:
        with suppress(ValidationError):
            if not isinstance(value, set | frozenset):  # pydantic would take one in any order
                return handler(value)
        raise PydanticCustomError("unexpected", f"Input should be {expected}")

    return WrapValidator(check)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _channels(value: object) -> object:
    """No channel may also be written as none or as empty text, and one channel as plain text."""
    if value is None or _lower(value) in ("", "none"):
        return ()
    return (value,) if isinstance(value, str) else value


def _several(value: object) -> object:
    """One may be written without a list."""
    return value if isinstance(value, list | tuple) else (value,)


def _matrix(rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("empty, or rows of different lengths")
    return rows


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError("even")
    return size


def _file_name(name: str) -> str:
    if name[:1] in ("", ".", "-") or name.endswith(".pt") or set(name) & set("/\\\0\n"):
        raise ValueError("not a plain file name")
    return name


_Int = Annotated[int, BeforeValidator(_number)]
_Float = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
_Depth = Annotated[_Int, Field(ge=0)]
_Size = Annotated[_Int, Field(ge=1)]
_Cell = Literal["MLP", "DSN"]
_Share = Annotated[_Float, Field(ge=0, lt=1)]
_Matrix = Annotated[tuple[tuple[_Float, ...], ...], AfterValidator(_matrix)]
_FileName = Annotated[str, AfterValidator(_file_name)]
_Convolutions = Annotated[tuple[_Size | Literal["M"], ...], Field(min_length=1)]

Switch = Annotated[bool, _says("true or false")]
Text = Annotated[str, _says("text")]
Count = Annotated[_Size, _says("a whole number >= 1")]
Whole = Annotated[_Depth, _says("a whole number >= 0")]
Decay = Annotated[_Share, _says("a number in [0, 1)")]
FilePath = Annotated[Path, _says("a path")]
OptionalText = Annotated[str | None, _says("text or none")]
OptionalCount = Annotated[_Size | None, _says("a whole number >= 1, or none")]
Counts = Annotated[
    tuple[_Size, ...],
    BeforeValidator(_several),
    Field(min_length=1),
    _says("whole numbers >= 1"),
]
Wholes = Annotated[
    tuple[_Depth, ...],
    BeforeValidator(_several),
    Field(min_length=1),
    _says("whole numbers >= 0"),
]
Positives = Annotated[
    tuple[Annotated[_Float, Field(gt=0)], ...],
    BeforeValidator(_several),
    Field(min_length=1),
    _says("numbers > 0"),
]
Names = Annotated[
    tuple[str, ...], BeforeValidator(_several), Field(min_length=1), _says("a list of names")
]
Depths = Annotated[_Depth | tuple[_Depth, _Depth], _says("a whole number >= 0, or a pair of them")]
Sizes = Annotated[_Size | tuple[_Size, _Size], _says("a whole number >= 1, or a pair of them")]
Cells = Annotated[_Cell | tuple[_Cell, _Cell], _says("'MLP' or 'DSN', or a pair of them")]
Number = Annotated[_Float, _says("a number")]
WholeNumber = Annotated[_Int, _says("a whole number")]
Positive = Annotated[_Float, Field(gt=0), _says("a number > 0")]
NonNegative = Annotated[_Float, Field(ge=0), _says("a number >= 0")]
Seconds = Annotated[Annotated[_Float, Field(gt=0)] | None, _says("seconds > 0, or none")]
Seed = Annotated[_Int, Field(ge=0, lt=2**63), _says("a whole number from 0 to 2**63 - 1")]
Alpha = Annotated[_Matrix | Literal["ones"] | None, _says("none, 'ones' or k rows of d numbers")]
Prune = Annotated[_Share | None, _says("a number in [0, 1), or none")]
Betas = Annotated[tuple[_Share, _Share], _says("a pair of numbers in [0, 1)")]
ConvArch = Annotated[_Convolutions | None, _says("none, or a list such as [8, 'M', 16, 'M']")]
OddCount = Annotated[_Size, AfterValidator(_odd), _says("an odd whole number >= 1")]
Objective = Annotated[Literal["bce", "wasserstein"], BeforeValidator(_lower)]
Schedule = Literal["constant", "cosine"]
ExtType = Literal["stack", "embed"]
Channels = Annotated[
    tuple[Literal["input", "grad"], ...],
    BeforeValidator(_channels),
    AfterValidator(lambda names: tuple(sorted(set(names), key=("input", "grad").index))),
    _says("none, 'input', 'grad' or a list of them"),
]
Device = Annotated[str, Field(pattern=r"^(cpu|cuda(:[0-9]+)?)$"), _says("cpu, cuda or cuda:N")]
Step = Annotated[_Size | Annotated[_Float, Field(gt=0)], _says("a number > 0")]
Values = Annotated[list[Any], Field(min_length=1), _says("a list of one value or more")]
Shares = Annotated[list[NonNegative] | None, _says("a list of numbers >= 0")]
FileName = Annotated[_FileName | None, _says("a file's name without folder and .pt, or none")]


class Settings(BaseModel):
    """The base of every configuration: frozen, no unknown keys, and text "none" is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _none(cls, value: Any, info: Any) -> Any:
        optional = type(None) in get_args(cls.model_fields[str(info.field_name)].annotation)
        return None if optional and _lower(value) in ("none", "null") else value


class DSNOptions(Settings):
    """Options of a cell of k separate networks over masked inputs."""

    alpha: Alpha = Field(None, description="input mask: None (learned), ones, or k rows of d")
    norm: Literal["softmax"] | None = Field(None, description="how the mask is normalised")
    prune: Prune = Field(None, description="mask entries below this threshold become 0")


class Arch(Settings):
    """The generator: one network from inputs to latents, one from latents to output."""

    in_size: OptionalCount = Field(None, description="input variables; None: the table's columns")
    out_size: Count = Field(1, description="outputs")
    hid_num: Depths = Field((2, 0), description="hidden layers (input-latent, latent-output)")
    hid_size: Sizes = Field(32, description="units of a hidden layer, or a pair as in hid_num")
    hid_type: Cells = Field(("MLP", "MLP"), description="kind of cell, or a pair as in hid_num")
    hid_kwargs: DSNOptions = Field(DSNOptions(), description="options of the DSN cells")
    lat_size: Count = Field(5, description="latent units")


class DenseDisc(Settings):
    """A critic of dense layers, and how it is trained."""

    hid_num: Depths = Field(2, description="hidden layers, or a pair (embedding, critic)")
    hid_size: Sizes = Field(64, description="units of a hidden layer, or a pair as in hid_num")
    emb_size: OptionalCount = Field(None, description="embedding size; None: follows from ext")
    lr: Positive = Field(1e-4, description="Adam's learning rate")
    wd: NonNegative = Field(1e-4, description="Adam's weight decay")
    betas: Betas = Field((0.9, 0.999), description="Adam's decay of the two moments")
    iters: Count = Field(5, description="critic steps an epoch")
    gp: NonNegative = Field(1e-5, description="weight of the gradient penalty")
    loss_fun: Objective = Field("bce", description="objective")
    schedule: Schedule = Field("constant", description="the learning rate's; cosine: to 0")


class Disc(DenseDisc):
    """A critic of any kind, and how it is trained."""

    conv_arch: ConvArch = Field(None, description="channels, M: pooling by 2; None: dense")
    kernel_size: OddCount = Field(3, description="points a convolution sees (odd)")


class CriticConfig(Settings):
    """Everything a critic's training depends on besides its data and its seed."""

    arch: Arch = Field(Arch(), description="the untrained generators that draw the fakes")
    disc: Disc = Field(Disc(), description="the critic")
    ext: Channels = Field((), description="what the critic sees beside the values; none: nothing")
    ext_type: ExtType = Field("stack", description="channels end to end, or embedded by point")
    epochs: Count = Field(1000, description="epochs to train")
    runtime: Seconds = Field(None, description="seconds after which the run ends; None: no limit")
    batch_size: OptionalCount = Field(None, description="points a curve; None: every row")


class Sources(Settings):
    """Where the curves come from: the points of a table, and a library of formulas."""

    data: FilePath = Field(Path("data"), description="folder of the tables")
    in_var: Text = Field("X10[:,0]", description="input table, and which of its columns")
    rows: Text = Field("train", description="rows: train, val or test by the mask file, or all")
    library: FilePath = Field(Path("funs/F10_v1.lib"), description="function library")
    shuffle: Switch = Field(True, description="draw the library's functions in random order")
    iter_sample: Switch = Field(False, description="new library draws for each step of an epoch")


class Place(Settings):
    """Where a run is kept, and what is the same for runs of every kind."""

    name: FileName = Field(None, description="name of the state without .pt; None: chosen")
    out: FilePath = Field(Path("models"), description="folder of the states")
    seed: Seed = Field(0, description="everything random follows from it")
    resume: Switch = Field(False, description="go on with the state of this name")
    checkpoint_every: Count = Field(100, description="epochs between two states on disk")
    project: OptionalText = Field(None, description="W&B project; None: no tracking")
    device: Device = Field("cpu", description="cpu, cuda or cuda:N")


class CriticRun(CriticConfig, Sources, Place):
    """A critic's training with its data, its seed and its place on disk."""
