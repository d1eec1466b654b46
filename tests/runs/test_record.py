"""The record: what a report needs of complete runs, in three files."""

import json
import re
import shutil

import numpy as np
import pytest

from tests.command import vswin
from vswin.files import DamagedFileError, read_json, write_json
from vswin.project import project_root
from vswin.report import load_study, write_report
from vswin.report.collect import studies_in
from vswin.runs.record import (
    read_curves,
    read_predictions,
    read_records,
    read_runs,
    record_of,
    write_record,
)
from vswin.runs.store import Store, StoreError


@pytest.fixture(scope="module")
def store(smoke_results):
    return Store(smoke_results, "smoke")


@pytest.fixture(scope="module")
def recorded(store, tmp_path_factory):
    """The record of all runs of the store. Read only, please."""
    folder = tmp_path_factory.mktemp("recorded") / "smoke" / "record" / "table5"
    write_record(folder, store)
    return folder


def test_a_record_says_of_runs_what_their_folders_say(store, recorded):
    assert sorted(path.name for path in recorded.iterdir()) == [
        "curves.csv",
        "predictions.npz",
        "runs.jsonl",
    ]
    records = read_runs(recorded)
    assert records == {run.run_id: record_of(run) for run in store}
    assert all(record.provenance["commit"] for record in records.values())


def test_curves_are_those_of_the_runs_with_six_digits(store, recorded):
    curves = read_curves(recorded)
    for run in store:
        for line, original in zip(curves[run.run_id], run.metrics(), strict=True):
            assert line == pytest.approx(original, rel=1e-5)


def test_predictions_are_stacked_by_test_and_complete(store, recorded):
    predictions = read_predictions(recorded)
    for run in store:
        for name, array in run.predictions().items():
            found = predictions[run.run_id][name]
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)
    with np.load(recorded / "predictions.npz") as file:
        assert sorted(file) == ["0/cell", "0/label", "0/rank", "0/run", "0/top1"]
        assert file["0/label"].ndim == 1  # once, for all runs
        assert file["0/top1"].shape == (len(predictions), len(file["0/label"]))


def test_recording_again_or_bit_by_bit_gives_the_same_files(store, recorded, tmp_path):
    first, *others = store
    for runs in ([*others], [first], store):
        write_record(tmp_path, runs)
    for path in recorded.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_tests_that_differ_are_not_stacked(store, tmp_path):
    first, second, *_ = store
    copy = tmp_path / second.run_id
    shutil.copytree(second.path, copy)
    fewer = {name: array[:-1] for name, array in second.predictions().items()}
    cut = type(second)(copy)
    cut.write_predictions(**fewer, score=np.zeros((len(fewer["label"]), 5)))
    metrics = second.config().task.metrics(fewer)
    write_json(copy / "result.json", read_json(copy / "result.json") | {"metrics": metrics})
    write_record(tmp_path / "record", [first, cut])
    found = read_predictions(tmp_path / "record")
    assert len(found[first.run_id]["label"]) == len(found[second.run_id]["label"]) + 1
    assert "score" not in found[second.run_id]  # one entry for each class, not for each clip


def test_a_run_that_tables_share_is_recorded_once_and_known_to_both(smoke_results, tmp_path):
    def record(table, source, output):
        given = ("--protocol", "smoke", "--results-dir", str(source), "--output", str(output))
        done = vswin("record", table, *given)
        assert done.returncode == 0, done.stderr
        return {path: path.read_bytes() for path in output.rglob("record/*/*")}

    both = tmp_path / "both"
    before = record("table5", smoke_results, both)
    assert record("table6", smoke_results, both) == before  # what it shares is replaced there
    shared = load_study("table6", "smoke", results_dir=both).runs
    assert shared == load_study("table6", "smoke", results_dir=smoke_results).runs
    assert shared
    made = record("table6", smoke_results, tmp_path / "made")
    moved = record("table6", both, tmp_path / "moved")  # from a record, without folders of runs
    assert [*moved.values()] == [*made.values()]


def test_a_record_that_changes_is_read_again(store, tmp_path):
    first, second, *_ = store
    target = Store(tmp_path, "smoke")
    write_record(target.record("table5"), [first])
    assert read_records(target).runs.keys() == {first.run_id}
    write_record(target.record("table5"), [second])
    write_record(target.record("table6"), [])
    assert read_records(target).runs.keys() == {first.run_id, second.run_id}


def test_what_is_not_complete_is_left_out(store, tmp_path):
    first, *_ = store
    shutil.copytree(first.path, tmp_path / first.run_id)
    (tmp_path / first.run_id / "result.json").unlink()
    assert record_of(type(first)(tmp_path / first.run_id)) is None
    assert write_record(tmp_path / "record", [type(first)(tmp_path / first.run_id)]) == {}
    assert read_runs(tmp_path / "record") == {}
    assert read_runs(tmp_path / "nowhere") == {}


