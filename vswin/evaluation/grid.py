"""Testing a model: predictions, accuracies, and the embedded benchmark's difficulty grid."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor, nn

from vswin.data.moving_digits import Classes, Control, GridTest, MovingDigits
from vswin.evaluation.cells import Cell, digit_and_motion_accuracy, order_accuracy


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

    @property
    def top1(self) -> float:
        """Over all test clips, in [0, 1]."""
        return float((self.predictions.rank == 0).mean())

    @property
    def top5(self) -> float:
        """Over all test clips, in [0, 1]."""
        return float((self.predictions.rank < 5).mean())


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
    return Evaluation(tuple(cells), Predictions(**joined))


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
    label, first, place = (x.numpy().astype(np.uint8) for x in (labels, top1, rank))
    return Predictions(label, first, place, np.full(len(labels), cell, dtype=np.uint8))


def _summary(part: Predictions, classes: Classes, coherence: float, noise: float) -> Cell:
    digit, motion = digit_and_motion_accuracy(classes, part.label, part.top1)
    return Cell(
        coherence=coherence,
        noise=noise,
        n=len(part.label),
        metrics={
            "top1": float((part.rank == 0).mean()),
            "top5": float((part.rank < 5).mean()),
        },
        order_accuracy=order_accuracy(classes, part.label, part.top1),
        digit_accuracy=digit,
        motion_accuracy=motion,
    )
