"""Dissection: what each unit of a trained network does, for any `torch.nn.Module`.

The names below are loaded when they are first used: importing this package loads nothing heavy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "classifiers": ["accuracy", "dense", "train_classifier"],
        "controls": ["Controls", "compare_module"],
        "data": ["Dataset", "load_dataset"],
        "fronts": ["Front", "module_fronts"],
        "layers": ["find_layer", "layer_names"],
        "masks": ["GumbelSigmoidMask"],
        "modules": ["DiscoveredModule", "Search", "discover_module"],
        "overlap": ["containment", "iou", "overlap"],
        "tasks": ["Task", "one_against_rest"],
    },
)
