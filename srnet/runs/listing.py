"""What stands in a folder of states, as rows of a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sdnet.errors import InputError
from sdnet.mlp import pair
from srnet.runs.states import load_state


def list_runs(folder: str | Path) -> list[dict]:
    """A row for each state in a folder, by name; a file that can't be read has its `problem`.

    Rows hold name, what the critic sees, its hidden layers, objective, rate, seed, epochs (done
    and asked for), fresh accuracies where there are any, seconds of training, and how it ended.

    Raises:
        InputError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of states; expected one, such as models")
    return [row_of(path) for path in sorted(folder.glob("*.pt"))]


def row_of(path: Path) -> dict:
    """The row of one state, or its `problem`."""
    try:
        state = load_state(path)
        hyperparams, args = state["hyperparams"], state["critic_args"]
        fresh = state.get("fresh", {})
        ext = hyperparams.get("ext") or ["values"]
        seen = "+".join([ext] if isinstance(ext, str) else ext)
        if seen != "values":
            seen += f" {hyperparams.get('ext_type', '')}"
        done = len(state["history"].get("acc", []))
        return {
            "name": path.stem,
            "sees": seen,
            "hidden": _layers(args),
            "objective": args.get("loss_fun", "bce"),
            "lr": args.get("lr"),
            "seed": state.get("seed"),
            "epochs": f"{done}/{hyperparams.get('epochs', '?')}",
            "acc": fresh.get("acc"),
            "calibrated": fresh.get("acc_calibrated"),
            "auroc": fresh.get("auroc"),
            "seconds": sum(state["times"]),
            "ended": state.get("ended", ""),
        }
    except InputError as error:
        told = str(error)
        return {"name": path.stem, "problem": told if str(path) in told else f"{path}: {told}"}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return {"name": path.stem, "problem": f"{path}: not the state of a critic ({error!r})"}


def _layers(args: Mapping) -> str:
    """ "2 x 64", or "1 x 8 | 2 x 64" with an embedding; of pairs, the critic's is the second."""
    nums, sizes = (pair(name, args[name]) for name in ("hid_num", "hid_size"))
    networks = [f"{num} x {size}" for num, size in zip(nums, sizes, strict=True)]
    return " | ".join(networks[args.get("emb_size") is None :])


def as_table(rows: Sequence[Mapping]) -> str:
    """Rows of equal keys as aligned text; numbers to four digits, None as a dash.

    >>> print(as_table([{"name": "a", "acc": 0.5}, {"name": "bb", "acc": None}]))
    name  acc
    a     0.5
    bb    -
    """
    if not rows:
        return ""
    cells = [list(rows[0])] + [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
