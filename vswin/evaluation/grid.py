"""Testing on Moving Digits: the embedded benchmark's difficulty grid, and its controls."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import torch
from torch import Tensor, nn

from vswin.data.moving_digits import Classes, Control, GridTest, MovingDigits
from vswin.evaluation.cells import Cell, digit_and_motion_accuracy, order_accuracy
from vswin.tasks import SINGLE_LABEL, Task
from vswin.tasks.task import Kept, joined


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The outcome of a test."""

    cells: tuple[Cell, ...]
    predictions: Kept
    """What the task keeps of each test clip, and `cell`, the index into the cells; all uint8."""
    metrics: dict[str, float]
    """The task's, over all test clips."""


@torch.inference_mode()
def predict(
    model: nn.Module, clips: Tensor, device: torch.device, task: Task, batch_size: int = 128
) -> Tensor:
    """The task's scores (n, num_classes), on the CPU, for clips (n, C, T, H, W)."""
    model.eval()
    chunks = (task.scores(model(chunk.to(device))).cpu() for chunk in clips.split(batch_size))
    return torch.cat(list(chunks))


def evaluate_grid(
    model: nn.Module,
    data: MovingDigits,
    test: GridTest,
    device: torch.device,
    task: Task = SINGLE_LABEL,
) -> Evaluation:
    """Tests at every combination of coherence and noise.

    Args:
        model: the trained model.
        data: the training distribution; its coherence and noise are replaced by the grid's.
        test: the grid.
        device: where the model is.
        task: what the labels are.
    """
    cells, parts = [], []
    for number, (coherence, noise) in enumerate(itertools.product(test.coherence, test.noise)):
        dials = dataclasses.replace(data, coherence=coherence, noise=noise)
        clips, labels = dials.batch("test", (number,), test.clips_per_cell)
        part = task.keep(predict(model, clips, device, task), labels)
        part = {name: values.astype(np.uint8) for name, values in part.items()}
        parts.append(part | {"cell": np.full(len(labels), number, dtype=np.uint8)})
        cells.append(_cell(part, dials.classes, (coherence, noise), task))
    predictions = joined(parts)
    return Evaluation(tuple(cells), predictions, task.metrics(predictions))


def evaluate_control(
    model: nn.Module,
    data: MovingDigits,
    control: Control,
    n: int,
    device: torch.device,
    task: Task = SINGLE_LABEL,
) -> float:
    """Share of `n` clips at the training difficulty, without evidence, answered correctly."""
    clips, labels = dataclasses.replace(data, control=control).batch("test", (10_000,), n)
    return float(task.hits(predict(model, clips, device, task), labels) / n)


def _cell(part: Kept, classes: Classes, difficulty: tuple[float, float], task: Task) -> Cell:
    label, top1 = part["label"], part["top1"]
    digit, motion = digit_and_motion_accuracy(classes, label, top1)
    return Cell(
        coherence=difficulty[0],
        noise=difficulty[1],
        n=len(label),
        metrics=task.metrics(part),
        order_accuracy=order_accuracy(classes, label, top1),
        digit_accuracy=digit,
        motion_accuracy=motion,
    )
