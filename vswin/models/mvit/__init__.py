"""Multiscale Vision Transformers (arXiv 2104.11227), the models of the appendix."""
