"""The distribution `symdisc`: the packages `sdnet` and `srnet`, and the command `symdisc`."""

from pathlib import Path

from setuptools import find_packages, setup

EXTRAS = {
    "plots": ["matplotlib>=3.8"],
    "sweeps": ["optuna>=5", "psycopg[binary]>=3.2", "pyarrow>=17"],
    "notebooks": ["jupyterlab>=4", "ipywidgets>=8", "matplotlib>=3.8"],
    "cluster": ["dask[distributed]>=2024.1"],
    "lesions": ["torch-pruning>=1.6"],
    "search": ["pyoperon>=0.6"],
    "benchmarks": ["gplearn>=0.4.3", "pyoperon>=0.6"],
    "tests": [
        "beartype>=0.18",
        "captum>=0.7",  # its ablation of layers, which ours is compared with
        "dask[distributed]>=2024.1",
        "import-linter>=2",
        "matplotlib>=3.8",
        "pytest>=8",
        "pytest-xdist>=3.5",
        "ruff>=0.6",
        "sweeps>=0.2",  # W&B's schema of a sweep file
        "torch-pruning>=1.6",
    ],
}

setup(
    name="symdisc",
    version="0.1.0",
    description="Generators whose hidden units become formulas, critics that judge them",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    packages=find_packages(include=["srnet*", "sdnet*"]),
    package_data={"srnet": ["assets/*"]},
    python_requires=">=3.11",
    install_requires=[
        "jaxtyping>=0.2.30",
        "joblib>=1.5",
        "lazy_loader>=0.4",
        "numpy>=1.26",
        "pandas>=2",
        "pydantic>=2.7",
        "pyyaml>=6",
        "scikit-learn>=1.6",
        "scipy>=1.13",
        "sympy>=1.13,<1.15",
        "torch>=2.6",
        "tqdm>=4.66",
        "tyro>=0.9",
        "wandb>=0.25",
    ],
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["symdisc=srnet.runs.cli:main"]},
)
