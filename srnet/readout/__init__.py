"""From numbers to formulas: what a latent, or a whole target, is as a sum of known shapes.

Imports run one way: shapes -> terms, generic -> leastsq, bank -> selection -> outer, constants,
engines, likeness, naming -> latents -> heads.
"""
