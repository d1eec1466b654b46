"""Kernels of the Video Swin Transformer for the CPU."""
