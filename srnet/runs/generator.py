"""A generator run: from hyperparameters, tables and a library to a state with E generators."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.mlp import check_whole
from sdnet.training import stretches
from srnet.recipes import Figures, Guide
from srnet.runs.curves import MemberSource
from srnet.runs.generator_config import GeneratorConfig
from srnet.runs.generators import (
    critics_of,
    fitted,
    generator_args,
    guide_of,
    make_generators,
    recipe_of,
)
from srnet.runs.measuring import Validation, add, by_member, chosen, lost, measures, unread
from srnet.runs.running import (
    Watch,
    continued,
    follow,
    library_record,
    log,
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
from srnet.together import Member
from srnet.training import JointTraining

ADVICE = "a smaller lr or disc.lr helps"
"""Against numbers that end."""


def train_generator(
    hyperparams: Mapping,
    train: SRData,
    val: SRData,
    lib: SDData | None,
    seed: int = 0,
    *,
    critic: Mapping | None = None,
    guide: Guide | None = None,
    state: Mapping | None = None,
    path: str | Path | None = None,
    checkpoint_every: int = 100,
    tracker: Tracker | None = None,
    watch: Watch | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> dict:
    """Train E generators with a critic each; the state they end with.

    Member e follows from the seed `seed` + e alone, as if it were trained by itself. The true
    latents (`val.lat_data`), where they are known, are measured by, and nothing else.

    Args:
        hyperparams: names of `srnet.runs.generator_config.GeneratorConfig`, nested or dotted; the
            rest keep their defaults. E is `restarts`.
        train: its `in_data` (n, d) and `target_data` (n, out) are fitted.
        val: rows to measure on, see `Returns`.
        lib: what counts as real; None if nothing asks for it (`sd`, `e3`, `projection` are 0).
        critic: the state of a trained critic, which judges all members and stays as it is; with
            `disc.iters` 0.
        guide: see `srnet.training.Guide`; `projection` makes one from library and table.
        state: of an earlier run of the same settings, tables, library and seed, to go on from.
        path, checkpoint_every, tracker, watch, progress: as for `srnet.runs.critic.train_critic`.

    Returns:
        dict of `hyperparams`; `history`, of every epoch: `loss` (squared error), `penalty`
        (weighted) and, where critics are trained, `acc`, each (epochs, E); `measures` every
        `log_freq` epochs: `epoch`, and of the rows of `val` `loss` (m, E), `correlation`
        (m, E, k, g) and `min_corr` (m, E), see `srnet.measures.measure`; `loss_inside` and
        `min_corr_inside`, of those inside the box of the training rows alone; `score` (m, E), the
        critic's mean on the curves at the points trained on, and `share` (m, E), that of |penalty|
        in |penalty| + loss; `validation`, how many `rows` of val there are, and `inside`;
        `latents`, the measures' latents, thinned; `members`, a row for each at the end, with what
        is left `unread` (`srnet.runs.measuring`), and `best`, the one chosen without the truth;
        `times`, `points`, `targets`, `library`, `seed`, `ended` as of a critic's run; and the
        weights. Of everything the averaged weights are measured.
        A member whose figures are no longer numbers is lost: its weights and, from that epoch on,
        its figures are NaN, and the others go on. Losing the last one ends the run before that
        epoch.

    Raises:
        InputError: hyperparameters, tables, library, critic and state that don't fit.

    >>> x = torch.linspace(-1, 1, 20)[:, None]
    >>> data, lib = SRData.from_arrays(x, x**2, x**2), SDData.from_lines(["N0*x0**2"], "X00")
    >>> small = {"epochs": 3, "restarts": 2, "arch": {"lat_size": 1, "hid_size": 8}}
    >>> state = train_generator(small, data, data, lib, progress=False)
    >>> state["history"]["loss"].shape, sorted(state["members"][state["best"]])
    (torch.Size([3, 2]), ['choice', 'loss', 'loss_inside', 'member', 'min_corr', ...])
    """
    check_whole("checkpoint_every", checkpoint_every, 1)
    options = {"state": state, "path": path, "tracker": tracker, "device": device}
    run = begin(hyperparams, train, val, lib, seed, critic=critic, guide=guide, **options)
    run.check()
    with one_thread():
        for done in _epochs(run, checkpoint_every, progress, watch):
            run.pause(done, checkpoint_every)
        run.finish()
    return run.record


@dataclass(frozen=True, eq=False)
class Run:
    """A generators' run: what it was asked, what is trained on which curves, its state so far."""

    config: GeneratorConfig
    training: JointTraining
    source: MemberSource
    validation: Validation
    record: dict
    path: str | Path | None
    tracker: Tracker | None
    advice: str = ADVICE

    @property
    def weight(self) -> int:
        """Of its epochs, in the time that those of a stack take."""
        return self.config.restarts

    def trainee(self) -> Member:
        """What trains together with others."""
        config = self.config
        return Member(self.training, self.source.block, config.epochs, (config.log_freq,))

    def check(self) -> None:
        """Raise the InputErrors that the run would end with, perhaps hours later."""
        if self.path is not None:
            check_writable(self.path)

    def keep(self, figures: Figures) -> None:
        """Add the figures of a stretch to the record, without its times."""
        history, before = self.record["history"], lost(self.record["history"]["loss"])
        for name, rows in figures.rows.items():
            history[name] = torch.cat([history[name], rows.to(history[name])])
        for member, epoch in lost(history["loss"]).items():
            if member not in before:
                told = (member, epoch, self.advice)
                log.warning("member %d is lost: non-finite in epoch %d; %s", *told)

    def pause(self, done: int, checkpoint_every: int) -> None:
        """What is due after a stretch: measures, also to the tracker, and a state on disk."""
        record, log_freq = self.record, self.config.log_freq
        if done % log_freq == 0 and [done] not in ([0], record["measures"]["epoch"][-1:]):
            add(record, measures(self.training, self.validation, record), done, log_freq)
            if self.tracker is not None:
                self.tracker.log(by_member(record["measures"]), done)
        if self.path is not None and done % checkpoint_every == 0:
            save_state(self.path, {**record, **on_cpu(self.training.state())})

    def finish(self) -> None:
        """Put weights, members and the best of them into the record, and it where it is kept."""
        record, training = self.record, self.training
        record.update(on_cpu(training.state()))
        row = measures(training, self.validation, record)
        row["unread"] = unread(training.averaged, training.points, record["library"])
        record.update(chosen(row, record))
        if self.path is not None:
            save_state(self.path, record)
        if self.tracker is not None:
            self.tracker.finish(record["members"][record["best"]])


