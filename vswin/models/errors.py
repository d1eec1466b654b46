"""The exceptions of the model layer."""


class ModelError(ValueError):
    """A model was asked for, or fed, something that it cannot do; one line says what and why."""


class WeightsError(ModelError):
    """A checkpoint is not what it should be; one line says what was found and what was wanted."""
