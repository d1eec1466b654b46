"""One label for each clip: what is kept of scores, and what comes of it."""

import numpy as np
import pytest
import torch

from vswin.tasks import SINGLE_LABEL, TASKS, title
from vswin.tasks.task import as_json, from_json, joined

SCORES = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.3, 0.3, 0.4]])
TARGET = torch.tensor([1, 2, 0])


def test_what_is_kept_of_scores():
    kept = SINGLE_LABEL.keep(SCORES, TARGET)
    assert kept["label"].tolist() == [1, 2, 0]
    assert kept["top1"].tolist() == [1, 0, 2]
    assert kept["rank"].tolist() == [0, 2, 2]  # a tie counts against the model
    assert SINGLE_LABEL.metrics(kept) == {"top1": pytest.approx(1 / 3), "top5": 1.0}
    assert SINGLE_LABEL.hits(SCORES, TARGET) == 1


def test_the_best_classes_are_filled_up_where_there_are_fewer():
    kept = SINGLE_LABEL.keep(SCORES, TARGET, best=5)
    assert kept["top5"].tolist() == [[1, 2, 0, -1, -1], [0, 1, 2, -1, -1], [2, 0, 1, -1, -1]]
    assert kept["score"][0] == pytest.approx([0.7, 0.2, 0.1, 0, 0])
    assert kept["score"].dtype == np.float32


def test_what_could_not_be_read_is_wrong():
    missing = SINGLE_LABEL.keep_missing(TARGET, 3, best=5)
    present = SINGLE_LABEL.keep(SCORES, TARGET, best=5)
    assert {name: a.dtype for name, a in missing.items()} == {
        name: a.dtype for name, a in present.items()
    }
    both = joined([present, missing])
    assert both["top5"].shape == (6, 5)
    assert SINGLE_LABEL.metrics(both)["top1"] == pytest.approx(1 / 6)


def test_notes_give_the_same_arrays_again():
    kept = SINGLE_LABEL.keep(SCORES, TARGET, best=5)
    again = from_json(as_json(kept))
    assert all(np.array_equal(again[name], kept[name]) for name in kept)
    assert all(again[name].dtype == kept[name].dtype for name in kept)


def test_metrics_have_titles():
    assert (title("top1"), title("anything")) == ("top-1", "anything")
    for task in TASKS:
        kept = task().keep(SCORES, TARGET)
        assert list(task().metrics(kept)) == list(task.METRICS)
