"""Kernels for the CPU that model families share."""
