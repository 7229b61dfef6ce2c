"""What a study of lesions is asked to do: how its networks are made, trained and retrained.

It is a room of its own, without torch, so that the command's help is quick.
"""

from pydantic import Field

from srnet.runs.config import Count, Positive, Settings, Whole

DAMAGES = (
    "cut:oh",
    "cut:hp",
    "cut:cp",
    "zero_out:hp",
    "zero_out:pp",
    "shrink:hidden",
    "add_noise:phonology",
    "apply_l2",
)
OPTIMIZERS = ("carried", "fresh")


class Protocol(Settings):
    """The same for every cell of a study."""

    tau: Positive = Field(0.1, description="share of the new net input in a state, at most 1")
    h_units: Count = Field(10, description="hidden units")
    c_units: Count = Field(5, description="cleanup units")
    ticks: Count = Field(30, description="ticks of a word, divisible by 3")
    epochs: Count = Field(1000, description="epochs of training before the damage")
    lr: Positive = Field(0.05, description="Adam's learning rate, in training and retraining")
    batch_size: Count = Field(20, description="words of a step")
    retrain: Whole = Field(100, description="epochs of retraining after the damage")
    every: Count = Field(5, description="epochs of retraining between two measurements")
