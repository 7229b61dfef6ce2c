"""Dissection: what each unit of a trained network does, for any `torch.nn.Module`.

The names below are loaded when they are first used: importing this package loads nothing heavy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ablation": ["Ablation", "ablate_directions", "ablate_groups", "ablate_units"],
        "classifiers": ["accuracy", "dense", "train_classifier"],
        "cutting": ["split"],
        "data": ["Dataset", "load_dataset"],
        "directions": ["remove_direction"],
        "informative": [
            "InformativeDirections",
            "most_informative_direction",
            "most_informative_directions",
        ],
        "interventions": ["Mask", "Noise", "RemoveDirections", "Replace", "intervene"],
        "layers": ["find_layer", "layer_names"],
        "unrolling": ["unrolled"],
    },
)