def begin(
    hyperparams: Mapping,
    train: SRData,
    val: SRData,
    lib: SDData | None,
    seed: int,
    *,
    critic: Mapping | None = None,
    guide: Guide | None = None,
    state: Mapping | None,
    path: str | Path | None,
    tracker: Tracker | None,
    device: str,
) -> Run:
    """A run before its first epoch, or gone on with from a state; see `train_generator`."""
    check_whole("seed", seed, 0)
    x = table("train.in_data", train.in_data, "(n, d) of the inputs", device)
    y = table("train.target_data", train.target_data, "(n, out) of the target", device)
    config = fitted(build(GeneratorConfig, hyperparams, "hyperparams"), x, y)
    validation = Validation(val, x, y, device)
    points = x[: config.points]
    if lib is not None:
        lib.check(points, with_partials="grad" in config.ext)
    elif (config.sd and config.disc.iters) or config.e3 or config.projection:
        raise InputError(
            "lib is None, but sd, e3 or projection asks for library curves; expected a library"
        )
    if guide is not None and config.projection:
        raise InputError(
            f"a guide is given and projection is {config.projection:g}, a guide too; expected one"
        )
    arguments = generator_args(config)
    model = make_generators(arguments, config.restarts, seed).to(device)
    if config.projection:
        guide = guide_of(config, model, x, y, lib)
    judge, critic_arguments = critics_of(config, points, seed, critic)
    judge = judge if judge is None else judge.to(device)
    training = JointTraining(model, judge, x, y, recipe_of(config), guide)
    none = x.new_empty(0, config.restarts).cpu()
    rows = ["loss", "penalty"] + ["acc"] * bool(training.recipe.iters)
    record = {
        "format": "generator 1",
        "hyperparams": to_plain(config),
        "generator_args": arguments,
        "critic_args": critic_arguments,
        "points": x.cpu(),
        "targets": y.cpu(),
        "library": None if lib is None else library_record(lib),
        "seed": seed,
        "history": dict.fromkeys(rows, none),
        "times": [],
        "measures": {"epoch": []},
        "latents": {"epoch": []},
        "validation": validation.counts(),
    }
    if critic is not None:
        record["critic"] = on_cpu(dict(judge.state_dict()))
    if state is not None:
        record |= _continued(training, record, state)
    source = MemberSource(config, training.points, len(x), lib, seed)
    return Run(config, training, source, validation, record, path, tracker)


def _continued(training: JointTraining, record: Mapping, state: Mapping) -> dict:
    recipe = training.recipe
    guided = training.guide is not None
    if guided != ("guide" in state):
        raise InputError(
            f"the state was trained {'without' if guided else 'with'} a guide, and now it is "
            f"{'with' if guided else 'without'} one: this is not the run to go on with"
        )
    fixed = guided or {recipe.schedule, recipe.critic_schedule} != {"constant"}
    taken = continued(state, record, "generator_optimizer", ["points", "targets"], fixed)
    if "critic" in record:
        same = record["critic"].keys() == state.get("critic", {}).keys() and all(
            torch.equal(weight, state["critic"][name]) for name, weight in record["critic"].items()
        )
        if not same:
            raise InputError("the trained critic is another now: this is not the run to go on with")
    put_back(training.restore, state)
    return taken | {
        name: {key: list(rows) if key == "epoch" else rows for key, rows in state[name].items()}
        for name in ("measures", "latents")
    }


def _epochs(run: Run, checkpoint_every: int, progress: bool, watch: Watch | None) -> Iterator[int]:
    """Train, keep the record, and say after each stretch how many epochs are done."""

    def train(stop: Stopping) -> Iterator[Figures]:
        return stretches(
            run.training,
            run.source.block,
            run.config.epochs,
            start=len(run.record["times"]),
            pauses=(run.config.log_freq, checkpoint_every),
            stop=stop,
        )

    def keep(figures: Figures) -> dict[str, float]:
        run.keep(figures)
        losses = run.record["history"]["loss"][-1:].nan_to_num(torch.inf)
        return {"loss": float(losses.min())} if figures.times else {}

    return follow(train, run.record, keep, advice=ADVICE, progress=progress, watch=watch)
