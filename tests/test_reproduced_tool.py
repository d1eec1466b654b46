"""tools/reproduced.py: a second run beside the recorded one."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tools.reproduced import FILE, main
from vswin.runs import record as records
from vswin.runs.record import write_record
from vswin.runs.store import Store


@pytest.fixture
def recorded(smoke_results, tmp_path):
    """Two records of the same runs, the second of which took other times."""
    store = Store(smoke_results, "smoke")
    runs = [store.run(run_id) for run_id in store.run_ids()]
    for name in ("first", "again"):
        write_record(Store(tmp_path / name, "smoke").record("table5"), runs)
    change_curves(tmp_path / "again", clips_per_second="1.0", train_seconds="99.0")
    return tmp_path


def change_curves(folder, **values):
    path = Store(folder, "smoke").record("table5") / records.CURVES
    curves = pd.read_csv(path, dtype=str, keep_default_na=False)
    assert {*values} <= {*curves.columns}
    curves.assign(**values).to_csv(path, index=False)


def compare(folder, *words):
    first = str(folder / "first")
    return main([str(folder / "again"), "--record", first, "--called", "another day", *words])


def test_the_same_runs_are_the_same(recorded, capsys):
    assert compare(recorded) == 0
    assert (
        "runs are the same; top-1 at most 0.00 points apart, root mean square 0.00"
        in capsys.readouterr().out
    )
    assert not (recorded / "first" / FILE).exists()


def test_a_curve_that_is_another_is_told(recorded, capsys):
    change_curves(recorded / "again", loss="0.25")
    assert compare(recorded) == 1
    assert "\n0 of " in capsys.readouterr().out


def test_a_clip_that_is_ranked_differently_is_counted(recorded, capsys):
    folder = Store(recorded / "again", "smoke").record("table5")
    runs, ranks = records.read_runs(folder), records.read_predictions(folder)
    run_id = min(runs)
    wrong = int(np.flatnonzero(ranks[run_id]["top1"] != ranks[run_id]["label"])[0])
    ranks[run_id]["top1"][wrong] = ranks[run_id]["label"][wrong]
    ranks[run_id]["rank"][wrong] = 0
    metrics = runs[run_id].config.task.metrics(ranks[run_id])
    result = dataclasses.replace(runs[run_id].result, metrics=metrics)
    with (folder / records.PREDICTIONS).open("wb") as file:
        np.savez(file, **records._stack(ranks))
    changed = runs | {run_id: dataclasses.replace(runs[run_id], result=result)}
    (folder / records.RUNS).write_text("".join(map(records._as_line, changed.values())))

    assert compare(recorded, "--keep") == 1
    clips = len(ranks[run_id]["label"])
    assert f"{len(runs) - 1} of {len(runs)} runs are the same" in capsys.readouterr().out
    kept = pd.read_csv(recorded / "first" / FILE, index_col="run")
    assert kept.loc[run_id, "clips_that_differ"] == 1
    assert kept.loc[run_id, "same_curve"]
    assert kept.loc[run_id, "difference"] == pytest.approx(100 / clips, abs=1e-4)
    assert compare(recorded, "--keep") == 1  # in place of the first lines
    assert len(pd.read_csv(recorded / "first" / FILE)) == len(runs)


def test_records_that_share_no_run_are_told(recorded, capsys):
    assert main([str(recorded / "nowhere"), "--called", "x"]) == 2
    assert capsys.readouterr().err.startswith("error: no run of")
