"""A frozen backbone: only the head learns, which is called a linear probe.

The backbone's weights take no gradient, so that none is computed and nothing is kept for it: a step
takes the time and about the memory of a test. The backbone is in evaluation mode: there is no
stochastic depth and no dropout in it, and running statistics, where a family has some, stay as they
were loaded. Its features are then those of the test. The head is in training mode, with the dropout
before it (`head_dropout`).
"""

from __future__ import annotations

from torch import nn

from vswin.models.registry import code_of
from vswin.training.recipe import Recipe

HEAD_DROPOUT = "dropout"
"""What every family calls the module of the dropout before its head."""


def prepare_(model: nn.Module, recipe: Recipe) -> None:
    """Puts a model into the mode that it is trained in, in place.

    Args:
        model: whole, or with its frozen backbone in another mode after a test.
        recipe: says what is trained.
    """
    model.train()
    if recipe.trains == "all":
        return
    head = code_of(model).HEAD
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(head))
    for name, part in model.named_children():
        part.train(name in (HEAD_DROPOUT, head.removesuffix(".")))
