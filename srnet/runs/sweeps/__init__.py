"""Sweeps: hyperparameter studies described by a W&B sweep file, and the engine that runs them.

Nothing here is imported with `srnet.runs`; optuna is imported only where a study is run.
"""
