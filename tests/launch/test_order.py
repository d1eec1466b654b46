"""In which order the runs of a study are executed."""

from vswin.experiments.planning import plan_study
from vswin.launch.study import with_sources


def ordered(table, results, seeds=1):
    plan = plan_study(table, "proxy", seeds, results)
    return with_sources([planned.config for planned in plan.runs], plan.store)


def test_the_longest_runs_come_first(tmp_path):
    """More frames above all, then wider windows."""
    found = [(c.data.frames, c.model.window_size[0]) for c in ordered("table5", tmp_path)]
    assert found == [(16, 8), (16, 4), (16, 4), (16, 4), (16, 2), (8, 4), (4, 2)]


def test_what_others_start_from_comes_before_them_and_after_long_runs_that_need_nothing(tmp_path):
    """So two cores share one seed of Table 7 evenly: pre-trainings beside the control."""
    runs = ordered("table7", tmp_path)
    assert [c.is_pretraining for c in runs[:3]] == [False, True, True]
    assert runs[0].source is None
    assert len({c.run_id for c in runs}) == len(runs) == 9
    several = ordered("table7", tmp_path, seeds=2)
    places = {c.run_id: place for place, c in enumerate(several)}
    assert all(places[c.source.run_id] < places[c.run_id] for c in several if c.source)
