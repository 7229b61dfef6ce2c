"""From numbers to formulas: what a latent, or a whole target, is as a sum of known shapes.

shapes, generic -> terms -> leastsq -> bank -> selection -> outer, latents, constants.
"""
