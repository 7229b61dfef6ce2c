"""The critic study at a glance: critics that see more and more, each over several seeds."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from joblib import Parallel, delayed
from tqdm.auto import tqdm

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs.critic import train_critic
from srnet.runs.parallel import here
from srnet.runs.states import load_state
from srnet.runs.values import merge
from srnet.tables import SRData

SMALL = {
    "arch": {"hid_num": (2, 0), "hid_size": 32, "lat_size": 5},
    "disc": {"hid_num": 2, "hid_size": 64, "lr": 1e-3, "gp": 0, "schedule": "cosine"},
}
STUDY: dict[str, dict] = {
    "plain": {**SMALL, "epochs": 5000},
    "gradients-stacked": {**SMALL, "epochs": 3000, "ext": "grad", "ext_type": "stack"},
    "gradients-embedded": {**SMALL, "epochs": 3000, "ext": "grad", "ext_type": "embed"},
    "wasserstein": merge(
        {**SMALL, "epochs": 4000},
        {"disc": {"loss_fun": "wasserstein", "gp": 1e-5, "lr": 1e-4, "schedule": "constant"}},
    ),
}
"""The settings that are compared by default: a small critic, on values and on gradients too."""


def compare_critics(
    settings: Mapping[str, Mapping],
    train: SRData,
    lib: SDData,
    seeds: Sequence[int],
    out: str | Path,
    *,
    jobs: int = 2,
    checkpoint_every: int = 500,
) -> dict[str, list[dict]]:
    """Train a critic for each setting and seed; the states of each setting, by seed.

    Each state is kept as `out`/SETTING-seedN.pt. One that is there already is gone on from, if it
    is of the same run: what was interrupted is taken up again, and what is finished isn't redone.

    Args:
        settings: hyperparameters of `srnet.runs.train_critic`, by name.
        jobs: processes.

    Raises:
        InputError: as `train_critic` does; a state in `out` is of another run.
        KeyboardInterrupt: one of them was interrupted, and with it the study.
    """
    work = [(name, seed) for seed in seeds for name in settings]
    paths = [Path(out) / f"{name}-seed{seed}.pt" for name, seed in work]
    states = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(here(_train))(settings[name], train, lib, seed, path, checkpoint_every)
        for (name, seed), path in zip(work, paths, strict=True)
    )
    results: dict[str, list[dict]] = {name: [] for name in settings}
    bar = tqdm(states, total=len(work), unit="critic", disable=None)
    for (name, _), state in zip(work, bar, strict=True):
        if state["ended"] == "interrupted":  # a run takes the first Ctrl-C for itself alone
            raise KeyboardInterrupt
        results[name].append(state)
    return results


def _train(
    hyperparams: Mapping, train: SRData, lib: SDData, seed: int, path: Path, checkpoint_every: int
) -> dict:
    state = load_state(path) if path.exists() else None
    try:
        return train_critic(
            hyperparams,
            train,
            lib,
            seed,
            state=state,
            path=path,
            checkpoint_every=checkpoint_every,
            progress=False,
        )
    except InputError as error:
        advice = "; other settings need another folder (--out)"
        raise InputError(f"{path}: {error}{advice}" if state else str(error)) from None


def summary(results: Mapping[str, Sequence[Mapping]]) -> list[dict]:
    """A row for each setting: its seeds, and means and spread of what its critics reach.

    `least` is the lowest fresh accuracy of a seed; `seconds` is the mean time of training.

    >>> state = {"fresh": {"acc": 0.5, "acc_calibrated": 0.5, "auroc": 0.5}, "times": [1.0, 2.0]}
    >>> row = summary({"plain": [state, state]})[0]
    >>> row["critic"], row["seeds"], row["epochs"], row["acc"], row["seconds"]
    ('plain', 2, 2, 0.5, 3.0)
    """
    rows = []
    for name, states in results.items():
        fresh = {
            figure: [state["fresh"][figure] for state in states]
            for figure in ("acc", "acc_calibrated", "auroc")
        }
        rows.append(
            {
                "critic": name,
                "seeds": len(states),
                "epochs": max(len(state["times"]) for state in states),
                "acc": statistics.fmean(fresh["acc"]),
                "least": min(fresh["acc"]),
                "calibrated": statistics.fmean(fresh["acc_calibrated"]),
                "auroc": statistics.fmean(fresh["auroc"]),
                "seconds": statistics.fmean(sum(state["times"]) for state in states),
            }
        )
    return rows
