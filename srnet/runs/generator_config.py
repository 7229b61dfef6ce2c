"""What a generator's run is asked to do; what it shares with a critic's is in config.py."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sdnet.mlp import pair
from srnet.runs.config import (
    Arch,
    Betas,
    Cells,
    Channels,
    Count,
    Decay,
    DenseDisc,
    Depths,
    ExtType,
    FilePath,
    NonNegative,
    OptionalCount,
    OptionalText,
    Place,
    Positive,
    Schedule,
    Seconds,
    Settings,
    Sources,
    Switch,
    Text,
    Whole,
)


class GeneratorArch(Arch):
    """The generators: a network for each latent, and a linear head."""

    hid_num: Depths = Field((4, 0), description="hidden layers (input-latent, latent-output)")
    hid_type: Cells = Field(("DSN", "MLP"), description="kind of cell, or a pair as in hid_num")


class Opponent(DenseDisc):
    """The generators' critics, and how they are trained beside them."""

    lr: Positive = Field(1e-3, description="Adam's learning rate")
    wd: NonNegative = Field(0.0, description="Adam's weight decay")
    iters: Whole = Field(5, description="critic steps an epoch; 0: a trained critic, kept as it is")
    gp: NonNegative = Field(0.0, description="weight of the gradient penalty")
    schedule: Schedule = Field("cosine", description="the learning rate's; cosine: to 0")
    batch: OptionalCount = Field(
        None, description="library curves of a step; None: as many as there are latents"
    )


class GeneratorConfig(Settings):
    """Everything the training of generators depends on besides its data and its seed."""

    arch: GeneratorArch = Field(GeneratorArch(), description="the generators")
    disc: Opponent = Field(Opponent(), description="their critics, one for each")
    ext: Channels = Field((), description="what a critic sees beside the values; none: nothing")
    ext_type: ExtType = Field("stack", description="channels end to end, or embedded by point")
    restarts: Count = Field(4, description="generators trained at once, of seeds seed, seed+1, ...")
    epochs: Count = Field(15000, description="epochs to train")
    runtime: Seconds = Field(None, description="seconds after which the run ends; None: no limit")
    batch_size: OptionalCount = Field(None, description="rows of a step; None: every row")
    shuffle_rows: Switch = Field(True, description="batches of rows in a new order each epoch")
    points: OptionalCount = Field(None, description="a curve's points, the first rows; None: all")
    lr: Positive = Field(1e-3, description="Adam's learning rate")
    wd: NonNegative = Field(0.0, description="Adam's weight decay")
    betas: Betas = Field((0.9, 0.999), description="Adam's decay of the two moments")
    schedule: Schedule = Field("cosine", description="the learning rate's; cosine: to 0")
    average: Decay = Field(0.999, description="decay of the weights' running average; 0: none")
    sd: NonNegative = Field(1e-2, description="weight of the critic's verdict on the latents")
    sd_fun: Literal["linear", "sigmoid", "logsigmoid"] = Field(
        "linear", description="of the score s: -s, sigmoid(-s) or -log sigmoid(s)"
    )
    l1: NonNegative = Field(0.0, description="weight of the latents' mean size")
    e1: NonNegative = Field(0.0, description="weight of the entropy of the input masks")
    a1: NonNegative = Field(0.0, description="weight of the L1 norm of the input masks")
    a2: NonNegative = Field(0.0, description="weight of the norms of the masks of whole units")
    e3: NonNegative = Field(0.0, description="weight of the entropy of likeness to library draws")
    projection: NonNegative = Field(
        0.0, description="weight of the latents' distance to library shapes that sum to the target"
    )
    log_freq: Count = Field(100, description="epochs between two measures on the validation rows")

    @model_validator(mode="after")
    def _consistent(self) -> "GeneratorConfig":
        kind, alpha = pair("hid_type", self.arch.hid_type)[0], self.arch.hid_kwargs.alpha
        learned = kind == "DSN" and alpha is None
        for name in ("e1", "a1", "a2"):
            if getattr(self, name) and not learned:
                raise ValueError(
                    f"{name} needs a mask to learn: expected {name} 0, or arch.hid_type DSN and "
                    "arch.hid_kwargs.alpha none"
                )
        batch = self.disc.batch
        if self.disc.gp and batch not in (None, self.arch.lat_size):
            raise ValueError(
                f"disc.gp pairs library curves with latents: expected disc.batch none or "
                f"{self.arch.lat_size} (arch.lat_size), or disc.gp 0; got {batch}"
            )
        if self.projection:
            self._guidable()
        return self

    def _guidable(self) -> None:
        """Raise for generators whose output isn't a sum of latents that see given inputs."""
        arch = self.arch
        kinds, depths = pair("hid_type", arch.hid_type), pair("hid_num", arch.hid_num)
        if kinds[0] != "DSN" or arch.hid_kwargs.alpha is None:
            raise ValueError(
                "projection needs to know which inputs each latent sees: expected "
                "arch.hid_kwargs.alpha a row of 0 and 1 for each latent, with arch.hid_type DSN, "
                f"or projection 0; got {arch.hid_kwargs.alpha} with {kinds[0]}"
            )
        if kinds[1] != "MLP" or depths[1]:
            raise ValueError(
                "projection needs a linear head: expected arch.hid_num (.., 0) and arch.hid_type "
                f"(.., MLP), or projection 0; got (.., {depths[1]}) and (.., {kinds[1]})"
            )
        if arch.out_size != 1:
            raise ValueError(
                "projection needs a single target: expected arch.out_size 1, or projection 0; got "
                f"{arch.out_size}"
            )


class Tables(Sources):
    """Where the rows come from, and the library that is real."""

    in_var: Text = Field("X07", description="input table, and which of its columns")
    lat_var: OptionalText = Field(None, description="table of true latents, to measure by only")
    target_var: Text = Field("F07", description="target table")
    val_rows: Text = Field("val", description="rows to validate on, as for rows")
    library: FilePath = Field(Path("funs/F07_v2.lib"), description="function library")


class GeneratorRun(GeneratorConfig, Tables, Place):
    """A training of generators with its data, its seed and its place on disk."""

    critic: OptionalText = Field(None, description="state of a trained critic (disc.iters 0)")
