"""The command `symdisc`: which commands there are, and how mistakes are told.

What is heavy (torch, the figures) is imported by the command that needs it, so that help is quick.
"""

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from sdnet.errors import InputError, nearest

COMMANDS = {
    "training": {
        "data": "write the tables of the benchmark problems",
        "critic": "train a critic on a library against untrained generators",
        "fit": "train generators on a table against critics of their latents",
    },
    "laws": {
        "discover": "find the equation of a table",
        "read": "read out a state: the equation, and what each latent is",
    },
    "comparing": {
        "compare": "train critics that see more and more, over several seeds; table and figures",
        "growth": "train critics against larger and larger libraries; table and figure",
    },
    "sweeping": {
        "sweep": "run the hyperparameter study of a W&B sweep file, here or with other machines",
        "study": "what a hyperparameter study found: best trials, what matters, figures",
    },
    "lesioning": {
        "lesion": "damage models of reading and retrain them: what is lost, what recovers",
    },
    "dissection": {
        "dissect": "what each unit of a trained network does: units, directions, modules, subsets",
    },
    "states": {
        "runs": "list the states of a folder",
        "plot": "figures of states: learning, samples, verdicts",
    },
}
"""The commands by the module of `srnet.runs.commands` that holds them."""

HELP = """usage: symdisc COMMAND ...

Networks whose hidden units become formulas, and critics that judge them.

commands:
{commands}

symdisc COMMAND --help shows a command's settings."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0, 2 for input that can't be used, 130 for Ctrl-C."""
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # here, where a broken pipe can be caught
        return status
    except InputError as error:
        print(f"symdisc: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"symdisc: {error.name} isn't installed: pip install symdisc[plots]", file=sys.stderr)
        return 2
    except RuntimeError as error:
        if "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        print("symdisc: not enough memory for networks of these sizes", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("symdisc: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        return 0


def _run(words: list[str]) -> int:
    homes = {name: home for home, commands in COMMANDS.items() for name in commands}
    if not words or words[0] in ("-h", "--help", "help"):
        commands = [one for home in COMMANDS.values() for one in home.items()]
        lines = "\n".join(f"  {name:8} {what}" for name, what in commands)
        print(HELP.format(commands=lines))
        return 0 if words else 2
    if words[0] not in homes:
        raise InputError(f"unknown command {words[0]!r}; {nearest(words[0], homes)}")
    logging.basicConfig(format="symdisc: %(message)s")
    home = import_module(f"srnet.runs.commands.{homes[words[0]]}")
    return getattr(home, words[0])(words[1:]) or 0
