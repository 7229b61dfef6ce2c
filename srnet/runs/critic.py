"""A critic run: from hyperparameters, a table and a library to a state."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from sdnet import training
from sdnet.critic import Critic
from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.mlp import check_whole
from sdnet.objective import evaluate
from srnet.runs.assembly import critic_args, fitted, make_critic
from srnet.runs.config import CriticConfig
from srnet.runs.curves import CurveSource, random_stream
from srnet.runs.states import check_writable, save_state
from srnet.runs.stopping import Stopping
from srnet.runs.tracking import Tracker
from srnet.runs.values import build, flatten, to_plain
from srnet.tables import SRData

FRESH = 2000
"""Curves a side of the evaluation draw, and of the draw that its threshold is chosen on."""

SCORED_AT_ONCE = 100
"""Curves scored together in an evaluation, to bound memory."""

log = logging.getLogger("symdisc")


def train_critic(
    hyperparams: Mapping,
    train: SRData,
    lib: SDData,
    seed: int = 0,
    *,
    state: Mapping | None = None,
    path: str | Path | None = None,
    checkpoint_every: int = 100,
    tracker: Tracker | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> dict:
    """Train a critic on library draws against untrained generators; the state it ends with.

    Each epoch draws a fresh untrained generator, whose latents are the fakes, and as many curves
    from the library, then takes `disc.iters` steps. Everything random follows from `seed`.

    Args:
        hyperparams: names of `srnet.runs.config.CriticConfig`, nested or dotted; the rest keep
            their defaults.
        train: its `in_data` (n, d) are the points at which curves are seen.
        lib: what counts as real.
        state: of an earlier run with the same hyperparameters, points, library and seed, to go
            on from; `runtime` may be another, and with a constant learning rate `epochs`.
        path: where the state is kept, every `checkpoint_every` epochs and at the end.
        tracker: gets the figures, at most ten times a second.
        progress: a progress bar, where standard error is a terminal.

    Returns:
        dict of `hyperparams`, `history` (`acc`, `loss`, `penalty`: one entry an epoch, see
        `sdnet.training.Figures`), `times` (seconds, one an epoch), `fresh` (`acc`,
        `acc_calibrated`, `auroc` on 2,000 curves a side that nothing was trained on), `critic`
        (weights), `optimizer`, `critic_args` (what the critic is built from), `points`,
        `library`, `seed`, and `ended`: "finished", "runtime", "interrupted", "non-finite in epoch
        N", of which the weights are those before that epoch, or "non-finite draw after epoch N".

    Raises:
        InputError: hyperparameters, data, library and state that don't fit; a template that is
            not finite on the points.

    >>> lib = SDData.from_lines(["N0*x0**2 + N1"], "X00")
    >>> points = SRData.from_arrays(torch.linspace(-1, 1, 20)[:, None])
    >>> state = train_critic({"epochs": 3, "disc.hid_size": 8}, points, lib, progress=False)
    >>> len(state["history"]["acc"]), sorted(state["fresh"])
    (3, ['acc', 'acc_calibrated', 'auroc'])
    """
    check_whole("seed", seed, 0)
    check_whole("checkpoint_every", checkpoint_every, 1)
    points = _points(train, device)
    config = fitted(build(CriticConfig, hyperparams, "hyperparams"), points)
    lib.check(points, with_partials="grad" in config.ext)
    record = {
        "format": "critic 1",
        "hyperparams": to_plain(config),
        "critic_args": critic_args(config, *points.shape),
        "points": points.cpu(),
        "library": {
            "lines": list(lib.lines),
            "in_var": lib.in_var.partition("[")[0],  # its columns are in the points
            "shuffle": lib.shuffle,
            "iter_sample": lib.iter_sample,
        },
        "seed": seed,
        "history": {"acc": [], "loss": [], "penalty": []},
        "times": [],
    }
    critic = make_critic(record["critic_args"], random_stream(seed, "critic")).to(device)
    if state is not None:
        record |= continued(state, record)
        _restore(critic, state)
    source = CurveSource(config, points, lib, seed)
    source.fake(1, random_stream(seed, "trial"))  # tells of a mask that doesn't fit the latents
    if path is not None:
        check_writable(path)  # now, rather than after hours of training
    with one_thread():
        for done in _epochs(critic, source, config, record, checkpoint_every, progress):
            figures = {name: row[-1] for name, row in record["history"].items() if row}
            if tracker is not None:
                tracker.log(figures, done)
            if path is not None and done % checkpoint_every == 0:
                save_state(path, {**record, **_on_cpu(training.training_state(critic))})
        record |= _on_cpu(training.training_state(critic))
        if path is not None:
            save_state(path, record)  # whatever happens to the evaluation
        record["fresh"] = fresh_figures(critic, source)
    if path is not None:
        save_state(path, record)
    if tracker is not None:
        tracker.finish(record["fresh"])
    return record


def _points(train: SRData, device: str) -> Tensor:
    """The points (n, d) to train at, on the device."""
    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"device is {device!r}, but torch sees no GPU here; use cpu")
    table = train.in_data
    if table is None:
        raise InputError("train has no in_data; expected the table (n, d) of the points")
    points = table.to(device=device, dtype=torch.get_default_dtype())
    if points.dim() != 2 or not points.numel() or not points.isfinite().all():
        raise InputError(
            f"train.in_data has shape {tuple(points.shape)} and "
            f"{int((~points.isfinite()).sum())} values that aren't finite; expected finite (n, d)"
        )
    return points


def _restore(critic: Critic, state: Mapping) -> None:
    try:
        training.restore(critic, dict(state))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the state's weights don't fit its settings ({reason})") from None


def _epochs(
    critic: Critic,
    source: CurveSource,
    config: CriticConfig,
    record: dict,
    checkpoint_every: int,
    progress: bool,
) -> Iterator[int]:
    """Train, keep the record, and say after each stretch how many epochs are done."""
    done = len(record["times"])
    record["ended"] = "running"
    bar = tqdm(total=config.epochs, initial=done, unit="epoch", disable=None if progress else True)
    with bar, Stopping(config.runtime) as stop:
        stretches = training.train(
            critic,
            source.block,
            config.epochs,
            start=done,
            schedule=config.disc.schedule,
            pause=checkpoint_every,
            stop=stop,
        )
        try:
            for figures in stretches:
                for name, row in record["history"].items():
                    row.extend(getattr(figures, name))
                record["times"].extend(figures.times)
                bar.update(len(figures.times))
                if figures.times:
                    bar.set_postfix(acc=f"{figures.acc[-1]:.3f}", refresh=False)
                yield len(record["times"])
            finished = len(record["times"]) >= config.epochs
            record["ended"] = "finished" if finished else str(stop.reason)
        except InputError as error:  # of a rare draw that is not finite: the epochs so far count
            record["ended"] = f"non-finite draw after epoch {len(record['times'])}"
            log.warning("%s; the state before it is kept", error)
        except training.NonFiniteError as error:
            record["ended"] = f"non-finite in epoch {error.epoch + 1}"
            log.warning("%s; the state before it is kept; a smaller disc.lr helps", error)


def continued(state: Mapping, record: Mapping) -> dict:
    """What a resumed run takes over: history and times.

    Raises:
        InputError: the state is of another run, or can't be resumed.
    """
    missing = {"optimizer", "points", "library", "seed"} - state.keys()
    if missing:
        raise InputError(
            f"the state has no {', '.join(sorted(missing))} (as those of the older form): it can "
            "be used, but not gone on with"
        )
    settings = [
        flatten({name: run[name] for name in ("seed", "library", "hyperparams")})
        for run in (state, record)
    ]
    may_change = {"hyperparams.runtime"}
    if record["hyperparams"]["disc"]["schedule"] == "constant":
        may_change.add("hyperparams.epochs")
    for name in sorted(settings[1].keys() - may_change):
        before, now = settings[0].get(name), settings[1][name]
        if before != now:
            cosine = "; a cosine schedule is of so many epochs" * name.endswith(".epochs")
            raise InputError(
                f"{name.removeprefix('hyperparams.')} was {before} and is now {now}{cosine}: this "
                "is not the run to go on with"
            )
    before, now = state["points"], record["points"]
    if before.dtype != now.dtype or not torch.equal(before, now):
        raise InputError("the points are others now: this is not the run to go on with")
    done, epochs = len(state["times"]), record["hyperparams"]["epochs"]
    if done > epochs:
        raise InputError(f"epochs is {epochs}, but the state has {done} of them behind it already")
    history = {name: list(row) for name, row in state["history"].items()}
    return {"history": history, "times": list(state["times"])}


@torch.no_grad()
def score(critic: Critic, curves: Tensor) -> Tensor:
    """Scores (b,) of many curves (b, n[, c]), a part at a time."""
    return torch.cat([critic(part) for part in curves.split(SCORED_AT_ONCE)])


def fresh_figures(critic: Critic, source: CurveSource) -> dict[str, float]:
    """`acc`, `acc_calibrated` and `auroc` on fresh curves, see `sdnet.objective.evaluate`."""
    fresh, held_out = (
        tuple(score(critic, side).cpu() for side in source.evaluation(name, FRESH))
        for name in ("fresh", "held out")
    )
    return evaluate(*fresh, held_out=held_out)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Small products gain nothing from threads: processes use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _on_cpu(tree: object) -> object:
    """The same containers with every tensor on the CPU."""
    if isinstance(tree, Tensor):
        return tree.cpu()
    if isinstance(tree, dict):
        return {key: _on_cpu(value) for key, value in tree.items()}
    return [_on_cpu(value) for value in tree] if isinstance(tree, list | tuple) else tree
