"""Submitting to Slurm: what is submitted, what is left alone, what a cut-off submitter costs."""

import dataclasses
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import submitit

from tests.command import vswin, vswin_process
from tests.launch.fake_slurm import FakeSlurm
from vswin.cli.submit import _notebooks
from vswin.experiments.planning import plan_study
from vswin.files import NotWritableError, write_json
from vswin.launch.estimate import TooExpensiveError, estimate_all
from vswin.launch.pool import prepare
from vswin.launch.proposal import ABSENT, FAILED, Request, propose
from vswin.launch.slurm.job import BlockedError, RunJob
from vswin.launch.slurm.journal import Journal
from vswin.launch.slurm.profile import Profile
from vswin.launch.slurm.sbatch import (
    SubmissionError,
    notebook_parameters,
    run_parameters,
    script,
    shape_of,
)
from vswin.launch.slurm.snapshot import freeze_code
from vswin.launch.submit import scripts, submit
from vswin.project import project_root
from vswin.runs.reporter import Interrupted

GOLDEN = Path(__file__).with_name("golden_sbatch.sh")


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.delenv("VSWIN_DATA", raising=False)
    return fake


def request(tmp_path, table="table5", protocol="smoke", seeds=1, states=ABSENT, **profile):
    plan = plan_study(table, protocol, seeds, tmp_path / "results")
    return Request((plan,), Profile(**profile), states, notebooks=_notebooks((plan,)))


def total(asked):
    return estimate_all(propose(asked).configs, asked.store, asked.profile)


def test_the_scripts_text():
    # Two nodes of eight GPUs, and everything that a site may ask for.
    profile = Profile(
        partition="gpu,long", account="lab", qos="high", constraint="a100", exclude="node[07,12]",
        nodes=2, gpus_per_node=8, cpus_per_process=12, mem_gb_per_node=500.5, time="2-00:00:00",
        setup=["module load cuda", "source '/my env/bin/activate'"], srun_args=["--cpu-bind=none"],
        sbatch={"mail-user": "me@lab", "exclusive": True}, python="/my/python",
    )  # fmt: skip
    code, data = Path("/shared/my results/code/0123"), Path("/shared/data.yaml")
    shape = shape_of(profile, threads=4, is_on_videos=True)
    runs = run_parameters(profile, shape, "table1-abc", code, data)
    folder = Path("/shared/my results/jobs/table1-abc")
    text = script(profile, runs | {"array_parallelism": 3}, folder, count=16)
    notebook = notebook_parameters(profile, "notebook-def", code, data)
    text += script(profile, notebook | {"dependency": "afterany:7:8"}, folder, count=1)
    assert text == GOLDEN.read_text()
    arguments = shape.execute_arguments(profile)
    assert arguments == ("--threads", "4", "--device", "cuda", "--workers", "11")


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


def test_sources_come_first_and_long_arrays_are_cut(tmp_path, slurm):
    asked = request(tmp_path, "table8", max_array_size=2)
    proposal = propose(asked)
    assert [array.level for array in proposal.arrays] == sorted(a.level for a in proposal.arrays)
    assert {array.level for array in proposal.arrays} == {0, 1}
    assert all(len(array.configs) <= 2 for array in proposal.arrays)
    _, submissions = submit(asked)
    bases = [s.job_ids[0].partition("_")[0] for s in submissions]
    for before, submission in zip(bases, submissions[1:], strict=False):
        base = submission.job_ids[0].partition("_")[0]
        assert f":{before}\n" in slurm.script(base)  # one after the other keeps to --parallel
    assert "dependency" not in slurm.script(bases[0])


def test_dependents_of_a_failed_run_wait_for_a_retry(tmp_path, slurm):
    asked = request(tmp_path, "table8")
    source = next(s.run_id for c in asked.configs.values() for s in c.ancestors)
    folder = asked.store.run(source)
    folder.create(asked.configs[source])
    write_json(folder.path / "error.json", {"type": "E", "message": "bad"})
    proposal = propose(asked)
    blocked = {i for i, s in proposal.statuses.items() if s.state == "blocked"}
    assert blocked
    assert not {source, *blocked} & {config.run_id for config in proposal.configs}
    dependent = asked.store.run(blocked.pop())
    dependent.create(asked.configs[dependent.run_id])
    job = RunJob(str(dependent.path), ("--threads", "1"), requeue=True)
    with pytest.raises(BlockedError, match=f"starts from {source}, which failed"):
        job.require_sources()
    retried = propose(dataclasses.replace(asked, states=FAILED))
    assert {source, dependent.run_id} <= {config.run_id for config in retried.configs}


