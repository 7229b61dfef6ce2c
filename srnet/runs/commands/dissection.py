"""`symdisc dissect KIND ...`: which studies of a trained network there are."""

import sys
from collections.abc import Sequence
from importlib import import_module

from sdnet.errors import InputError, nearest

KINDS = {
    "train": "train a dense classifier to dissect, and keep it as a state",
    "ablation": "what each unit of a layer does to the output",
    "direction": "which direction of a layer matters most to the output",
    "information": "mutual information between units, trained against untrained; heat maps",
    "modularity": "are sets of units modules? C1, C2 and C3 against random sets; figure",
    "modules": "which units each class needs, by learning masks, and how those sets overlap",
    "subsets": "loss of every subset of a layer's units: who contributes, who interacts",
}
"""Each is the function `command` of the module of that name in `srnet.runs.commands.dissecting`."""

HELP = """usage: symdisc dissect KIND ...

What each unit of a trained network does.

kinds:
{kinds}

symdisc dissect KIND --help shows a kind's settings."""


def dissect(words: Sequence[str]) -> int:
    """`symdisc dissect KIND ...`"""
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP.format(kinds="\n".join(f"  {name:12} {what}" for name, what in KINDS.items())))
        sys.exit(0 if words else 2)
    if words[0] not in KINDS:
        raise InputError(f"symdisc dissect: unknown kind {words[0]!r}; {nearest(words[0], KINDS)}")
    home = import_module(f"srnet.runs.commands.dissecting.{words[0]}")
    return home.command(words[1:]) or 0
