"""Equation 2 on a GPU in kernels of our own: an option, off until somebody has measured it."""
