"""Libraries of formulas, and the critics that tell their curves from others.

The names below are loaded when they are first used: importing this package loads nothing heavy,
so that a command's help need not wait for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "critic": ["CSDNet", "SDNet"],
        "extension": ["extend"],
        "library": ["SDData"],
        "mlp": ["MLP"],
    },
)
