"""The one exception of the model layer."""


class ModelError(ValueError):
    """A model was asked for, or fed, something that it cannot do; one line says what and why."""
