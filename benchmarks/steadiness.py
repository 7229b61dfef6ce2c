"""How near the latents of F07, F09 and F12 come to the true ones, seed by seed.

    python benchmarks/steadiness.py [F07 F09 F12] [--seeds 10] [--epochs 1500] [--reach 1.5]
    python benchmarks/steadiness.py F07 --critic [--seeds 10] [--epochs 5000]

Masks and number of latents are given, the library is the problem's own; the true latents are only
looked at for the figure: min_corr, the minimum over true latents of the maximum over learned ones
of |corr|, on the validation rows and on the test rows. One thread; seconds are CPU seconds, the
decomposition included. With `--critic` nothing guides the latents but a critic of library curves;
the figures of the training rows, and of the validation rows that lie among them, are shown too.
What was tried besides, and what it gave, is in docs/steadiness.md.
"""

import argparse
import time
from pathlib import Path

import torch

from sdnet.library import SDData
from sdnet.training import stretches
from srnet.decomposition import decompose
from srnet.measures import inside, measure
from srnet.network import SRNet
from srnet.projection import REACH, Projection
from srnet.runs.generator import train_generator
from srnet.tables import SRData
from srnet.training import Block, JointTraining, Recipe

ROOT = Path(__file__).resolve().parents[1]

PROBLEMS = {
    "F07": ("F07_v2", [[1, 0], [0, 1], [1, 1]], 0.995, 1500),
    "F09": ("F09_v1", [[1, 0], [0, 1], [1, 0], [1, 1], [1, 1]], 0.99, 4000),
    "F12": ("F12_v1", [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], 0.99, 4000),
}
"""Library, masks of the latents, the min_corr to reach, and epochs."""

CRITIC = {
    "lr": 2e-3,
    "betas": (0.5, 0.99),
    "sd": 1e-2,
    "disc": {"lr": 3e-3, "betas": (0.5, 0.99), "batch": 16, "schedule": "constant"},
}
"""The critic alone: little momentum on either side, many new library curves for each step, and a
critic that keeps its rate while the generator slows down."""


def rows_of(problem: str, rows: str) -> SRData:
    number = problem[1:]
    return SRData(ROOT / "data", f"X{number}", f"G{number}", f"F{number}", rows)


def run(problem: str, seeds: int, epochs: int | None, reach: float, weight: float) -> None:
    library, masks, target, enough = PROBLEMS[problem]
    epochs = epochs or enough
    train = rows_of(problem, "train")
    x, y, masks = train.in_data, train.target_data, torch.tensor(masks, dtype=torch.float32)
    began = time.process_time()
    found = decompose(SDData(ROOT / "funs" / f"{library}.lib", f"X{problem[1:]}"), x, y, masks)
    print(f"{problem}: {time.process_time() - began:.1f} s  y = {found.expression}", flush=True)
    guide = Projection(found, x, y, masks, weight=weight, reach=reach)
    model = SRNet(
        in_size=x.shape[1],
        hid_num=(4, 0),
        hid_size=64,
        hid_type=("DSN", "MLP"),
        hid_kwargs={"alpha": masks},
        lat_size=len(masks),
        stack=(seeds,),
        generator=[torch.Generator().manual_seed(seed) for seed in range(seeds)],
    )
    recipe = Recipe(epochs, lr=3e-3, schedule="cosine", iters=0)
    training = JointTraining(model, None, x, y, recipe, guide)
    for _ in stretches(training, lambda block: Block(), epochs):
        pass
    print(f"  {(time.process_time() - began) / seeds:.1f} CPU-s a seed")
    for rows in ("val", "test"):
        show(rows, training.averaged, rows_of(problem, rows), target)


def run_critic(problem: str, seeds: int, epochs: int | None) -> None:
    """`seeds` generators, each with a critic and no guide, as `symdisc fit` trains them."""
    library, masks, target, _ = PROBLEMS[problem]
    train, held = rows_of(problem, "train"), rows_of(problem, "val")
    arch = {"lat_size": len(masks), "hid_kwargs": {"alpha": masks}}
    epochs = epochs or 5000
    settings = {**CRITIC, "arch": arch, "epochs": epochs, "restarts": seeds, "log_freq": epochs}
    in_var = f"X{problem[1:]}"
    lib = SDData(ROOT / "funs" / f"{library}.lib", in_var, iter_sample=True)
    print(f"{problem}: the critic alone, {epochs} epochs", flush=True)
    began = time.process_time()
    state = train_generator(settings, train, held, lib, progress=False)
    print(f"  {(time.process_time() - began) / seeds:.1f} CPU-s a seed")
    model = SRNet(**state["generator_args"], stack=(seeds,))
    model.load_state_dict(state["average"])
    kept = inside(held.in_data, train.in_data)
    parts = (held.in_data, held.lat_data, held.target_data)
    within = SRData.from_arrays(*(part[kept] for part in parts))
    tables = {"train": train, "val inside": within, "val": held, "test": rows_of(problem, "test")}
    for rows, table in tables.items():
        show(rows, model, table, target)


def show(rows: str, model: SRNet, held: SRData, target: float) -> None:
    """Print how near each member of a stack comes to the truth on rows of a table."""
    result = measure(model, held.in_data, held.target_data, held.lat_data)
    near, loss = result["min_corr"], result["loss"] / held.target_data.var()
    reached = f"{int((near >= target).sum())} of {len(near)}"
    print(f"  {rows}: min_corr at least {target} in {reached}, least {near.min():.4f}")
    print("    min_corr", *(f"{value:.4f}" for value in near.tolist()))
    print("    1 - R2  ", *(f"{value:.1e}" for value in loss.tolist()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS), help="of F07, F09, F12")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="1500 for F07, else 4000; critic: 5000")
    parser.add_argument("--reach", type=float, default=REACH, help="1: the rows alone")
    parser.add_argument("--weight", type=float, default=10.0, help="of the guide's penalty")
    parser.add_argument("--critic", action="store_true", help="no guide: the critic alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for problem in arguments.problems:
        if problem not in PROBLEMS:
            parser.error(f"there is no {problem!r} here: choose from {', '.join(PROBLEMS)}")
        if arguments.critic:
            run_critic(problem, arguments.seeds, arguments.epochs)
        else:
            run(problem, arguments.seeds, arguments.epochs, arguments.reach, arguments.weight)


if __name__ == "__main__":
    main()
