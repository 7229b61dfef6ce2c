"""From a config and the rows of a table to generators with their critics, and from a state back."""

from collections.abc import Mapping
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from sdnet.critic import Critic, SDNet
from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.mlp import check_whole
from srnet.decomposition import decompose
from srnet.network import SRNet
from srnet.penalties import Weights
from srnet.projection import Projection
from srnet.runs.assembly import critic_args, critic_of, embedding_size
from srnet.runs.curves import random_stream
from srnet.runs.generator_config import GeneratorConfig
from srnet.runs.running import log
from srnet.runs.states import load_state
from srnet.runs.values import build, merge, to_plain
from srnet.training import Recipe

EXPLAINED = 1e-2
"""Share of the target's variance that a sum may leave before a warning is given of it."""


def fitted(config: GeneratorConfig, x: Tensor, y: Tensor) -> GeneratorConfig:
    """The config with the sizes that follow from the table, (n, d) and (n, out), filled in.

    Raises:
        InputError: a size that was given is another one, or more than there is.
    """
    (count, variables), outputs = x.shape, y.shape[1]
    sizes = {
        "arch.in_size": (config.arch.in_size, variables, "variables (columns of the table)"),
        "arch.out_size": (config.arch.out_size, outputs, "target columns"),
    }
    for name, (given, found, what) in sizes.items():
        if given not in (None, found):
            raise InputError(f"{name} is {given}, but the data has {found} {what}")
    for name in ("batch_size", "points"):
        given = getattr(config, name)
        if given is not None and given > count:
            raise InputError(f"{name} is {given}, but the data has {count} rows")
    found = {"arch.in_size": variables, "disc.emb_size": embedding_size(config, variables)}
    return build(GeneratorConfig, merge(to_plain(config), found), "hyperparams")


def guide_of(
    config: GeneratorConfig, model: SRNet, x: Tensor, y: Tensor, library: SDData
) -> Projection:
    """The guide of a config's `projection`: to the library's shapes that sum to y, see `decompose`.

    It follows from the arguments alone, so a run that is gone on with has the same one again.

    Raises:
        InputError: no latent sees all the inputs of any shape, or y is constant.
    """
    masks = model.latents.mask()[0]  # of any member: they are given
    with threadpool_limits(1):  # products this small are slower on several cores
        found = decompose(library, x, y, masks)
    left = found.misfit / float(y.double().var(correction=0))
    if left > EXPLAINED:
        log.warning(
            "the sum of library shapes that projection draws the latents to leaves %.2g of the "
            "target's variance: %s; expected a library and masks that explain it, or projection 0",
            *(left, found.expression),
        )
    return Projection(found, x, y, masks, weight=config.projection)


def generator_args(config: GeneratorConfig) -> dict:
    """What each generator of a config is built from: plain, for the state."""
    return to_plain(config.arch)


def make_generators(arguments: Mapping, restarts: int, seed: int) -> SRNet:
    """Generators of seeds seed, seed + 1, ... in one stack, (restarts,)."""
    streams = [random_stream(one, "generator") for one in range(seed, seed + restarts)]
    return SRNet(**arguments, stack=(restarts,), generator=streams)


def make_critics(arguments: Mapping, restarts: int, seed: int) -> SDNet:
    """Their critics, likewise."""
    streams = [random_stream(one, "critic") for one in range(seed, seed + restarts)]
    return SDNet(**arguments, stack=(restarts,), generator=streams)


def critics_of(
    config: GeneratorConfig, points: Tensor, seed: int, trained: Mapping | None
) -> tuple[Critic | None, dict | None]:
    """The critics that a config asks for at the points (n, d), and what they are built from.

    Args:
        trained: the state of a critic that judges all members and stays as it is.

    Raises:
        InputError: settings that contradict each other, or a critic of other curves.
    """
    if not config.sd:
        if trained is not None:
            raise InputError("a trained critic is given, but sd is 0; expected a weight for it")
        return None, None
    if trained is None:
        if not config.disc.iters:
            raise InputError(
                "disc.iters is 0, so the critic isn't trained; expected a trained one (critic), "
                "or sd 0 for none"
            )
        arguments = {**critic_args(config, *points.shape), "iters": config.disc.iters}
        return make_critics(arguments, config.restarts, seed), arguments
    if config.disc.iters:
        raise InputError(
            f"a trained critic is given and disc.iters is {config.disc.iters}; expected 0: a given "
            "critic stays as it is"
        )
    critic = critic_of(trained, "the trained critic")
    _check_sees_alike(config, critic, points, trained)
    return critic.requires_grad_(False), dict(trained["critic_args"])


def _check_sees_alike(
    config: GeneratorConfig, critic: Critic, points: Tensor, trained: Mapping
) -> None:
    ext, ext_type = list(config.ext), config.ext_type
    theirs = trained["hyperparams"].get("ext") or []
    theirs = [theirs] if isinstance(theirs, str) else list(theirs)
    kinds = (
        [ext, *[ext_type] * bool(ext)],
        [
            theirs,
            *[trained["hyperparams"].get("ext_type")] * bool(theirs),
        ],
    )
    if kinds[0] != kinds[1]:
        raise InputError(
            f"the trained critic sees ext {theirs} ({trained['hyperparams'].get('ext_type')}), but "
            f"ext is {ext} ({ext_type}) here"
        )
    expected = critic_args(config, *points.shape)["in_size"]
    seen = trained.get("points")
    if critic.in_size != expected or (seen is not None and not torch.equal(seen, points.cpu())):
        raise InputError(
            f"the trained critic is of curves at other points than the {len(points)} of this "
            "table; expected one trained on the same rows (settings points, rows and in_var)"
        )


def recipe_of(config: GeneratorConfig) -> Recipe:
    """How the loop is to train: the config without what builds the networks."""
    return Recipe(
        epochs=config.epochs,
        weights=Weights(**{name: getattr(config, name) for name in Weights.__dataclass_fields__}),
        lr=config.lr,
        wd=config.wd,
        betas=config.betas,
        schedule=config.schedule,
        critic_schedule=config.disc.schedule,
        iters=config.disc.iters if config.sd else 0,
        batch_size=config.batch_size,
        points=config.points,
        ext=config.ext,
        ext_type=config.ext_type,
        average=config.average,
    )


def load_generator(path: str | Path, member: int | None = None, device: str = "cpu") -> SRNet:
    """A trained generator of a state file: the best member, or the one asked for.

    Its weights are the averaged ones where the run kept an average.

    Raises:
        InputError: not the state of generators, no such member, or its weights and sizes don't
            fit each other.
    """
    return generator_of(load_state(path), member, str(path)).to(device)


def generator_of(state: Mapping, member: int | None = None, where: str = "state") -> SRNet:
    """A generator of a state, as `load_generator`; `where` stands for its file in messages."""
    if "generator_args" not in state:
        raise InputError(f"{where}: not the state of generators; load_critic reads critics")
    count = state["hyperparams"]["restarts"]
    if member is None:
        member = state.get("best", 0)  # a run that is still going has not chosen
    check_whole("member", member, 0)
    if member >= count:
        raise InputError(f"{where}: there is no member {member}; expected 0 to {count - 1}")
    try:
        model = SRNet(**state["generator_args"], generator=torch.Generator())
        weights = state.get("average", state["generator"])
        model.load_state_dict({name: stacked[member] for name, stacked in weights.items()})
    except (KeyError, RuntimeError, TypeError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: not the state of generators ({reason})") from None
    return model
