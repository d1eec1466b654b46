"""What a fine-tuned backbone still knows of the images that it was pre-trained on (section 4.3).

The paper says that a backbone with a lower learning rate "forgets slowly". Here that is counted:
the video model's backbone answers the pre-training's own test, under the pre-training's own head.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from torch import Tensor, nn

from vswin.data.moving_digits import GridTest, MovingDigits
from vswin.evaluation.grid import evaluate_grid
from vswin.models.registry import build, code_of, initialise_
from vswin.runs.execution import RunContext
from vswin.runs.initial import inflation_of
from vswin.runs.requirements import source_folder
from vswin.runs.result import Stills
from vswin.weights.files import load_weights


class _Standing(nn.Module):
    """A video model of images: each is a clip in which nothing moves."""

    def __init__(self, model: nn.Module, frames: int) -> None:
        super().__init__()
        self.model, self.frames = model, frames

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, 1, H, W)."""
        logits: Tensor = self.model(images.expand(-1, -1, self.frames, -1, -1))
        return logits


def stills_kept(context: RunContext, trained: nn.Module) -> Stills | None:
    """How well a backbone tells still images apart, before and after its fine-tuning.

    Args:
        context: of the run.
        trained: its model, after training.

    Returns:
        None where the run did not start from a model of images.
    """
    config, source, device = context.config, context.config.source, context.world.device
    inflation = inflation_of(config)
    if source is None or not inflation:
        return None
    data, test = source.data, source.test
    assert isinstance(data, MovingDigits)
    assert isinstance(test, GridTest)
    model = build(dataclasses.replace(config.model, num_classes=source.model.num_classes))
    # What only a video model has starts as it did in the run.
    initialise_(model, config.recipe.linear_std, config.recipe.bias_std, config.seed)
    weights = source_folder(context.folder, source).weights
    load_weights(model, weights, expect="2d", head=True, **inflation)
    standing = _Standing(model.to(device), config.data.frames)
    headline = next(iter(source.task.METRICS))

    def share() -> float:
        return evaluate_grid(standing, data, test, device, source.task).metrics[headline]

    before, backbone = share(), _backbone(trained)
    moved = _distance(_backbone(model), backbone)
    model.load_state_dict(model.state_dict() | backbone)
    return Stills(before, share(), moved)


def _backbone(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights but the classifier's."""
    head = code_of(model).HEAD
    return {n: w.detach().clone() for n, w in model.named_parameters() if not n.startswith(head)}


def _distance(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> float:
    """Euclidean length of how far all weights together have moved, over that of the start."""
    squares = [
        ((end[n] - w).double().square().sum(), w.double().square().sum()) for n, w in start.items()
    ]
    moved, length = (math.fsum(map(float, parts)) for parts in zip(*squares, strict=True))
    return math.sqrt(moved / length)
