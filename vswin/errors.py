"""Errors that a user can cause. Each says in one line what was wrong and what to do."""


class VswinError(Exception):
    """Base of all errors that the command line shows as one line, without a traceback."""


class UsageError(VswinError):
    """Something was asked for that does not exist; the message names what does."""
