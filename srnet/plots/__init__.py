"""Figures: functions from arrays and states to matplotlib axes or figures, and `save`.

The names below are loaded when they are first used: only these modules import matplotlib.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ablation": ["units_by_effect", "strips"],
        "common": ["Figure", "dress", "save"],
        "critics": [
            "learning_curves",
            "growth",
            "curves_side_by_side",
            "verdicts",
            "score_histogram",
        ],
        "information": ["information_maps", "modularity_panels"],
        "laws": ["panels", "latent_against_formula", "target_against_equation"],
        "lesions": ["accuracy_by_severity", "recovery", "lost_words"],
        "modules": ["accuracy_against_size", "module_panels", "overlap_matrix", "units_kept"],
        "studies": ["curves_by_trend", "bars", "parallel_coordinates"],
        "subsets": [
            "gradients_by_unit",
            "interactions",
            "loss_densities",
            "loss_heat_maps",
            "path_covariances",
        ],
    },
)
