"""tools/calibrate_proxy.py: which runs it makes, and what its tables say of them."""

import dataclasses
import math

import pandas as pd
import pytest

from tools.calibrate_proxy import GENERATOR_SEED, TABLES, candidates, late_gain, main, summary
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.project import experiments_dir

LIBRARY = Library(experiments_dir())


def planned(task, steps=(), seeds=1):
    tables = [t for t in TABLES[task] if not LIBRARY.why_not(LIBRARY.experiment(t), "proxy")]
    return list(candidates(LIBRARY, tables, steps, seeds))


def test_every_row_is_tried_once_whatever_it_is_called():
    wanted = {
        run.run_id
        for table in TABLES["temporal"]
        for run in first_runs(LIBRARY.experiment(table), LIBRARY.protocol("proxy")).values()
    }
    found = planned("temporal", [30, 60], seeds=3)
    assert len(found) == 3 * 2 * len(wanted)
    assert len({c.config.run_id for c in found}) == len(found)
    assert {"table4.joint", "table5.shuffled_frames"} <= {c.row for c in found}
    assert not {"table5.win8", "table6.shift_3d"} & {c.row for c in found}  # they are joint


@pytest.mark.parametrize("task", TABLES)
def test_a_candidate_is_the_protocols_run_but_for_clips_and_length(task):
    protocol = LIBRARY.protocol("proxy")
    for candidate in planned(task, [7]):
        table, row = candidate.row.split(".")
        usual = first_runs(LIBRARY.experiment(table), protocol)[row]
        config = candidate.config
        for run in (config, *config.ancestors):
            assert run.data.generator_seed == GENERATOR_SEED != protocol.data.generator_seed
        seed = usual.data.generator_seed
        data = dataclasses.replace(config.data, generator_seed=seed)
        recipe = dataclasses.replace(config.recipe, steps_per_epoch=usual.recipe.steps_per_epoch)
        init = config.init
        if config.source is not None:  # its length is the protocol's
            assert config.source.recipe == usual.source.recipe
            init = usual.init
        assert dataclasses.replace(config, data=data, recipe=recipe, init=init) == usual


def test_the_late_gain_is_that_of_the_last_fifth():
    curve = [{"top1": 0.5}] * 24 + [{"top1": 0.6}] * 3 + [{"top1": 0.75}] * 3
    assert late_gain(curve) == pytest.approx(25.0)
    assert late_gain([{"top1": 0.9}, *curve[1:]]) == pytest.approx(25.0)
    assert math.isnan(late_gain(curve[:12]))


def test_a_row_is_summed_up_over_its_seeds():
    def run(seed, grid, learnt, gain):
        named = {"row": "table4.split", "steps": 900, "seed": seed, "easiest_top1": 99.0}
        values = {"grid_top1": grid, "learnt": learnt, "late_gain": gain}
        return named | values | {"stills_accuracy": math.nan, "train_seconds": 60.0}

    runs = [run(0, 80.0, True, 0.2), run(1, 82.0, True, 0.9), run(2, 54.0, False, -0.1)]
    runs += [run(3, 60.0, False, 3.0)]
    (line,) = summary(pd.DataFrame(runs), "order").to_dict("records")
    assert line["learnt"] == "2 of 4 learnt order"
    assert line["grid_top1"] == pytest.approx(69.0)
    assert line["grid_sd"] == pytest.approx(14.094, abs=1e-3)
    assert (line["learnt_low"], line["learnt_high"]) == pytest.approx((15.0, 85.0), abs=0.05)
    assert line["late_gain"] == pytest.approx(1.0)
    assert line["late_gain_se"] == pytest.approx(0.6988, abs=1e-4)


def test_where_nothing_was_run_there_is_nothing_to_show(tmp_path, capsys):
    given = ["temporal", "--only-show", "--results-dir", str(tmp_path)]
    assert main(given) == 2
    assert "has none of these runs yet" in capsys.readouterr().err
    assert main([*given, "--rows", "table4.joined"]) == 2
    assert "table4.joined is none of table4.joint, " in capsys.readouterr().err
