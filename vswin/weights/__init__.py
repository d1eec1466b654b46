"""Checkpoint files: recognising, loading and saving them."""
