"""What every test and doctest runs under: shape checks, one thread.

It stands in the root so that the import hook is there before anything of the packages is
imported, also when only the doctests of one package are asked for.
"""

import signal

import jaxtyping
import torch

# the tower: an int where a float is asked for, as Python's own typing has it
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"

jaxtyping.install_import_hook(["sdnet", "srnet"], CHECKER)
torch.set_num_threads(1)

# A shell starts background jobs with SIGINT ignored; the tests of Ctrl-C send it to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
