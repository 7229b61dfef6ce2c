"""How near the latents of F07, F09 and F12 come to the true ones, seed by seed.

    python benchmarks/steadiness.py [F07 F09 F12] [--seeds 10] [--epochs 1500] [--reach 1.5]

Masks and number of latents are given, the library is the problem's own; the true latents are only
looked at for the figure: min_corr, the minimum over true latents of the maximum over learned ones
of |corr|, on the validation rows and on the test rows. One thread; seconds are CPU seconds, the
decomposition included. What was tried besides, and what it gave, is in docs/steadiness.md.
"""

import argparse
import time
from pathlib import Path

import torch

from sdnet.library import SDData
from sdnet.training import stretches
from srnet.decomposition import decompose
from srnet.measures import measure
from srnet.network import SRNet
from srnet.projection import REACH, Projection
from srnet.tables import SRData
from srnet.training import Block, JointTraining, Recipe

ROOT = Path(__file__).resolve().parents[1]

PROBLEMS = {
    "F07": ("F07_v2", [[1, 0], [0, 1], [1, 1]], 0.995, 1500),
    "F09": ("F09_v1", [[1, 0], [0, 1], [1, 0], [1, 1], [1, 1]], 0.99, 4000),
    "F12": ("F12_v1", [[1, 0], [1, 0], [1, 0], [1, 1], [1, 1]], 0.99, 4000),
}
"""Library, masks of the latents, the min_corr to reach, and epochs."""


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
    seconds = (time.process_time() - began) / seeds
    print(f"  {seconds:.1f} CPU-s a seed")
    for rows in ("val", "test"):
        held = rows_of(problem, rows)
        result = measure(training.averaged, held.in_data, held.target_data, held.lat_data)
        near, loss = result["min_corr"], result["loss"] / held.target_data.var()
        reached = int((near >= target).sum())
        print(
            f"  {rows}: min_corr at least {target} in {reached} of {seeds}, least {near.min():.4f}"
        )
        print("    min_corr", *(f"{value:.4f}" for value in near.tolist()))
        print("    1 - R2  ", *(f"{value:.1e}" for value in loss.tolist()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS), help="of F07, F09, F12")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, help="1500 for F07, 4000 for F09 and F12")
    parser.add_argument("--reach", type=float, default=REACH, help="1: the rows alone")
    parser.add_argument("--weight", type=float, default=10.0, help="of the guide's penalty")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for problem in arguments.problems:
        if problem not in PROBLEMS:
            parser.error(f"there is no {problem!r} here: choose from {', '.join(PROBLEMS)}")
        run(problem, arguments.seeds, arguments.epochs, arguments.reach, arguments.weight)


if __name__ == "__main__":
    main()
