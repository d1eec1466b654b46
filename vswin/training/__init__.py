"""How a model is trained and tested (section 4.1)."""

VERSION = 2
"""Raised by hand when a change of the code changes how models are trained; see
`vswin.runs.identity`."""
