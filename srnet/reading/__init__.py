"""Models of reading: networks that settle over ticks, and damage that lasts.

The names below are loaded when they are first used: importing this package loads nothing heavy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "damage": [
            "add_noise",
            "apply_l2",
            "cut_connections",
            "in_full",
            "kept_units",
            "rebuild",
            "shrink_layer",
            "zero_out",
        ],
        "fitting": ["Recovery", "fit", "retrain"],
        "hubspokes": ["HubAndSpokes"],
        "lesions": [
            "AddNoise",
            "ApplyL2",
            "CutConnections",
            "Lesion",
            "Lesions",
            "ShrinkLayer",
            "ZeroOut",
        ],
        "pmsp": ["PMSP"],
        "surgery": ["inflict"],
        "timeaveraged": ["TimeAveragedDense", "TimeAveragedRNN"],
        "toyop": ["ToyOP", "decode"],
    },
)
