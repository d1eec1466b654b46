"""Which runs a study plans: by number of seeds, or exactly these."""

import pytest

from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import PresentRuns, plan_study, study_runs
from vswin.project import experiments_dir


def seeds(**options):
    plan = plan_study("table5", "smoke", results_dir="/nowhere", rows=["win8"], **options)
    return [(planned.row.id, planned.seed, planned.config.seed) for planned in plan.runs]


def test_seeds_by_number_are_counted_from_0():
    assert seeds(seeds=2) == [("win8", 0, 0), ("win8", 1, 1)]
    assert seeds() == [("win8", 0, 0)]  # protocol smoke has one


def test_exactly_these_seeds_each_once():
    assert seeds(only_seeds=[7, 3, 7]) == [("win8", 7, 7), ("win8", 3, 3)]
    one = plan_study("table5", "smoke", 4, "/nowhere", ["win8"]).runs[3]
    (same,) = plan_study("table5", "smoke", None, "/nowhere", ["win8"], only_seeds=[3]).runs
    assert same == one


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": 2, "only_seeds": [1]}, "by number and one by one"),
        ({"only_seeds": [-1]}, "seed -1: wanted an integer >= 0"),
        ({"only_seeds": [True]}, "seed True"),
        ({"seeds": 0}, "seeds=0"),
    ],
)
def test_seeds_that_cannot_be_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        seeds(**options)


@pytest.mark.parametrize("protocol", ["smoke", "paper"])
def test_the_runs_that_are_present_are_those_that_were_planned(protocol):
    library = Library(experiments_dir())
    experiment, chosen = library.experiment("table5"), library.protocol(protocol)
    planned = list(study_runs(experiment, chosen, [0, 3, 12]))
    for run in planned:  # however it was found, it is what the protocol says of its row and seed
        assert run.config == chosen.configure(experiment, run.row, run.seed)
    some = planned[1::2]
    wanted = {run.config.run_id for run in some}
    foreign = [f"{run_id[:-10]}{'0' * 10}" for run_id in wanted] + ["something else"]
    present = PresentRuns([*wanted, *foreign])
    found = list(study_runs(experiment, chosen, present=present))
    assert {run.config.run_id for run in found} == wanted
    assert {(r.row.id, r.seed) for r in some} <= {(r.row.id, r.seed) for r in found}
    assert {r.seed for r in study_runs(experiment, chosen, [3], present=present)} == {3}
    assert not list(study_runs(experiment, chosen, [1], present=present))


def test_a_row_that_cannot_be_made_small_is_named_with_its_table_and_protocol():
    library = Library(experiments_dir())
    table = library.experiment("table5")
    odd = table.row("win4").model_copy(update={"id": "odd", "model": {"window_size": [3, 7, 7]}})
    mine = table.model_copy(update={"table": "mine", "rows": (*table.rows, odd)})
    said = "mine.yaml, row odd, cannot be run under protocol smoke: temporal window 3 cannot be di"
    with pytest.raises(UsageError, match=said):
        list(study_runs(mine, library.protocol("smoke"), [0]))
