"""Which generators' runs train as one stack, and how many at once: by shape, and by measuring.

The sizes are measured as those of critics' stacks are, see `srnet.runs.grouping`.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress

import torch

from sdnet.errors import InputError
from sdnet.training import copied
from srnet.epochs import Epochs
from srnet.runs.generator import Run
from srnet.runs.generator_config import GeneratorConfig
from srnet.runs.generators import critics_of, make_generators, recipe_of
from srnet.runs.grouping import best_size, grouped, member_steps, parts
from srnet.training import Block, JointTraining

MOST = {"cpu": 32, "cuda": 1024}
"""Generators of a stack at most."""

_FREE = {"lr", "wd", "betas", "gp", "iters", "schedule"}
"""What critics of one stack need not have in common."""

_found: dict[Hashable, int] = {}
"""The sizes that were measured already."""


def form(config: GeneratorConfig) -> Hashable | None:
    """What runs of one table have in common that train as one stack; None for one trained alone.

    A config is to be `srnet.runs.generators.fitted`. Rates, decays, betas, schedules, averages,
    weights and kinds of penalties, steps an epoch, epochs, seeds and restarts may differ; whether
    there are critics and whether these have a gradient penalty may not.

    >>> form(GeneratorConfig(lr=1e-4, sd=3.0)) == form(GeneratorConfig(restarts=2, epochs=7))
    True
    >>> form(GeneratorConfig(projection=1.0, arch={"hid_kwargs": {"alpha": [[1.0]] * 5}}))
    """
    judged = bool(config.sd)
    if config.projection or (judged and not config.disc.iters):
        return None
    disc = (config.disc.model_dump(exclude=_FREE), bool(config.disc.gp)) if judged else None
    rows = config.batch_size, config.batch_size is not None and config.shuffle_rows, config.points
    return repr((config.arch.model_dump(), disc, config.ext, config.ext_type, rows))


def stacks(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs, those that can train as one stack together, in stacks of the size that is quickest.

    They are of one `form` and table, and have as many epochs behind them. In a group those with
    most to do come first, so that a stack's members are alike.
    """
    found = []
    for group in grouped(runs, _key).values():
        ordered = sorted(group, key=_work, reverse=True)
        found += parts(ordered, quickest_size(ordered[0], len(group)) if len(group) > 1 else 1)
    return found


def _key(run: Run) -> Hashable:
    shape = None if run.training.guide is not None else form(run.config)
    return id(run) if shape is None else (shape, *_table(run), len(run.record["times"]))


def _table(run: Run) -> tuple[Hashable, ...]:
    tables = run.record["points"], run.record["targets"]
    numbers = (table.numpy().tobytes() for table in tables)
    return *numbers, str(tables[0].dtype), str(run.training.x.device)


def _work(run: Run) -> tuple[int, int]:
    return run.training.recipe.iters, run.config.epochs


def quickest_size(run: Run, runs: int) -> int:
    """How many runs like this one train most quickly at once, of as many runs."""
    config, x = run.config, run.training.x
    sizes = [1]
    while sizes[-1] < runs and 2 * sizes[-1] * config.restarts <= MOST[x.device.type]:
        sizes.append(2 * sizes[-1])
    shape = form(config), config.restarts, run.training.recipe.iters
    key = *shape, *x.shape, run.training.y.shape[1], str(x.device), len(sizes)
    if key not in _found:
        _found[key] = _quickest_size(run, sizes) if len(sizes) > 1 else 1
    return min(_found[key], runs)


def _quickest_size(run: Run, sizes: Sequence[int]) -> int:
    try:
        block = run.source.block(0)
    except InputError:  # a rare draw that isn't finite, which will end the run
        return 1
    trials = _trials(run, block, sizes)
    return best_size(member_steps(trials))


def _trials(run: Run, block: Block, sizes: Sequence[int]) -> Mapping[int, Callable[[], object]]:
    """An epoch of a stack of each size, as far as there is memory for them.

    On a CPU, of those sizes alone that give a run the bits that it has alone.
    """
    trials: dict[int, Callable[[], object]] = {}
    alone = None
    with suppress(torch.OutOfMemoryError):
        for size in sizes:
            copies = [_copy(run) for _ in range(size)]
            trial = _trial(Epochs(copies), [block] * size)
            trial()
            state = copied(copies[-1].state())
            alone = state if alone is None else alone
            if run.training.x.is_cuda or _equal(state, alone):
                trials[size] = trial
    return trials


def _copy(run: Run) -> JointTraining:
    """What the run trains, before its first epoch, with seeds of its own."""
    config, training = run.config, run.training
    device = training.x.device
    model = make_generators(run.record["generator_args"], config.restarts, 0).to(device)
    critic, _ = critics_of(config, training.points, 0, None)
    critic = critic if critic is None else critic.to(device)
    return JointTraining(model, critic, training.x, training.y, recipe_of(config))


def _trial(epochs: Epochs, blocks: list[Block]) -> Callable[[], object]:
    def epoch() -> None:
        epochs.stretch(blocks, range(1), lambda: False)
        if epochs.first.x.is_cuda:
            torch.cuda.synchronize()

    return epoch


def _equal(state: object, other: object) -> bool:
    """Whether two trees of tensors have the same bits."""
    if isinstance(state, dict):
        return all(_equal(value, other[name]) for name, value in state.items())
    if isinstance(state, list):
        return all(map(_equal, state, other))
    return torch.equal(state, other)
