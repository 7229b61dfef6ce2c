"""Dissection: what each unit of a trained network does, for any `torch.nn.Module`.

The names below are loaded when they are first used: importing this package loads nothing heavy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ablation": ["Ablation", "ablate_directions", "ablate_groups", "ablate_units"],
        "circle": ["circle_points", "inside_circle", "train_circle"],
        "classifiers": ["accuracy", "dense", "train_classifier"],
        "controls": ["Controls", "compare_module"],
        "cutting": ["split"],
        "damage": ["Lesions", "lesions_of"],
        "data": ["Dataset", "load_dataset"],
        "directions": ["remove_direction"],
        "estimators": ["conditional_entropy", "entropy", "joint_entropy", "mutual_information"],
        "fronts": ["Front", "module_fronts"],
        "games": [
            "BestSubset",
            "UnitValues",
            "banzhaf_values",
            "best_subsets",
            "pair_interactions",
            "shapley_values",
            "unit_values",
        ],
        "groups": ["class_modules", "group_variables"],
        "information": ["group_information", "pair_information", "unit_information"],
        "informative": [
            "InformativeDirections",
            "most_informative_direction",
            "most_informative_directions",
        ],
        "initial": ["untrained"],
        "interventions": ["Mask", "Noise", "RemoveDirections", "Replace", "intervene"],
        "keeping": [
            "KeepCurve",
            "SampledSubsets",
            "expected_value",
            "keep_curve",
            "sample_losses",
            "subset_probabilities",
        ],
        "layers": ["find_layer", "layer_names"],
        "lesions": [
            "add_noise",
            "apply_l2",
            "cut",
            "l2_penalty",
            "replay",
            "shrink",
            "zero_out",
        ],
        "maps": ["LossMap", "loss_map"],
        "masks": ["GumbelSigmoidMask"],
        "modularity": ["conditional_measures", "modularity_measures"],
        "modules": ["DiscoveredModule", "Search", "discover_module"],
        "noise": ["noise_levels"],
        "normality": ["NormalFit", "NormalFits", "normal_fits"],
        "optimizers": ["carry_optimizer"],
        "overlaps": ["containment", "iou", "overlap"],
        "paths": ["PathCovariance", "flip_paths", "path_covariance"],
        "recording": ["activations"],
        "subset_numbers": ["members", "subset_sizes", "units_of"],
        "subsets": ["SubsetTable", "subset_losses", "subset_table"],
        "switches": ["example_gradients", "subset_gradients", "switch_gradients"],
        "tasks": ["Task", "one_against_rest"],
        "unrolling": ["unrolled"],
        "weights": ["weight_norms"],
    },
)
