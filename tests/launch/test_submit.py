"""Submitting to Slurm: what is submitted, what is left alone, what is refused."""

import dataclasses
import errno
import shutil
from pathlib import Path

import pytest

from tests.command import vswin
from tests.launch.requests import request
from vswin.files import NotWritableError, write_json
from vswin.launch.estimate import TooExpensiveError, estimate_all
from vswin.launch.proposal import ABSENT, FAILED, propose
from vswin.launch.slurm.journal import Journal
from vswin.launch.slurm.sbatch import SubmissionError
from vswin.launch.submit import scripts, submit


def test_what_is_printed_is_what_is_submitted(tmp_path, slurm):
    asked = request(tmp_path, mem_gb_per_node=2.0, parallel=3)
    printed = scripts(asked, propose(asked))
    _, (runs, notebook) = submit(asked)
    for text, submission in zip(printed, (runs, notebook), strict=True):
        base = submission.job_ids[0].partition("_")[0]
        name = f"{submission.token.rpartition('-')[0]}-TOKEN"
        settled = text.replace(name, submission.token).replace(":JOBS", ":7")
        assert slurm.script(base) == settled.replace("SNAPSHOT", Path(submission.code).name)
    assert runs.job_ids == tuple(f"7_{k}" for k in range(7))
    assert "array=0-6%3" in slurm.script("7")


def test_only_what_is_missing_is_submitted(tmp_path, slurm, smoke_results):
    shutil.copytree(smoke_results, tmp_path / "results")
    asked = request(tmp_path)
    lost, failed, cut, cancelled, queued = sorted(asked.configs)[:5]
    for run_id in (lost, failed, cut, cancelled, queued):
        shutil.rmtree(asked.store.run(run_id).path)
    _, (runs, _) = submit(asked)
    assert sorted(runs.items) == [lost, failed, cut, cancelled, queued]
    jobs = dict(zip(runs.items, runs.job_ids, strict=True))
    assert submit(asked)[1] == []
    slurm.forget(jobs[lost])
    write_json(asked.store.run(failed).path / "error.json", {"type": "E", "message": "bad"})
    slurm.set_state(jobs[failed], "FAILED")
    slurm.set_state(jobs[cut], "NODE_FAIL")
    slurm.set_state(jobs[cancelled], "CANCELLED")
    proposal, (again, notebook) = submit(asked)
    assert sorted(again.items) == sorted([lost, cut, cancelled])
    assert proposal.statuses[queued].state == "queued"
    assert notebook.items == ("table5",)
    # The notebook waits for the new array and for what was queued before.
    waits = slurm.script(notebook.job_ids[0])
    assert f"dependency=afterany:7:{again.job_ids[0].partition('_')[0]}" in waits
    _, (retried, _) = submit(dataclasses.replace(asked, states=ABSENT + FAILED))
    assert retried.items == (failed,)
    assert len(Journal(asked.store).placements()[failed]) == 2


def test_a_notebook_that_was_lost_is_submitted_again(tmp_path, slurm, smoke_results):
    asked = request(tmp_path)
    _, (runs, notebook) = submit(asked)
    for path in (smoke_results / "smoke" / "runs").iterdir():  # the jobs end well
        shutil.copytree(path, asked.store.run(path.name).path, dirs_exist_ok=True)
    slurm.forget(*runs.job_ids)
    assert submit(asked)[1] == []  # it still waits
    slurm.set_state(*notebook.job_ids, "CANCELLED")
    _, (again,) = submit(asked)
    assert (again.kind, again.items) == ("notebook", ("table5",))
    slurm.forget(*again.job_ids)
    status = ["status", "table5", "--protocol", "smoke", "--results-dir", tmp_path / "results"]
    assert "the notebook of table5 was not executed since" in vswin(*status).stdout
    mark = Journal(asked.store).rendered_mark("table5")
    mark.parent.mkdir()
    mark.touch()
    assert submit(asked)[1] == []  # it was rendered
    assert "the notebook of" not in vswin(*status).stdout


def test_slurms_own_words_and_nothing_noted(tmp_path, slurm):
    asked = request(tmp_path, partition="nowhere")
    with pytest.raises(SubmissionError, match="invalid partition specified: nowhere"):
        submit(asked)
    assert Journal(asked.store).submissions() == []
    assert [p.name for p in Journal(asked.store).folder.glob("table5-*")] == []


def test_what_was_submitted_before_a_refusal_is_told(tmp_path, slurm):
    told = []
    asked = request(tmp_path, notebook={"partition": "nowhere"})
    with pytest.raises(SubmissionError, match="jobs of the notebooks: .*nowhere"):
        submit(asked, tell=told.append)
    (runs,) = told
    assert (runs.kind, len(runs.job_ids)) == ("runs", 7)
    assert [s.token for s in Journal(asked.store).submissions()] == [runs.token]


def test_nothing_is_submitted_while_the_queue_is_silent(tmp_path, slurm):
    asked = request(tmp_path)
    submit(asked)
    before = slurm.queue
    (slurm.folder / "down").touch()
    assert {s.state for s in propose(asked).statuses.values()} == {"unknown"}
    with pytest.raises(SubmissionError, match="nothing was submitted: squeue: .*connect failure"):
        submit(asked)
    assert slurm.queue == before


def test_without_slurm_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = request(tmp_path)
    with pytest.raises(SubmissionError, match="no sbatch on this machine.*--profile here"):
        submit(asked)
    assert Journal(asked.store).submissions() == []


def test_a_full_disk_at_submission_is_one_line(tmp_path, slurm, monkeypatch):
    def is_full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", is_full)
    with pytest.raises(NotWritableError, match="jobs/code/.*: No space left on device"):
        submit(request(tmp_path))
    assert slurm.queue == []


def total(asked):
    return estimate_all(propose(asked).configs, asked.store, asked.profile)


def test_gpu_hours_are_limited(tmp_path, slurm):
    asked = request(tmp_path, "table5", "paper", 1, gpus_per_node=8)
    hours = total(asked)
    assert 50 < hours.gpu_hours < 200  # six trainings of 240,000 clips, 30 times
    hours.require(hours.gpu_hours)
    with pytest.raises(TooExpensiveError, match="--max-gpu-hours 7, and this would be"):
        hours.require(7)
    small = request(tmp_path, gpus_per_node=8)  # of the embedded benchmark: nothing tells
    with pytest.raises(TooExpensiveError, match="unknown"):
        total(small).require(7)
    on_cpu = request(tmp_path)
    total(on_cpu).require(0)
