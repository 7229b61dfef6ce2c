"""What stands in a folder of states, as rows of a table."""

from collections.abc import Mapping
from pathlib import Path

from sdnet.errors import InputError
from sdnet.mlp import pair
from srnet.runs.measuring import SHOWN
from srnet.runs.states import load_state


def list_runs(folder: str | Path) -> list[dict]:
    """A row for each state in a folder, by name; a file that can't be read has its `problem`.

    A critic's row holds name, what it sees, its hidden layers, objective, rate, seed, epochs (done
    and asked for), fresh accuracies where there are any, seconds of training, and how it ended;
    that of generators what they are, and the figures of the best one; that of a law its equation;
    that of a network to dissect its widths, and what it was trained on how well.

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
        form = str(state["format"]).split()[0]
        rows = {
            "law": _row_of_law,
            "generator": _row_of_generators,
            "critic": _row_of_critic,
            "network": _row_of_network,
            "reading": _row_of_reading,
        }
        return rows[form](path, state)
    except InputError as error:
        told = str(error)
        return {"name": path.stem, "problem": told if str(path) in told else f"{path}: {told}"}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return {"name": path.stem, "problem": f"{path}: not a state that can be listed ({error!r})"}


def _row_of_critic(path: Path, state: Mapping) -> dict:
    hyperparams, args = state["hyperparams"], state["critic_args"]
    fresh = state.get("fresh", {})
    done = len(state["history"].get("acc", []))
    return {
        "name": path.stem,
        "sees": _sees(hyperparams),
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


def _row_of_generators(path: Path, state: Mapping) -> dict:
    hyperparams, args = state["hyperparams"], state["generator_args"]
    best = state["members"][state["best"]] if "best" in state else {}
    kind, num, size = (pair(name, args[name])[0] for name in ("hid_type", "hid_num", "hid_size"))
    return {
        "name": path.stem,
        "generators": hyperparams["restarts"],
        "latents": f"{args['lat_size']} {kind} {num} x {size}",
        "sees": _sees(hyperparams) if hyperparams["sd"] else None,
        "sd": hyperparams["sd"],
        "lr": hyperparams["lr"],
        "seed": state.get("seed"),
        "epochs": f"{len(state['times'])}/{hyperparams['epochs']}",
        "best": best.get("member"),
        **{name: best.get(name) for name in SHOWN},
        "seconds": sum(state["times"]),
        "ended": state["ended"],
    }


def _row_of_law(path: Path, state: Mapping) -> dict:
    chosen = state["equations"][state["chosen"]]
    return {
        "name": path.stem,
        "target": state["target"],
        "inputs": len(state["names"]),
        "seed": state["seed"],
        "loss": chosen["loss"],
        "way": chosen["way"],
        "equation": chosen["equation"],
    }


def _row_of_reading(path: Path, state: Mapping) -> dict:
    network = state["network"]
    return {
        "name": path.stem,
        "model": state["reading"],
        "units": "-".join(map(str, network["units"].values())),
        "connections": " ".join(network["connections"]),
        "lesions": len(network["lesions"]),
    }


def _row_of_network(path: Path, state: Mapping) -> dict:
    losses = state.get("losses") or [None]
    return {
        "name": path.stem,
        "network": "-".join(str(width) for width in state["widths"]),
        "data": state.get("data"),
        "seed": state.get("seed"),
        "epochs": len(state.get("losses", [])),
        "loss": losses[-1],
        "accuracy": state.get("accuracy"),
    }


def _sees(hyperparams: Mapping) -> str:
    """What a critic sees: "values", or "input+grad embed"."""
    ext = hyperparams.get("ext") or ["values"]
    seen = "+".join([ext] if isinstance(ext, str) else ext)
    return seen if seen == "values" else f"{seen} {hyperparams.get('ext_type', '')}"


def _layers(args: Mapping) -> str:
    """ "2 x 64", or "1 x 8 | 2 x 64" with an embedding; of pairs, the critic's is the second."""
    nums, sizes = (pair(name, args[name]) for name in ("hid_num", "hid_size"))
    networks = [f"{num} x {size}" for num, size in zip(nums, sizes, strict=True)]
    return " | ".join(networks[args.get("emb_size") is None :])
