"""Testing a model: the arithmetic of accuracies, on a model that is known."""

import numpy as np
import pytest
import torch
from torch import nn

from vswin.data.moving_digits import CLASSES, SWAPPED, MovingDigits
from vswin.evaluation.grid import GridTest, evaluate_control, evaluate_grid

CPU = torch.device("cpu")
DATA = MovingDigits(generator_seed=5, frames=16, noise=0.0, digits=2)
TEST = GridTest(clips_per_cell=48, coherence=(1.0, 0.5), noise=(0.0, 0.3))


class Oracle(nn.Module):
    """Knows the label of every clip it will be asked about, and answers with a rule."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.seen = answer, 0
        self.labels = torch.cat(
            [DATA.batch("test", (cell,), TEST.clips_per_cell)[1] for cell in range(4)]
        )

    def forward(self, clips):
        labels = self.labels[self.seen : self.seen + len(clips)]
        self.seen += len(clips)
        return 10 * nn.functional.one_hot(self.answer(labels), len(CLASSES)).float()


def test_a_model_that_is_right():
    found = evaluate_grid(Oracle(lambda y: y), DATA, TEST, CPU)
    assert (found.metrics["top1"], found.metrics["top5"]) == (1.0, 1.0)
    assert [(c.coherence, c.noise, c.n) for c in found.cells] == [
        (1.0, 0.0, 48),
        (1.0, 0.3, 48),
        (0.5, 0.0, 48),
        (0.5, 0.3, 48),
    ]
    assert all(c.order_accuracy == 1.0 for c in found.cells)
    assert np.array_equal(found.predictions["cell"], np.repeat(np.arange(4), 48))


def test_a_model_that_always_swaps_the_phases():
    found = evaluate_grid(Oracle(lambda y: torch.tensor(SWAPPED)[y]), DATA, TEST, CPU)
    assert found.metrics["top1"] == pytest.approx(4 / 12)
    assert all(c.order_accuracy == 0.0 for c in found.cells)


def test_a_constant_model_gets_no_top1_and_no_top5_for_ties():
    class Constant(nn.Module):
        def forward(self, clips):
            return torch.zeros(len(clips), len(CLASSES))

    found = evaluate_grid(Constant(), DATA, TEST, CPU)
    assert (found.metrics["top1"], found.metrics["top5"]) == (0.0, 0.0)


def test_controls_are_clips_without_evidence():
    class Mover(nn.Module):
        """Counts the clips in which anything moves."""

        moving = 0

        def forward(self, clips):
            self.moving += int((clips[:, 0].diff(dim=1).abs().amax(dim=(1, 2, 3)) > 0).sum())
            return nn.functional.one_hot(torch.zeros(len(clips), dtype=int), len(CLASSES)).float()

    for control, moving in (("none", 120), ("single_frame", 0), ("shuffled_frames", 120)):
        model = Mover()
        assert evaluate_control(model, DATA, control, 120, CPU) == pytest.approx(1 / 12)
        assert model.moving == moving


def test_the_halves_of_an_appearance_class_are_judged_apart():
    data = MovingDigits(generator_seed=5, task="appearance", digits=2, noise=0.0)
    test = GridTest(clips_per_cell=40, coherence=(1.0,), noise=(0.0,))
    labels = data.batch("test", (0,), 40)[1]

    class Rule(nn.Module):
        def __init__(self, answer):
            super().__init__()
            self.answer = answer

        def forward(self, clips):
            assert len(clips) == 40
            return nn.functional.one_hot(self.answer(labels), 20).float()

    for answer, digit, motion in (
        (lambda y: y, 1.0, 1.0),
        (lambda y: y ^ 1, 1.0, 0.0),  # the digit's other direction
        (lambda y: (y + 2) % 20, 0.0, 1.0),  # another digit that goes the same way
    ):
        found = evaluate_grid(Rule(answer), data, test, CPU)
        (cell,) = found.cells
        assert (cell.digit_accuracy, cell.motion_accuracy) == (digit, motion)
        assert cell.order_accuracy is None
        assert found.metrics["top1"] == digit * motion
