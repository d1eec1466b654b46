"""Runs: one row under one protocol with one seed, trained, tested and left on disk."""
