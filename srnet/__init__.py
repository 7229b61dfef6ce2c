"""Generators, their tables, their training against critics, and the command `symdisc`.

The names below are loaded when they are first used: importing this package loads nothing heavy,
so that a command's help need not wait for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cells": ["DSN"],
        "discover": ["SymbolicRegressor"],
        "network": ["SRNet"],
        "problems": ["write_tables"],
        "tables": ["SRData"],
    },
)
