"""Training runs: configs, states on disk, tracking, the command line, and their Python twins.

The names below are loaded when they are first used: importing this package loads nothing heavy,
so that a command's help need not wait for torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "assembly": ["load_critic"],
        "compare": ["compare_critics"],
        "critic": ["train_critic"],
        "critics": ["train_critics"],
        "generator": ["train_generator"],
        "generator_runs": ["train_generators"],
        "generators": ["load_generator"],
        "growth": ["growth_study"],
        "lesions.study": ["lesion_study"],
        "listing": ["list_runs"],
        "states": ["load_state"],
        "sweeps.engine": ["run_sweep"],
    },
)
