"""Which runs count as having learnt to tell the order of events."""

import dataclasses

import pytest

from vswin.evaluation.cells import Cell
from vswin.report import load_study
from vswin.report.digits import has_learnt_order, learnt


def easiest(top1, order):
    return Cell(1.0, 0.2, 960, {"top1": top1, "top5": 1.0}, order)


@pytest.mark.parametrize(
    ("top1", "order", "has"),
    [
        (1.0, 1.0, True),
        (0.70, 0.96, True),
        (0.95, 0.94, False),
        (0.66, 0.52, False),
        (0.08, 1.0, False),  # of a handful of clips at chance
        (0.08, None, False),  # of none
    ],
)
def test_order_is_learnt_beyond_what_can_be_had_without(top1, order, has):
    assert has_learnt_order(easiest(top1, order)) is has


def test_a_run_that_answers_no_pair_of_directions_counts_as_one_that_failed(smoke_results):
    run = load_study("table5", "smoke", None, smoke_results).runs["dim8"][0]

    def with_easiest(cell):
        details = dataclasses.replace(run.result.details, easiest=cell)
        result = dataclasses.replace(run.result, details=details)
        return dataclasses.replace(run, result=result)

    runs = [with_easiest(easiest(0.1, None)), with_easiest(easiest(1.0, 1.0))]
    assert learnt(runs) == (1, 2)


def test_a_task_without_order_has_none_to_learn(appearance_results):
    study = load_study("table8", "smoke", None, appearance_results)
    assert learnt(study.runs["inflate"].values()) == (0, 0)
