"""Runs as jobs of a Slurm cluster: what was submitted, where it stands, the code that it runs."""
