"""What every run does: its tables, going on from a state, following the training to its end.

What is trained, and on what, is the business of `srnet.runs.critic` and `srnet.runs.generator`.
"""

import contextlib
import copy
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from sdnet import training
from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs.stopping import Stopping
from srnet.runs.values import flatten

log = logging.getLogger("symdisc")

Watch = Callable[[Mapping], str | None]
"""Is given a run's record so far; a word ends the run, and says how it ended."""


def table(name: str, values: Tensor | None, what: str, device: str) -> Tensor:
    """A table (n, columns) to train with, on the device, of torch's default dtype.

    Raises:
        InputError: there is none, it isn't one, or it isn't finite; no such device.
    """
    if device != "cpu" and not torch.cuda.is_available():
        raise InputError(f"device is {device!r}, but torch sees no GPU here; use cpu")
    owner, _, role = name.partition(".")
    if values is None:
        raise InputError(f"{owner} has no {role}; expected the table {what}")
    values = values.to(device=device, dtype=torch.get_default_dtype())
    if values.dim() != 2 or not values.numel() or not values.isfinite().all():
        raise InputError(
            f"{name} has shape {tuple(values.shape)} and {int((~values.isfinite()).sum())} values "
            f"that aren't finite; expected finite {what.partition(')')[0]})"
        )
    return values


def library_record(lib: SDData) -> dict:
    """What a state keeps of a library: what `SDData.from_lines` makes it again from."""
    return {
        "lines": list(lib.lines),
        "in_var": lib.in_var.partition("[")[0],  # its columns are in the points
        "shuffle": lib.shuffle,
        "iter_sample": lib.iter_sample,
    }


def continued(
    state: Mapping, record: Mapping, optimizer: str, tables: Sequence[str], fixed: bool
) -> dict:
    """What a resumed run takes over: history and times.

    Args:
        record: of the run as it would begin.
        optimizer: the key of the moments, which only a state that can be gone on with has.
        tables: the keys of the tensors that must be the same.
        fixed: whether the number of epochs is part of what is trained (by a schedule).

    Raises:
        InputError: the state is of another run, or can't be resumed.
    """
    missing = {optimizer, "library", "seed", *tables} - state.keys()
    if missing:
        raise InputError(
            f"the state has no {', '.join(sorted(missing))} (as those of the older form): it can "
            "be used, but not gone on with"
        )
    settings = [
        flatten({name: run[name] for name in ("seed", "library", "hyperparams")})
        for run in (state, record)
    ]
    may_change = {"hyperparams.runtime"} if fixed else {"hyperparams.runtime", "hyperparams.epochs"}
    for name in sorted(settings[1].keys() - may_change):
        before, now = settings[0].get(name), settings[1][name]
        if before != now:
            cosine = "; a cosine schedule is of so many epochs" * name.endswith(".epochs")
            raise InputError(
                f"{name.removeprefix('hyperparams.')} was {before} and is now {now}{cosine}: this "
                "is not the run to go on with"
            )
    for name in tables:
        before, now = state[name], record[name]
        if before.dtype != now.dtype or not torch.equal(before, now):
            raise InputError(f"the {name} are others now: this is not the run to go on with")
    done, epochs = len(state["times"]), record["hyperparams"]["epochs"]
    if done > epochs:
        raise InputError(f"epochs is {epochs}, but the state has {done} of them behind it already")
    return {"history": copy.deepcopy(state["history"]), "times": list(state["times"])}


def put_back(restore: Callable[[dict], None], state: Mapping) -> None:
    """Restore networks and optimisers from a state.

    Raises:
        InputError: they are of other sizes.
    """
    try:
        restore(dict(state))
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the state's weights don't fit its settings ({reason})") from None


def follow(
    train: Callable[[Stopping], Iterator[Any]],
    record: dict,
    keep: Callable[[Any], dict[str, float]],
    *,
    advice: str,
    progress: bool,
    watch: Watch | None = None,
) -> Iterator[int]:
    """Train, keep the record, and say after each stretch how many epochs are done.

    Args:
        train: the stretches, given what says when to stop.
        keep: adds the figures of a stretch to the record; what the progress bar is to show.
        advice: what helps against numbers that end.
        watch: asked after each stretch.
    """
    done, limits = len(record["times"]), record["hyperparams"]
    record["ended"] = "running"
    bar = tqdm(
        total=limits["epochs"], initial=done, unit="epoch", disable=None if progress else True
    )
    with bar, Stopping(limits["runtime"]) as stop:
        try:
            for figures in train(stop):
                shown = keep(figures)
                record["times"].extend(figures.times)
                bar.update(len(figures.times))
                bar.set_postfix({k: f"{v:.3g}" for k, v in shown.items()}, refresh=False)
                yield len(record["times"])
                if watch is not None and (word := watch(record)) is not None:
                    stop.reason = word
                    break
            finished = len(record["times"]) >= limits["epochs"]
            record["ended"] = "finished" if finished else str(stop.reason)
        except (InputError, training.NonFiniteError) as error:
            record["ended"] = ended_by(error, len(record["times"]), advice)


def ended_by(error: InputError | training.NonFiniteError, done: int, advice: str) -> str:
    """How a run of `done` epochs ended by an error, which is logged; the epochs so far count.

    An InputError in the middle of a training is of a rare draw that is not finite.
    """
    if isinstance(error, training.NonFiniteError):
        log.warning("%s; the state before it is kept; %s", error, advice)
        return f"non-finite in epoch {error.epoch + 1}"
    log.warning("%s; the state before it is kept", error)
    return f"non-finite draw after epoch {done}"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Small products gain nothing from threads: processes use the cores.

    Denormal numbers count as 0: Adam's means for units that no longer fire shrink by 0.9 a step,
    down into these and never to 0, and a step with them takes several times as long.
    """
    threads, flushed = torch.get_num_threads(), _flushes_denormals()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)


def _flushes_denormals() -> bool:
    """Whether this thread does, which torch does not tell."""
    smallest = torch.tensor(torch.finfo(torch.float32).smallest_normal)
    return (smallest / 2).item() == 0


def on_cpu(tree: object) -> object:
    """The same containers with every tensor on the CPU."""
    if isinstance(tree, Tensor):
        return tree.cpu()
    if isinstance(tree, dict):
        return {key: on_cpu(value) for key, value in tree.items()}
    return [on_cpu(value) for value in tree] if isinstance(tree, list | tuple) else tree
