"""tools/power.py: what a pilot says of a study that is yet to be run."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.power import TTestPower

from tools.power import main


def pilot_of(tmp_path, steps=1800, **rows):
    """A table of runs: grid top-1 by row (`table4__split`) for seeds 0, 1, ..."""
    lines = [
        {"row": row.replace("__", "."), "seed": seed, "steps": steps, "grid_top1": value}
        for row, values in rows.items()
        for seed, value in enumerate(values)
    ]
    path = tmp_path / f"pilot{steps}.csv"
    pd.DataFrame(lines).to_csv(path, index=False)
    return str(path)


def lines_of(text):
    return {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}


JOINT = [80.0, 81.0, 82.0]


def test_power_of_a_claim_is_that_of_its_t_test(tmp_path, capsys):
    """Gains of 0, 1 and 2: mean 1, standard deviation 1."""
    path = pilot_of(tmp_path, table4__joint=JOINT, table4__split=[80.0, 80.0, 80.0])
    assert main([path, "--seeds", "5", "12"]) == 0
    line = lines_of(capsys.readouterr().out)["joint_beats_split"]
    expected = [TTestPower().power(1, n, 0.025, alternative="larger") for n in (5, 12)]
    assert line[1:4] == ["joint", "−", "split"]
    assert line[4:8] == ["+1.00", "1.00", "3", "holds"]
    assert [float(value) for value in line[8:]] == pytest.approx(expected, abs=0.006)


def test_rows_that_are_one_run_may_stand_under_either_name(tmp_path, capsys):
    """The window of 8 frames is the joint design of Table 4 and the 3D shift of Table 6."""
    shifted = {"table6__shift_spatial": [50.0, 52.0, 51.0]}
    path = pilot_of(tmp_path, table4__joint=JOINT, **shifted)
    assert main([path]) == 0
    line = lines_of(capsys.readouterr().out)["temporal_shift_helps"]
    assert line[4:8] == ["+30.00", f"{np.std([30, 29, 31], ddof=1):.2f}", "3", "holds"]


def test_what_the_pilot_lacks_is_said(tmp_path, capsys):
    path = pilot_of(tmp_path, table4__joint=JOINT, table4__split=[70.0])
    assert main([path]) == 0
    assert "fewer than two paired seeds in the pilot" in capsys.readouterr().out


def test_a_verdict_other_than_holds_may_be_the_likeliest(tmp_path, capsys):
    path = pilot_of(tmp_path, table4__joint=JOINT, table4__factorized=[85.0, 85.5, 87.0])
    assert main([path]) == 0
    line = lines_of(capsys.readouterr().out)["joint_beats_factorized"]
    assert line[7] == "contradicted"
    near = [80.1, 80.9, 82.0]
    assert main([pilot_of(tmp_path, table4__joint=JOINT, table4__factorized=near)]) == 0
    line = lines_of(capsys.readouterr().out)["joint_beats_factorized"]
    assert line[7:9] == ["no", "effect"]


def test_one_length_of_training_at_a_time(tmp_path, capsys):
    short = pilot_of(tmp_path, 900, table4__joint=JOINT, table4__split=[70.0, 71.0, 72.5])
    long = pilot_of(tmp_path, 1800, table4__joint=JOINT, table4__split=[60.0, 61.0, 62.5])
    assert main([short, long]) == 2
    assert "say --steps, one of [900, 1800]" in capsys.readouterr().err
    assert main([short, long, "--steps", "900"]) == 0
    assert "+9.83" in capsys.readouterr().out
    assert main([short, "--steps", "7"]) == 2
    assert "no runs of 7 steps" in capsys.readouterr().err


def test_a_table_without_runs_is_refused_in_one_line(tmp_path, capsys):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for path, said in (("other.csv", "no column row"), ("none.csv", "cannot be read")):
        assert main([str(tmp_path / path)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
