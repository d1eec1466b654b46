"""A submitter that is cut off, or is not alone, loses no run and doubles none."""

import dataclasses
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import vswin, vswin_process
from tests.launch.requests import request
from vswin.launch.estimate import TooExpensiveError
from vswin.launch.slurm.journal import Journal
from vswin.launch.submit import submit


def test_a_submitter_that_dies_between_sbatch_and_its_notes(tmp_path, slurm):
    profile = tmp_path / "c.toml"
    profile.write_text("")
    command = ["submit", "table5", "--protocol", "smoke", "--seeds", "1", "--profile", profile,
               "--results-dir", tmp_path / "results"]  # fmt: skip
    (slurm.folder / "die").touch()
    assert vswin_process(*command).returncode == -signal.SIGKILL
    (slurm.folder / "die").unlink()
    assert len(slurm.queue) == 7  # accepted; but their pickles were not yet in place
    done = vswin(*command)
    assert done.returncode == 0, done.stderr
    runs = [job for job in slurm.queue if job["name"].startswith("table5")]
    assert len(runs) == 7
    assert not {job["id"] for job in runs} & {f"7_{k}" for k in range(7)}
    assert all(s.state == "submitted" for s in Journal(request(tmp_path).store).submissions())


def test_a_submission_whose_notes_were_lost_is_adopted(tmp_path, slurm):
    asked = request(tmp_path)
    _, (runs, _) = submit(asked)
    journal = Journal(asked.store)
    journal.intend(dataclasses.replace(runs, state="intended", job_ids=()))
    before = slurm.queue
    assert submit(asked)[1] == []
    assert slurm.queue == before
    (adopted,) = (s for s in journal.submissions() if s.kind == "runs")
    assert (adopted.state, adopted.items, adopted.job_ids) == (
        "submitted",
        runs.items,
        runs.job_ids,
    )


def test_half_a_submission_is_adopted_by_its_pickles(tmp_path, slurm):
    asked = request(tmp_path)
    _, (runs, _) = submit(asked)
    journal, lost = Journal(asked.store), runs.job_ids[1:3]
    for job_id in lost:
        (Path(runs.folder) / f"{job_id}_submitted.pkl").unlink()
    slurm.forget(runs.job_ids[5])  # ended, and forgotten; its log must not be lost
    log = Path(runs.folder) / f"{runs.job_ids[5]}_0_log.out"
    log.write_text("what it said\n")
    journal.intend(dataclasses.replace(runs, state="intended", job_ids=()))
    _, (again, _) = submit(asked)
    assert set(again.items) == {runs.items[1], runs.items[2], runs.items[5]}
    adopted = next(s for s in journal.submissions() if s.token == runs.token)
    kept = [0, 3, 4, 5, 6]
    assert adopted.items == tuple(runs.items[k] for k in kept)
    assert adopted.job_ids == tuple(runs.job_ids[k] for k in kept)
    assert not {*lost} & {job["id"] for job in slurm.queue}
    assert log.exists()


def test_approval_is_asked_for_what_is_submitted(tmp_path, slurm):
    asked = request(tmp_path)
    _, (runs, _) = submit(asked)
    journal = Journal(asked.store)
    journal.intend(dataclasses.replace(runs, state="intended", job_ids=()))
    slurm.forget(*runs.job_ids)
    shutil.rmtree(runs.folder)  # nothing of it was in place

    def refuse(proposal):
        assert len(proposal.configs) == 7
        raise TooExpensiveError("no")

    with pytest.raises(TooExpensiveError):
        submit(asked, refuse)
    assert not [job for job in slurm.queue if job["name"].startswith("table5")]


def test_two_submitters_at_once_double_nothing(tmp_path, slurm):
    profile = tmp_path / "c.toml"
    profile.write_text("")
    command = [sys.executable, "-m", "vswin", "submit", "table5", "--protocol", "smoke", "--seeds",
               "1", "--profile", str(profile), "--results-dir", str(tmp_path / "r")]  # fmt: skip
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum("nothing to submit" in output for output in outputs) == 1
    assert len([job for job in slurm.queue if job["name"].startswith("table5")]) == 7