def test_a_damaged_record_and_one_of_other_versions_are_named(recorded, tmp_path):
    lines = (recorded / "runs.jsonl").read_text()
    path = tmp_path / "runs.jsonl"
    path.write_text(lines[: len(lines) // 2])
    with pytest.raises(DamagedFileError, match=r"line \d of .*runs.jsonl is not a recorded run"):
        read_runs(tmp_path)
    older = re.sub(r'"training":\d+', '"training":0', lines)
    path.write_text(older)
    with pytest.raises(StoreError, match=f"line 1 of {path} is not of this code's versions"):
        read_runs(tmp_path)


def without_first_line(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def twice_the_first_line(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines]))


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def another_accuracy(path):
    first, *rest = path.read_text().splitlines(keepends=True)
    line = json.loads(first)
    line["result"]["metrics"]["top1"] += 0.01
    path.write_text("".join([json.dumps(line) + "\n", *rest]))


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("predictions.npz", lambda path: path.unlink(), "predictions.npz has nothing of swin_t"),
        (
            "predictions.npz",
            lambda path: path.write_text("a,b\n"),
            "predictions.npz cannot be read",
        ),
        ("predictions.npz", cut_in_half, "predictions.npz cannot be read"),
        ("curves.csv", lambda path: path.unlink(), "curves.csv has nothing of swin_t"),
        ("curves.csv", without_first_line, "curves.csv is not a record's"),
        ("runs.jsonl", twice_the_first_line, "line 2 of .* is recorded already"),
        ("runs.jsonl", another_accuracy, "what its predictions in predictions.npz do not give"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(recorded, tmp_path, name, damage, words):
    folder = shutil.copytree(recorded, tmp_path / "record")
    damage(folder / name)
    with pytest.raises(DamagedFileError, match=f"{words}.*restore the record"):
        read_runs(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_in_half, "predictions.npz cannot be read"),
        (lambda path: another_result(path.with_name("result.json")), "result.json says what"),
    ],
)
def test_a_run_whose_files_do_not_belong_together_is_not_recorded(store, tmp_path, damage, words):
    first = next(iter(store))
    copy = type(first)(shutil.copytree(first.path, tmp_path / first.run_id))
    damage(copy.path / "predictions.npz")
    with pytest.raises(DamagedFileError, match=f"{words}.*remove the folder"):
        write_record(tmp_path / "record", [copy])
    assert not (tmp_path / "record").exists()


def another_result(path):
    write_json(path, read_json(path) | {"metrics": {"top1": 0.99, "top5": 0.995}})


def test_reports_made_from_a_record_are_those_made_from_the_runs(smoke_results, tmp_path):
    """Word for word, but for the folder, and that a record trains nothing."""
    given = ("--protocol", "smoke", "--results-dir", str(smoke_results))
    done = vswin("record", "table5", *given, "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    files = write_report(load_study("table5", "smoke", results_dir=smoke_results))
    pages = [files.csv, files.markdown, files.html, *files.pictures.values()]
    originals = [page.read_bytes() for page in pages]
    assert "trains what is missing" in files.markdown.read_text()

    done = vswin("report", "all", "--protocol", "smoke", "--results-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for page, original in zip(pages, originals, strict=True):
        made = (tmp_path / page.relative_to(smoke_results)).read_bytes()
        without = re.sub(
            rb" (`|<code>)vswin run [^`<]*(`|</code>) trains what is missing\.", b"", original
        )
        assert made.replace(bytes(tmp_path), bytes(smoke_results)) == without, page.name
    made = {path.name.partition(".")[0] for path in (tmp_path / "reports").iterdir()}
    assert made == {table for table, _ in studies_in(smoke_results, "smoke")}  # nothing else


TO_THE_PROJECT = re.compile(r"\[([^\]]+)\]\((?:\.\./)+\w[^)]*\)")
"""Links that pages have only within it."""


def test_every_committed_report_can_be_made_from_the_committed_record(tmp_path):
    committed = project_root() / "results" / "reference"
    for record in committed.glob("*/record"):
        shutil.copytree(record, tmp_path / record.relative_to(committed))
    shutil.copytree(committed / "distances", tmp_path / "distances")
    shutil.copy(committed / "reproduced.csv", tmp_path)
    done = vswin("report", "all", "--results-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    made = [*tmp_path.glob("reports/*.md"), *tmp_path.glob("*/tables/*.csv")]
    kept = [*committed.glob("reports/*.md"), *committed.glob("*/tables/*.csv")]
    assert sorted(p.relative_to(tmp_path) for p in made) == sorted(
        p.relative_to(committed) for p in kept
    )
    for page in made:
        text = page.read_text().replace(str(tmp_path), "results/reference")
        original = (committed / page.relative_to(tmp_path)).read_text()
        assert text == TO_THE_PROJECT.sub(r"\1", original), page.name


def test_the_committed_record_is_small():
    committed = project_root() / "results" / "reference"
    sizes = [path.stat().st_size for path in committed.rglob("*") if path.is_file()]
    assert len(sizes) <= 200
    assert sum(sizes) <= 15 * 2**20  # 600 registered runs of 16 KB, and the pages
    assert max(sizes) <= 2**20


def test_there_must_be_something_to_record(tmp_path):
    done = vswin("record", "table5", "--results-dir", str(tmp_path), "-o", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "no complete run of table5 under protocol proxy" in done.stderr
    assert not (tmp_path / "out").exists()
