"""The audit: every printed number of the papers with its status."""
