"""Testing a model: predictions, accuracies, and the embedded benchmark's difficulty grid."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor, nn

from vswin.data.moving_digits import Classes, Control, GridTest, MovingDigits


@dataclasses.dataclass(frozen=True)
class Cell:
    """Accuracy at one difficulty."""

    coherence: float
    noise: float
    n: int
    """Test clips."""
    top1: float
    """In [0, 1]."""
    top5: float
    order_accuracy: float | None
    """Of the two-phase clips for which the model answers with the right pair of directions, the
    share with the right order; 0.5 is a coin flip, None if there is no such clip."""
    digit_accuracy: float | None = None
    """Share of clips whose digit was recognised, whatever the motion; None if any can appear."""
    motion_accuracy: float | None = None
    """Share of clips whose motion was recognised, whatever the digit; None where all have the
    same, or where it is all there is to tell."""


@dataclasses.dataclass(frozen=True)
class Predictions:
    """One line for each test clip, for comparing two runs in pairs."""

    label: np.ndarray
    """(n,) uint8 true class."""
    top1: np.ndarray
    """(n,) uint8 predicted class."""
    rank: np.ndarray
    """(n,) uint8 number of classes scored above the true one: 0 is a hit, < 5 a top-5 hit."""
    cell: np.ndarray
    """(n,) uint8 index into the cells."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The outcome of a test."""

    cells: tuple[Cell, ...]
    predictions: Predictions
    num_classes: int

    @property
    def top1(self) -> float:
        """Over all test clips, in [0, 1]."""
        return float((self.predictions.rank == 0).mean())

    @property
    def top5(self) -> float:
        """Over all test clips, in [0, 1]."""
        return float((self.predictions.rank < 5).mean())

    @property
    def per_class(self) -> list[float]:
        """Top-1 for each class over all test clips, in [0, 1]."""
        hits, label = self.predictions.rank == 0, self.predictions.label
        return [float(hits[label == c].mean()) for c in range(self.num_classes)]


@torch.inference_mode()
def predict(model: nn.Module, clips: Tensor, device: torch.device, batch_size: int = 128) -> Tensor:
    """Class scores (n, num_classes), SoftMax'ed, on the CPU, for clips (n, C, T, H, W)."""
    model.eval()
    chunks = (model(chunk.to(device)).softmax(dim=1).cpu() for chunk in clips.split(batch_size))
    return torch.cat(list(chunks))


def evaluate_grid(
    model: nn.Module, data: MovingDigits, test: GridTest, device: torch.device
) -> Evaluation:
    """Tests at every combination of coherence and noise.

    Args:
        model: the trained model.
        data: the training distribution; its coherence and noise are replaced by the grid's.
        test: the grid.
        device: where the model is.
    """
    cells, parts = [], []
    for number, (coherence, noise) in enumerate(itertools.product(test.coherence, test.noise)):
        dials = dataclasses.replace(data, coherence=coherence, noise=noise)
        clips, labels = dials.batch("test", (number,), test.clips_per_cell)
        part = _judge(predict(model, clips, device), labels, number)
        parts.append(part)
        cells.append(_summary(part, data.classes, coherence, noise))
    fields = [field.name for field in dataclasses.fields(Predictions)]
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in fields}
    return Evaluation(tuple(cells), Predictions(**joined), len(data.classes))


def evaluate_control(
    model: nn.Module, data: MovingDigits, control: Control, n: int, device: torch.device
) -> float:
    """Top-1 in [0, 1] on `n` clips of the training difficulty with their evidence destroyed."""
    clips, labels = dataclasses.replace(data, control=control).batch("test", (10_000,), n)
    scores = predict(model, clips, device)
    return float((scores.argmax(dim=1) == labels).float().mean())


def _judge(scores: Tensor, labels: Tensor, cell: int) -> Predictions:
    right = scores.gather(1, labels[:, None])
    # A tie counts against the model, so that a constant one gets nothing for free.
    rank = (scores >= right).sum(dim=1) - 1
    top1 = scores.argmax(dim=1)
    as_bytes = [x.numpy().astype(np.uint8) for x in (labels, top1, rank)]
    return Predictions(*as_bytes, np.full(len(labels), cell, dtype=np.uint8))


def _summary(part: Predictions, classes: Classes, coherence: float, noise: float) -> Cell:
    swapped = np.asarray(classes.swapped, dtype=np.uint8)[part.label]
    two_phase = swapped != part.label
    ordered = int((two_phase & (part.top1 == part.label)).sum())
    reversed_ = int((two_phase & (part.top1 == swapped)).sum())
    digits = motion = None
    if classes.digits is not None:
        kinds = np.asarray(classes.digits)
        digits = float((kinds[part.top1] == kinds[part.label]).mean())
        steps = np.asarray([classes.phases.index(pair) for pair in classes.phases])
        if len(set(steps)) > 1:
            motion = float((steps[part.top1] == steps[part.label]).mean())
    return Cell(
        coherence=coherence,
        noise=noise,
        n=len(part.label),
        top1=float((part.rank == 0).mean()),
        top5=float((part.rank < 5).mean()),
        order_accuracy=ordered / (ordered + reversed_) if ordered + reversed_ else None,
        digit_accuracy=digits,
        motion_accuracy=motion,
    )
