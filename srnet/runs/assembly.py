"""From a config and the points of a table to a critic, and from a state back to it.

Of generators the same is `srnet.runs.generators`' subject.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sdnet.critic import Critic, CSDNet, SDNet
from sdnet.errors import InputError
from srnet.runs.config import CriticConfig
from srnet.runs.generator_config import GeneratorConfig
from srnet.runs.states import contents, load_state
from srnet.runs.values import build, merge, to_plain


def fitted(config: CriticConfig, points: Tensor) -> CriticConfig:
    """The config with the sizes that follow from the points (n, d) filled in.

    Raises:
        InputError: a size that was given is another one.
    """
    count, variables = points.shape
    emb_size = embedding_size(config, variables)
    sizes = {
        "batch_size": (config.batch_size, count, "points (rows of the table)"),
        "arch.in_size": (config.arch.in_size, variables, "variables (columns of the table)"),
    }
    for name, (given, found, what) in sizes.items():
        if given not in (None, found):
            raise InputError(f"{name} is {given}, but the data has {found} {what}")
    if config.disc.conv_arch is not None:
        _check_grid(points)
    found = {
        "batch_size": count,
        "arch.in_size": variables,
        "disc.emb_size": emb_size,
    }
    return build(CriticConfig, merge(to_plain(config), found), "hyperparams")


def embedding_size(config: CriticConfig | GeneratorConfig, variables: int) -> int | None:
    """Channels of a point for the critic's embedding, which follow from `ext`; None without one.

    Raises:
        InputError: `disc.emb_size` is given, and is another one.
    """
    channels = 1 + variables * len(config.ext)
    found = channels if config.ext and config.ext_type == "embed" else None
    if config.disc.emb_size not in (None, found):
        seen = f"{channels} channels a point" if found else "no embedding"
        raise InputError(
            f"disc.emb_size is {config.disc.emb_size}, but ext {list(config.ext)} with ext_type "
            f"{config.ext_type!r} gives {seen}"
        )
    return found


def _check_grid(points: Tensor) -> None:
    steps = points[:, 0].diff()
    uneven = (steps - steps.mean()).abs() > 1e-3 * steps.mean().abs()
    if points.shape[1] != 1 or not steps.any() or uneven.any():
        raise InputError(
            "disc.conv_arch needs one variable on an evenly spaced grid (such as F11 with all "
            f"rows); the {points.shape[0]} points of {points.shape[1]} variable(s) are not"
        )


def critic_args(config: CriticConfig | GeneratorConfig, count: int, variables: int) -> dict:
    """What the critic of a config is built from, for (n, d) points: plain, for the state."""
    disc = to_plain(config.disc)
    stacked = bool(config.ext) and config.ext_type == "stack"
    size = count * (1 + variables * len(config.ext)) if stacked else count
    dense = not disc.get("conv_arch")
    kept = [name for name in disc if name not in ("schedule", "batch")]  # the loop's
    if dense:
        kept = [name for name in kept if name not in ("conv_arch", "kernel_size")]
    return {"in_size": size, **{name: disc[name] for name in kept}}


def make_critic(arguments: Mapping, generator: torch.Generator | None = None) -> Critic:
    """The critic of a state's `critic_args`: convolutional if it has a `conv_arch`."""
    kind = CSDNet if "conv_arch" in arguments else SDNet
    return kind(**arguments, generator=generator)


def load_critic(path: str | Path, device: str = "cpu") -> Critic:
    """The trained critic of a state file, of today's form or the older one.

    Raises:
        InputError: not the state of a critic, or its weights and sizes don't fit each other.
    """
    return critic_of(load_state(path), str(path)).to(device)


def critic_of(state: Mapping, where: str = "state") -> Critic:
    """The trained critic of a state; `where` stands for its file in messages.

    Raises:
        InputError: not the state of a critic, or its weights and sizes don't fit each other.
    """
    form = str(state.get("format"))
    if form.startswith("generator"):
        raise InputError(f"{where}: holds generators, not a critic; load_generator reads it")
    if form.startswith("network"):
        raise InputError(f"{where}: holds {contents(state)}, not a critic; load_network reads it")
    try:
        critic = make_critic(state["critic_args"], torch.Generator())  # not torch's default one
        critic.load_state_dict(state["critic"])
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: not the state of a critic ({reason})") from None
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return critic
