"""Which runs count as having learnt to tell the order of events, or motion."""

import dataclasses

import pytest

from tests.report.claims.made_up import with_results
from vswin.evaluation.cells import Cell
from vswin.report import digits, load_study
from vswin.report.claims import judge_claims
from vswin.report.digits import has_learnt_order, learnt, success_line, to_learn
from vswin.report.sensitivity import Sensitivity, changes, learnt_of, sensitivity


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
    runs = [with_easiest(run, easiest(0.1, None)), with_easiest(run, easiest(1.0, 1.0))]
    assert learnt(runs) == (1, 2)


@pytest.mark.parametrize(("motion", "has"), [(0.90, 1), (0.89, 0)])
def test_of_the_appearance_task_motion_is_what_is_to_be_learnt(appearance_results, motion, has):
    study = load_study("table8", "smoke", None, appearance_results)
    run = study.runs["inflate"][0]
    cell = dataclasses.replace(run.result.details.easiest, motion_accuracy=motion)
    details = dataclasses.replace(run.result.details, easiest=cell)
    runs = [dataclasses.replace(run, result=dataclasses.replace(run.result, details=details))]
    assert learnt(runs) == (has, 1)
    assert to_learn(runs) == "motion"
    line = digits.success(study.rows, {"inflate": {0: runs[0]}}).lines[0]
    assert line[1] == f"{has} of 1"


def test_of_still_images_there_is_no_motion_to_learn(appearance_results):
    run = load_study("table8", "smoke", None, appearance_results).runs["inflate"][0]
    data = dataclasses.replace(run.config.data, task="stills")
    config = dataclasses.replace(run.config, data=data)
    assert learnt([dataclasses.replace(run, config=config)]) == (0, 0)


def test_a_claim_says_which_rows_did_not_always_learn(smoke_results):
    """A difference can be large because one row fails now and then, not because it is worse."""
    study = load_study("table5", "smoke", None, smoke_results)
    run = study.runs["dim4"][0]
    cells = [easiest(1.0, 1.0), easiest(0.09, 0.5), easiest(1.0, 1.0)]
    failing = {seed: with_easiest(run, cell) for seed, cell in enumerate(cells)}
    rows = {"dim4": [80.0, 8.0, 79.9], "dim8": [82.0, 82.2, 81.9], "dim16": [82.9, 83.2, 82.8]}
    runs = {row: {seed: with_easiest(run, cells[0]) for seed in range(3)} for row in rows}
    made_up = with_results(load_study("table5", results_dir="/nowhere"), **rows)
    made_up = dataclasses.replace(made_up, runs={**runs, "dim4": failing})
    found = {judgement.claim.id: judgement for judgement in judge_claims(made_up)}
    there, unchanged = found["longer_is_better"], found["longer_window_is_better"]
    assert there.unlearnt == ("2 of 3 runs of dim4 learnt order",)
    assert "; 2 of 3 runs of dim4 learnt order; " in there.reason
    assert unchanged.unlearnt == ()
    here = dataclasses.replace(there, verdict="no effect", unlearnt=())
    other = Sensitivity(
        "proxy_other", "digits are faster", (dataclasses.replace(there, verdict="holds"),)
    )
    (change,) = [c for c in changes([here], [other]) if c.what == "another answer"]
    assert ", where 2 of 3 runs of dim4 learnt order; here: no effect (" in change.text


def with_easiest(run, cell):
    """The run as if that had been its test at the least difficulty."""
    details = dataclasses.replace(run.result.details, easiest=cell)
    return dataclasses.replace(run, result=dataclasses.replace(run.result, details=details))


def test_rows_that_did_not_always_learn_are_named_below_what_answers_depend_on(smoke_results):
    study = load_study("table5", "smoke", None, smoke_results)
    learned = {
        row: {seed: with_easiest(run, easiest(1.0, 1.0)) for seed, run in by_seed.items()}
        for row, by_seed in study.runs.items()
    }
    failed = {0: with_easiest(learned["dim4"][0], easiest(0.09, 0.527))}
    here = dataclasses.replace(study, runs=learned)
    there = learnt_of(dataclasses.replace(study, runs={**learned, "dim4": failed}))
    assert learnt_of(here) == "5 of 5 learnt order"
    assert there == "4 of 5 learnt order (dim4 0 of 1)"
    rows = {"dim4": [80.0, 80.1, 79.9], "dim8": [82.0, 82.2, 81.9], "dim16": [82.9, 83.2, 82.8]}
    judged = tuple(judge_claims(with_results(load_study("table5", results_dir="/"), **rows)))
    other = Sensitivity("proxy_other", "digits are faster", judged, there)
    assert f"Runs: here 5 of 5 learnt order; `proxy_other`: {there}. " in (
        sensitivity(here, judged, [other]).note
    )


def test_the_line_names_rows_of_which_none_learnt_unless_that_is_all():
    study = load_study("table6", results_dir="results/reference")
    (line,) = success_line(study.rows, study.runs)
    assert line.startswith("12 of 36 runs learnt order (order accuracy of 95 % or more; none of ")
    assert line.endswith("the 12 of shift_spatial and the 12 of shift_none).")
    none = [row for row in study.rows if row.id == "shift_none"]
    (line,) = success_line(none, study.runs)
    assert line == "0 of 12 runs learnt order (order accuracy of 95 % or more)."
