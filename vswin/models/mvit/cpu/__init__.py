"""Kernels of the Multiscale Vision Transformers for the CPU."""