def test_slurms_own_words_and_nothing_noted(tmp_path, slurm):
    asked = request(tmp_path, partition="nowhere")
    with pytest.raises(SubmissionError, match="invalid partition specified: nowhere"):
        submit(asked)
    assert Journal(asked.store).submissions() == []
    assert [p.name for p in Journal(asked.store).folder.glob("table5-*")] == []


def test_nothing_is_submitted_while_the_queue_is_silent(tmp_path, slurm):
    asked = request(tmp_path)
    submit(asked)
    before = slurm.queue
    (slurm.folder / "down").touch()
    assert {s.state for s in propose(asked).statuses.values()} == {"unknown"}
    with pytest.raises(SubmissionError, match="nothing was submitted: squeue: .*connect failure"):
        submit(asked)
    assert slurm.queue == before


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


def test_the_code_is_that_of_the_submission(tmp_path):
    clone = tmp_path / "clone"
    for name in ("vswin", "experiments", "notebooks"):
        shutil.copytree(project_root() / name, clone / name)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *arguments], cwd=clone, check=True)
    freeze = "from pathlib import Path; from vswin.launch.slurm.snapshot import freeze_code; "
    freeze += "print(freeze_code(Path('results/code').absolute()))"

    def run(folder, code):
        environment = os.environ | {"PYTHONPATH": str(folder)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    first = Path(run(clone, freeze))
    assert run(clone, freeze) == str(first)
    assert json.loads((first / "snapshot.json").read_text())["dirty"] is False
    version = clone / "vswin" / "version.py"
    version.write_text(version.read_text() + 'VERSION = "edited"\n')
    (clone / "experiments" / "mine.yaml").write_text("an untracked file\n")
    second = Path(run(clone, freeze))
    look = "import vswin.version as v; print(v.VERSION, v.__file__)"
    assert run(first, look).split() != run(second, look).split()
    assert run(second, look) == f"edited {second / 'vswin' / 'version.py'}"
    assert '+VERSION = "edited"' in (second / "uncommitted.patch").read_text()
    assert (second / "experiments" / "mine.yaml").exists()
    state = "from vswin.runs.provenance import git_state; print(*git_state())"
    commit = json.loads((second / "snapshot.json").read_text())["commit"]
    assert run(second, state) == f"{commit} True"
    assert run(first, state) == f"{commit} False"


def test_a_cut_snapshot_is_made_again(tmp_path):
    first = freeze_code(tmp_path)
    (first / "snapshot.json").unlink()
    (first / "vswin" / "version.py").unlink()
    assert freeze_code(tmp_path) == first
    assert (first / "vswin" / "version.py").exists()


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


def test_at_the_command_line(tmp_path, slurm):
    profile = tmp_path / "c.toml"
    profile.write_text("gpus_per_node = 1\n")
    results = tmp_path / "results"
    common = ["table5", "--protocol", "smoke", "--seeds", "1", "--results-dir", results]
    dry = vswin("submit", *common, "--profile", profile, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert dry.stdout.count("would submit swin_t-") == 7
    assert "#SBATCH --gpus-per-node=1" in dry.stdout
    assert not results.exists()
    checked = vswin("submit", *common, "--profile", profile, "--check")
    assert checked.returncode == 0, checked.stderr
    assert "Job 1 to start at" in checked.stdout
    assert slurm.queue == []
    unasked = vswin("submit", *common, "--profile", profile)
    assert (unasked.returncode, slurm.queue) == (2, [])
    assert "give --yes" in unasked.stderr
    done = vswin("submit", *common, "--profile", profile, "--yes", "--json", "--parallel", "2")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["submissions"][0]["job_ids"]) == 7
    assert "%2" in slurm.script("7")
    profile.write_text('partition = "nowhere"\n')
    common[-1] = tmp_path / "others"
    refused = vswin("submit", *common, "--profile", profile, "--check")
    assert refused.returncode == 1
    assert "invalid partition specified: nowhere" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_without_slurm_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    asked = request(tmp_path)
    with pytest.raises(SubmissionError, match="no sbatch on this machine.*--profile here"):
        submit(asked)
    assert Journal(asked.store).submissions() == []


def test_what_the_submitter_is_in_does_not_reach_its_jobs(tmp_path, slurm, monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SLURM_CONF"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setattr(submitit.SlurmExecutor, "_make_submission_command", see_environment)
    with pytest.raises(SubmissionError):
        submit(request(tmp_path))
    seen = (tmp_path / "results" / "seen").read_text()
    assert "SLURM_CONF=mine" in seen
    assert "SLURM_JOB_ID" not in seen
    assert "SLURM_CPUS_PER_TASK" not in seen
    assert os.environ["SLURM_JOB_ID"] == "mine"


@pytest.mark.parametrize(("requeue", "scontrol"), [(False, True), (True, False), (True, True)])
def test_a_signal_where_the_job_cannot_be_put_back(tmp_path, slurm, monkeypatch, requeue, scontrol):
    job = RunJob(str(tmp_path), (), requeue)
    if not scontrol:
        monkeypatch.setenv("PATH", "/nowhere")
    if requeue and scontrol:
        assert job.checkpoint().function == job
        return
    with pytest.raises(Interrupted, match="submit again to go on"):
        job.checkpoint()


def test_the_same_commands_here(tmp_path, smoke_results):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    asked = request(tmp_path)
    failed, lost = sorted(asked.configs)[:2]
    shutil.rmtree(asked.store.run(lost).path)
    folder = asked.store.run(failed)
    (folder.path / "result.json").unlink()
    write_json(folder.path / "error.json", {"type": "E", "message": "bad"})
    common = ["table5", "--protocol", "smoke", "--seeds", "1", "--results-dir", results]
    here = [*common, "--profile", "here"]
    dry = vswin("submit", *here, "--dry-run")
    assert f"would run {lost}" in dry.stdout
    assert failed not in dry.stdout
    done = vswin("submit", *here, "--jobs", "1", "--no-notebook")
    assert done.returncode == 0, done.stderr
    assert asked.store.run(lost).state() == "done"
    assert folder.state() == "failed"
    assert vswin("status", *common).returncode == 1
    again = vswin("retry", *here)
    assert again.returncode == 0, again.stderr
    assert folder.state() == "done"
    assert (results / "reports" / "table5.smoke.ipynb").exists()
    assert vswin("status", *common).returncode == 0
    assert not (results / "smoke" / "jobs").exists()


def test_a_run_waits_for_the_job_that_trains_what_it_starts_from(tmp_path, slurm):
    asked = request(tmp_path, "table8")
    _, first = submit(dataclasses.replace(asked, notebooks={}))
    journal = Journal(asked.store)
    trains = next(s for s in first if {*s.items} & {source.run_id for source in sources(asked)})
    for submission in first:
        if submission is not trains:
            slurm.forget(*submission.job_ids)
            journal.drop(submission)
    proposal = propose(asked)
    texts = scripts(asked, proposal)
    _, again = submit(asked)
    base = trains.job_ids[0].partition("_")[0]
    runs = [s for s in again if s.kind == "runs"]
    waiting = [s for s in runs if asked.configs[s.items[0]].ancestors]
    assert waiting
    for submission in waiting:
        assert f"dependency=afterany:{base}" in slurm.script(
            submission.job_ids[0].partition("_")[0]
        )
    for text, submission in zip(texts, again, strict=True):
        real = slurm.script(submission.job_ids[0].partition("_")[0])
        assert ("--dependency=" in text) == ("--dependency=" in real)


def sources(asked):
    return [source for config in asked.configs.values() for source in config.ancestors]


def test_a_retry_of_one_run_takes_what_it_starts_from_along(tmp_path, slurm):
    asked = request(tmp_path, "table8")
    dependent = next(c for c in asked.configs.values() if c.ancestors)
    (source,) = dependent.ancestors
    folder = asked.store.run(source.run_id)
    folder.create(source)
    write_json(folder.path / "error.json", {"type": "E", "message": "bad"})
    only = frozenset({dependent.run_id})
    proposal = propose(dataclasses.replace(asked, states=FAILED, only=only))
    assert [c.run_id for c in proposal.configs] == [source.run_id, dependent.run_id]


def test_sources_of_complete_runs_are_not_trained_again(tmp_path, appearance_results):
    shutil.copytree(appearance_results, tmp_path / "results")
    asked = request(tmp_path, "table8")
    for source in sources(asked):
        shutil.rmtree(asked.store.run(source.run_id).path, ignore_errors=True)
    assert propose(asked).configs == []


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


def test_shapes_and_arguments():
    profile = Profile(nodes=2, gpus_per_node=4, micro_batch=3, checkpoint_minutes=2.5)
    digits = shape_of(profile, threads=1, is_on_videos=False)
    assert (digits.nodes, digits.gpus, digits.processes_per_node) == (1, 1, 1)
    videos = shape_of(profile, threads=1, is_on_videos=True)
    assert (videos.gpus, videos.processes_per_node, videos.cpus_per_process) == (8, 4, 8)
    words = " ".join(videos.execute_arguments(profile))
    assert "--workers 7" in words
    assert "--micro-batch 3 --workers 7 --checkpoint-minutes 2.5" in words
    on_cpu = shape_of(Profile(nodes=2, processes_per_node=3), threads=2, is_on_videos=True)
    assert (on_cpu.gpus, on_cpu.processes_per_node, on_cpu.cpus_per_process) == (0, 3, 2)
    assert "--workers" not in on_cpu.execute_arguments(Profile())


def test_what_would_outweigh_the_script_is_hidden(tmp_path, slurm, monkeypatch):
    for name in ("SBATCH_TIMELIMIT", "SBATCH_ACCOUNT", "SBATCH_PARTITION"):
        monkeypatch.setenv(name, "mine")
    monkeypatch.setattr(submitit.SlurmExecutor, "_make_submission_command", see_environment)
    with pytest.raises(SubmissionError):
        submit(request(tmp_path, partition="gpu"))
    seen = (tmp_path / "results" / "seen").read_text()
    assert "SBATCH_ACCOUNT=mine" in seen  # the profile leaves it open
    assert "SBATCH_TIMELIMIT" not in seen
    assert "SBATCH_PARTITION" not in seen


def see_environment(executor, path):
    return ["sh", "-c", f"env > {Path(executor.folder).parents[2]}/seen; exit 1"]


JOB = """
import os, signal, sys, threading, time
from pathlib import Path
from submitit.core import submission, utils
from vswin.launch.slurm.job import RunJob

folder, run = sys.argv[1:]
delayed = utils.DelayedSubmission(RunJob(run, ("--threads", "1"), True))
delayed.set_timeout(30, int(os.environ["TIMEOUTS"]))
delayed.dump(Path(folder) / "7_submitted.pkl")

def signal_in_training():
    status = Path(run) / "status.json"
    while not (status.exists() and '"training"' in status.read_text()):
        time.sleep(0.02)
    if os.fork() == 0:  # as a process that decodes, which the signals reach, too
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGTERM)
        Path(folder, "child").write_text("alive")
        os._exit(0)
    while not Path(folder, "child").exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR2)

if "SIGNAL" in os.environ:
    threading.Thread(target=signal_in_training, daemon=True).start()
import vswin.launch.slurm.signals as signals
signals.PAUSES_S = (0.1,)
submission.process_job(folder)
"""


def as_a_job(tmp_path, run, **variables):
    """A run executed by submitit, in a process of its own."""
    folder = tmp_path / "submitit"
    folder.mkdir(exist_ok=True)
    inside = {"SUBMITIT_EXECUTOR": "slurm", "SLURM_JOB_ID": "7", "TIMEOUTS": "9", **variables}
    command = [sys.executable, "-c", JOB, str(folder), str(run.path)]
    return subprocess.run(
        command, env=os.environ | inside, capture_output=True, text=True, check=False, timeout=200
    )


@pytest.fixture
def run(tmp_path):
    asked = request(tmp_path)
    config = next(iter(asked.configs.values()))
    (folder,) = prepare([config], asked.store)
    return folder


def test_a_signal_puts_the_job_back_once(tmp_path, slurm, run):
    (slurm.folder / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "submitit").mkdir()
    for name in ("7_submitted", "7_0_result"):  # a former attempt was killed while it wrote these
        (tmp_path / "submitit" / f"{name}.pkl.save_tmp").touch()
    done = as_a_job(tmp_path, run, SIGNAL="1")
    assert done.returncode == 255, done.stderr  # submitit's way to end
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    assert not (run.path / "error.json").exists()
    assert run.state() == "interrupted"
    again = as_a_job(tmp_path, run)
    assert again.returncode == 0, again.stderr
    assert run.state() == "done"


def test_a_requeue_that_slurm_refuses_is_no_failure(tmp_path, slurm, run):
    refusal = f"#!/bin/sh\necho x >> {tmp_path}/asked\necho 'Unable to contact' >&2\nexit 1\n"
    (slurm.folder / "scontrol").write_text(refusal)
    done = as_a_job(tmp_path, run, SIGNAL="1")
    assert done.returncode == 1
    assert (tmp_path / "asked").read_text() == "x\nx\n"
    assert "submit again to go on" in done.stderr
    assert (run.state(), run.status()["state"]) == ("interrupted", "interrupted")
    assert run.status()["job"] == "7"


def test_a_run_that_fails_fails_its_job(tmp_path, slurm, run):
    (run.path / "checkpoints").write_text("no folder\n")
    done = as_a_job(tmp_path, run)
    assert done.returncode == 1
    assert run.state() == "failed"


def test_a_job_whose_source_failed_says_so_and_is_no_failure(tmp_path, slurm):
    asked = request(tmp_path, "table8")
    dependent = next(c for c in asked.configs.values() if c.ancestors)
    source, run = prepare([*dependent.ancestors, dependent], asked.store)
    write_json(source.path / "error.json", {"type": "E", "message": "bad"})
    done = as_a_job(tmp_path, run)
    assert done.returncode == 1
    assert f"starts from {source.run_id}, which failed" in done.stderr
    assert (run.status()["state"], run.status()["job"]) == ("interrupted", "7")


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


def test_a_full_disk_at_submission_is_one_line(tmp_path, slurm, monkeypatch):
    def is_full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", is_full)
    with pytest.raises(NotWritableError, match="jobs/code/.*: No space left on device"):
        submit(request(tmp_path))
    assert slurm.queue == []


def test_what_was_submitted_before_a_refusal_is_told(tmp_path, slurm):
    told = []
    asked = request(tmp_path, notebook={"partition": "nowhere"})
    with pytest.raises(SubmissionError, match="jobs of the notebooks: .*nowhere"):
        submit(asked, tell=told.append)
    (runs,) = told
    assert (runs.kind, len(runs.job_ids)) == ("runs", 7)
    assert [s.token for s in Journal(asked.store).submissions()] == [runs.token]


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


def test_options_that_mean_nothing_are_refused(tmp_path):
    common = ["table5", "--protocol", "smoke", "--results-dir", tmp_path]
    here = vswin("submit", *common, "--profile", "here", "--max-gpu-hours", "0")
    assert (here.returncode, "--max-gpu-hours has no meaning" in here.stderr) == (2, True)
    (tmp_path / "c.toml").write_text("")
    there = vswin("submit", *common, "--profile", tmp_path / "c.toml", "--jobs", "2")
    assert (there.returncode, "--jobs has no meaning" in there.stderr) == (2, True)


def test_a_dry_run_says_what_is_missing_as_the_submission_does(tmp_path, slurm):
    profile, data = tmp_path / "c.toml", tmp_path / "data.yaml"
    profile.write_text("gpus_per_node = 8\n")
    data.write_text("datasets: {}\n")
    common = ["table5", "--protocol", "paper", "--row", "win4", "--data-file", data,
              "--results-dir", tmp_path / "r"]  # fmt: skip
    there = ["submit", *common, "--profile", profile]
    real = vswin(*there, "--yes")
    assert (real.returncode, slurm.queue) == (1, [])
    for words in ("kinetics400, train split: not in data.yaml", "kinetics400, test split: ",
                  "weights swin_tiny_patch4_window7_224.pth"):  # fmt: skip
        assert words in real.stderr
    for option in ("--dry-run", "--check"):
        dry = vswin(*there, option)
        assert (dry.returncode, dry.stderr) == (1, real.stderr)
        assert ("would submit " in dry.stdout) == (option == "--dry-run")
        assert ("#SBATCH --gpus-per-node=8" in dry.stdout) == (option == "--dry-run")
    found = vswin(*there, "--dry-run", "--json")
    assert (found.returncode, found.stderr) == (1, real.stderr)
    assert len(json.loads(found.stdout)["lacking"]) == 3
    here = vswin("submit", *common, "--profile", "here", "--dry-run")
    assert (here.returncode, here.stderr) == (1, real.stderr)
    assert "would run " in here.stdout
    assert not (tmp_path / "r" / "paper" / "runs").exists()


def test_a_dry_run_says_what_is_too_expensive_as_the_submission_does(tmp_path, slurm):
    (tmp_path / "c.toml").write_text("gpus_per_node = 1\n")
    there = ["submit", "table5", "--protocol", "smoke", "--profile", tmp_path / "c.toml",
             "--results-dir", tmp_path / "r", "--max-gpu-hours", "1"]  # fmt: skip
    dry, real = vswin(*there, "--dry-run"), vswin(*there, "--yes")
    assert (dry.returncode, dry.stderr) == (real.returncode, real.stderr)
    assert (dry.returncode, "--max-gpu-hours 1" in dry.stderr) == (1, True)
    assert "would submit " in dry.stdout
