"""A critic run: from hyperparameters, a table and a library to a state."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from sdnet import training
from sdnet.critic import Critic
from sdnet.library import SDData
from sdnet.mlp import check_whole
from sdnet.objective import evaluate
from sdnet.together import Member
from srnet.runs.assembly import critic_args, fitted, make_critic
from srnet.runs.config import CriticConfig
from srnet.runs.curves import CurveSource, random_stream
from srnet.runs.running import (
    Watch,
    continued,
    follow,
    library_record,
    on_cpu,
    one_thread,
    put_back,
    table,
)
from srnet.runs.states import check_writable, save_state
from srnet.runs.stopping import Stopping
from srnet.runs.tracking import Tracker
from srnet.runs.values import build, to_plain
from srnet.tables import SRData

FRESH = 2000
"""Curves a side of the evaluation draw, and of the draw that its threshold is chosen on."""

ADVICE = "a smaller disc.lr helps"
"""Against numbers that end."""

SCORED_AT_ONCE = 100
"""Curves scored together in an evaluation, to bound memory."""


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
    watch: Watch | None = None,
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
        watch: is given the record after each stretch of at most 16 epochs; a word ends the run.
        progress: a progress bar, where standard error is a terminal.

    Returns:
        dict of `hyperparams`, `history` (`acc`, `loss`, `penalty`: one entry an epoch, see
        `sdnet.training.Figures`), `times` (seconds, one an epoch), `fresh` (`acc`,
        `acc_calibrated`, `auroc` on 2,000 curves a side that nothing was trained on), `critic`
        (weights), `optimizer`, `critic_args` (what the critic is built from), `points`,
        `library`, `seed`, and `ended`: "finished", "runtime", "interrupted", the word of `watch`,
        "non-finite in epoch N", of which the weights are those before that epoch, or "non-finite
        draw after epoch N".

    Raises:
        InputError: hyperparameters, data, library and state that don't fit; a template that is
            not finite on the points.

    >>> lib = SDData.from_lines(["N0*x0**2 + N1"], "X00")
    >>> points = SRData.from_arrays(torch.linspace(-1, 1, 20)[:, None])
    >>> state = train_critic({"epochs": 3, "disc.hid_size": 8}, points, lib, progress=False)
    >>> len(state["history"]["acc"]), sorted(state["fresh"])
    (3, ['acc', 'acc_calibrated', 'auroc'])
    """
    check_whole("checkpoint_every", checkpoint_every, 1)
    run = begin(
        hyperparams, train, lib, seed, state=state, path=path, tracker=tracker, device=device
    )
    check_library([run])
    run.check()
    with one_thread():
        for done in _epochs(run, checkpoint_every, progress, watch):
            run.pause(done, checkpoint_every)
        run.finish()
    return run.record


@dataclass(frozen=True, eq=False)
class Run:
    """A critic's run: what it was asked, what is trained on which curves, and its state so far."""

    config: CriticConfig
    critic: Critic
    source: CurveSource
    record: dict
    path: str | Path | None
    tracker: Tracker | None
    advice: str = ADVICE

    @property
    def weight(self) -> int:
        """Of its epochs, in the time that those of a stack take."""
        return self.config.disc.iters

    def trainee(self) -> Member:
        """What trains together with others."""
        schedule = self.config.disc.schedule
        return Member(self.critic, self.source.block, self.config.epochs, schedule)

    def check(self) -> None:
        """Raise the InputErrors that training would end with, perhaps hours later."""
        self.source.fake(1, random_stream(self.source.seed, "trial"))  # a mask of other latents
        if self.path is not None:
            check_writable(self.path)

    def keep(self, figures: training.Figures) -> None:
        """Add the figures of a stretch to the record, without its times."""
        for name, row in self.record["history"].items():
            row.extend(getattr(figures, name))

    def pause(self, done: int, checkpoint_every: int) -> None:
        """What is due after a stretch: the figures to the tracker, and a state on disk."""
        figures = {name: row[-1] for name, row in self.record["history"].items() if row}
        if self.tracker is not None:
            self.tracker.log(figures, done)
        if self.path is not None and done % checkpoint_every == 0:
            save_state(self.path, {**self.record, **on_cpu(training.training_state(self.critic))})

    def finish(self) -> None:
        """Put weights and evaluation into the record, and the record where it is kept."""
        self.record.update(on_cpu(training.training_state(self.critic)))
        if self.path is not None:
            save_state(self.path, self.record)  # whatever happens to the evaluation
        self.record["fresh"] = fresh_figures(self.critic, self.source)
        if self.path is not None:
            save_state(self.path, self.record)
        if self.tracker is not None:
            self.tracker.finish(self.record["fresh"])


def begin(
    hyperparams: Mapping,
    train: SRData,
    lib: SDData,
    seed: int,
    *,
    state: Mapping | None,
    path: str | Path | None,
    tracker: Tracker | None,
    device: str,
) -> Run:
    """A run before its first epoch, or gone on with from a state; see `train_critic`."""
    check_whole("seed", seed, 0)
    points = table("train.in_data", train.in_data, "(n, d) of the points", device)
    config = fitted(build(CriticConfig, hyperparams, "hyperparams"), points)
    record = {
        "format": "critic 1",
        "hyperparams": to_plain(config),
        "critic_args": critic_args(config, *points.shape),
        "points": points.cpu(),
        "library": library_record(lib),
        "seed": seed,
        "history": {"acc": [], "loss": [], "penalty": []},
        "times": [],
    }
    critic = make_critic(record["critic_args"], random_stream(seed, "critic")).to(device)
    if state is not None:
        fixed = config.disc.schedule != "constant"
        record |= continued(state, record, "optimizer", ["points"], fixed)
        put_back(partial(training.restore, critic), state)
    source = CurveSource(config, points, lib, seed)
    return Run(config, critic, source, record, path, tracker)


def check_library(runs: Sequence[Run]) -> None:
    """Try the library of runs on the same points once, rather than for each.

    Raises:
        InputError: a template, or a derivative that one of the runs sees, is not finite there.
    """
    source = runs[0].source
    for partials in {"grad" in run.config.ext for run in runs}:
        source.library.check(source.points, with_partials=partials)


def _epochs(run: Run, checkpoint_every: int, progress: bool, watch: Watch | None) -> Iterator[int]:
    """Train, keep the record, and say after each stretch how many epochs are done."""

    def train(stop: Stopping) -> Iterator[training.Figures]:
        return training.train(
            run.critic,
            run.source.block,
            run.config.epochs,
            start=len(run.record["times"]),
            schedule=run.config.disc.schedule,
            pause=checkpoint_every,
            stop=stop,
        )

    def keep(figures: training.Figures) -> dict[str, float]:
        run.keep(figures)
        return {"acc": figures.acc[-1]} if figures.acc else {}

    return follow(train, run.record, keep, advice=ADVICE, progress=progress, watch=watch)


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
