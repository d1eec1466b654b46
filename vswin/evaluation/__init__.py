"""Testing models."""
