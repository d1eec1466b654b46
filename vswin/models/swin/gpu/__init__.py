"""Equation 2 and LN on a GPU in kernels of our own, which need Triton."""
