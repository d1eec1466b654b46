"""Runs that failed: part of no mean, and said."""

from tests.command import vswin
from tests.results import complete, of_top1
from vswin.experiments.planning import plan_study
from vswin.files import write_json
from vswin.report import load_study
from vswin.report.headline import verdict_lines
from vswin.report.table import the_table
from vswin.runs.execute import execute
from vswin.runs.store import Store


def fail(folder):
    write_json(folder.path / "error.json", {"type": "DivergedError", "message": "NaN at step 3"})


def study_with_failures(results):
    """Table 8, two seeds: one run of a row failed, and what another row's runs start from."""
    plan = plan_study("table8", "smoke", 2, results, ["inflate", "no_pretraining"])
    for planned in plan.runs:
        folder = plan.folder(planned)
        folder.create(planned.config)
        if planned.row.id == "inflate":
            source = plan.store.run(planned.config.source.run_id)
            source.create(planned.config.source)
            fail(source)
        elif planned.seed == 1:
            fail(folder)
        else:
            complete(folder, of_top1(50.0))
    return load_study("table8", "smoke", results_dir=results)


def test_they_are_named_with_their_errors_and_their_sources(tmp_path):
    study = study_with_failures(tmp_path)
    assert study.by_seed("no_pretraining") == {0: 50.0}
    (line,) = [line for line in verdict_lines(study) if line.startswith("Failed, and part of no")]
    assert "no_pretraining, seed 1 (DivergedError: NaN at step 3)" in line
    assert line.count("inflate, seed") == 2
    assert "(it starts from swin_t-t1-w1x3x3-stills" in line
    (cells,) = [line for line in the_table(study).lines if "failed" in line]
    assert "50.0" not in cells


def test_a_record_says_what_is_not_in_it(tmp_path):
    study_with_failures(tmp_path)
    (done,) = plan_study("table8", "smoke", 1, tmp_path, ["no_pretraining"]).runs
    folder = Store(tmp_path, "smoke").run(done.config.run_id)
    (folder.path / "result.json").unlink()
    execute(folder)  # for real: a record wants the predictions
    made = vswin(
        "record", "table8", "-p", "smoke", "--results-dir", tmp_path, "-o", tmp_path / "record"
    )
    assert made.returncode == 0, made.stderr
    said = made.stderr.splitlines()
    assert "table8, row no_pretraining, seed 1 is failed: not recorded" in said
    assert "table8, row inflate, seed 0 is missing: not recorded" in said
    assert not any("no_pretraining, seed 0" in line for line in said)
