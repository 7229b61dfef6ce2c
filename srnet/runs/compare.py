"""The critic study at a glance: critics that see more and more, each over several seeds."""

COMMON = {
    "arch": {"hid_num": (2, 0), "hid_size": 32, "hid_type": "MLP", "lat_size": 5},
    "disc": {"hid_num": 2, "hid_size": 64, "lr": 1e-3, "iters": 5, "gp": 0, "schedule": "cosine"},
}
VARIANTS: dict[str, dict] = {
    "plain": {"epochs": 5000},
    "gradients stacked": {"epochs": 3000, "ext": "grad", "ext_type": "stack"},
    "gradients embedded": {"epochs": 3000, "ext": "grad", "ext_type": "embed"},
    "wasserstein, plain": {
        "epochs": 4000,
        "disc.loss_fun": "wasserstein",
        "disc.gp": 1e-5,
        "disc.lr": 1e-4,
    },
}
"""What is compared by default. "wasserstein" has a constant rate, as usual with it."""
