"""Which runs a study plans: by number of seeds, or exactly these."""

import pytest

from tests.own import own_project, use_project
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import PresentRuns, plan_study, study_runs
from vswin.experiments.rows import runs_of_table
from vswin.launch.pool import prepare
from vswin.project import experiments_dir
from vswin.runs.store import Store


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


def test_a_row_for_several_seeds_is_left_out_of_a_study_of_fewer_unless_it_is_asked_for(tmp_path):
    """The sweep of Table 7: it is in the record, and `make table7` does not wait for it."""

    def rows_of(**options):
        plan = plan_study("table7", "smoke", results_dir=tmp_path, **options)
        return {planned.row.id for planned in plan.runs}

    sweep = {f"ratio_{ratio}_{start}" for ratio in ("0_03", "0_3") for start in ("1k", "21k")}
    assert rows_of(seeds=2) - rows_of(seeds=1) == sweep
    assert rows_of() == rows_of(seeds=1)
    assert rows_of(only_seeds=[3]) == rows_of(seeds=2)  # a part of a larger study
    assert rows_of(seeds=1, rows=["ratio_0_03_1k"]) == {"ratio_0_03_1k"}


def test_where_a_table_stands_includes_rows_that_were_run_though_its_seeds_are_few(tmp_path):
    (asked,) = plan_study("table7", "smoke", 1, tmp_path, ["ratio_0_3_1k"]).runs
    prepare([asked.config], Store(tmp_path, "smoke"))
    shown = {
        row.label: row.run_ids for row in runs_of_table("table7", "smoke", None, tmp_path).rows
    }
    assert shown["ratio_0_3_1k"] == (asked.config.run_id,)
    assert "ratio_0_03_1k" not in shown
    assert len(shown["ratio_0_1_1k"]) == 1  # not begun


def test_a_study_of_too_few_seeds_for_every_row_is_refused(tmp_path, monkeypatch):
    row = "{id: a, preset: swin_t, min_seeds: 3}"
    text = f"table: mine\ntitle: Mine\nrows:\n  - {row}\n"
    use_project(monkeypatch, own_project(tmp_path, text))
    with pytest.raises(UsageError, match="no row of mine is in a study of 2 seeds .*ask for 3"):
        plan_study("mine", "smoke", 2)
    assert len(plan_study("mine", "smoke", 3).runs) == 3
