"""Whatever happens to jobs on a real Slurm, the store ends up as if nothing had.

Each scenario ends with the same comparison: bit for bit what a run gives that nobody disturbed.
"""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from tests.slurm import cluster as tools
from vswin.files import read_json
from vswin.launch.slurm.profile import Profile
from vswin.launch.slurm.sbatch import run_parameters, script, shape_of

ROW = "dim4"
STUDY = ("table5", "--protocol", "smoke", "--seeds", "1")
ONE = (*STUDY, "--row", ROW)
EPOCHS = 200


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A clone in which a smoke run trains for many epochs, so that something can happen to it."""
    return tools.copy_of_project(tmp_path_factory.mktemp("clone") / "vswin", epochs=EPOCHS)


@pytest.fixture(scope="session")
def reference(project, made_once):
    """One run of that clone that nothing happened to; the results folder."""
    return made_once("undisturbed", lambda results: run_here(project, results, *ONE))


def run_here(project, results, *study, variables=()):
    command = [sys.executable, "-m", "vswin", "run", *study, "--results-dir", str(results)]
    environment = {**os.environ, "PYTHONPATH": str(project), **dict(variables)}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Sweep:
    """One run of table 5 on the cluster."""

    def __init__(self, slurm, project, folder, **keys):
        self.slurm, self.project, self.results = slurm, project, folder / "results"
        self.profile = tools.profile(folder / "cluster.toml", **keys)

    def vswin(self, command, *options, study=ONE, **how):
        where = ("--results-dir", self.results)
        return self.slurm.vswin(command, *study, *where, *options, project=self.project, **how)

    def submit(self, *options, command="submit", **how):
        """Submits; the id of the run's job, None if nothing was submitted."""
        where = ("--profile", self.profile, "--no-notebook", "--json")
        done = self.vswin(command, *where, *options, **how)
        submissions = json.loads(done.stdout)["submissions"]
        return submissions[0]["job_ids"][0] if submissions else None

    def submit_raw(self, study, **how):
        """Submits and returns what was printed."""
        where = ("--profile", self.profile, "--no-notebook")
        return self.vswin("submit", *where, study=study, **how)

    @property
    def run(self):
        (folder,) = (self.results / "smoke" / "runs").glob("*")
        return folder

    @property
    def status(self):
        return read_json(self.run / "status.json") or {}

    def told(self, code):
        """Where the run stands, as `vswin status` says with that exit code."""
        study = [word for word in ONE if word not in ("--row", ROW)]
        answer = json.loads(self.vswin("status", "--json", study=study, code=code).stdout)
        rows = [row for table in answer["tables"] for row in table["rows"]]
        return {run["run_id"]: run for row in rows for run in row["runs"]}[self.run.name]

    def wait_for_epoch(self, epoch, attempt=1):
        def reached():
            return self.status.get("epoch", 0) >= epoch and self.status["attempt"] == attempt

        self.slurm.wait_for(reached, 60, f"epoch {epoch} of attempt {attempt}")

    def process(self):
        """The process that executes the run."""
        return json.loads((self.run / "lock").read_text())["pid"]

    def wait_until_done(self, job, states=("COMPLETED",)):
        (state,) = self.slurm.wait_for_end(job, seconds=150)
        assert state in states, self.log(job)

    def log(self, job):
        return "\n".join(path.read_text() for path in self.results.glob(f"*/jobs/*/{job}_*.out"))

    def goes_on_when_requeued(self, job):
        """Waits for the requeue, cuts Slurm's wait short, and waits for the end."""
        self.slurm.wait_for(lambda: self.slurm.restarts(job), 45, f"{job} is requeued")
        if self.slurm.state(job) == "PENDING":  # a slow machine may have gone on by itself
            self.slurm.start_now(job)
        self.wait_until_done(job)

    def wait_until_down(self, node):
        is_down = lambda: self.slurm.nodes()[node].startswith("down")  # noqa: E731
        self.slurm.wait_for(is_down, 60, f"{node} is down")

    def require_same(self, reference, attempts):
        """The run went on from a checkpoint, and ended as one that nothing happened to."""
        tools.assert_same_study(self.results, reference)
        assert self.status["attempt"] == attempts
        assert self.told(code=0)["state"] == "done"
        assert self.submit() is None
        lines = (self.run / "metrics.jsonl").read_text().splitlines()
        assert len(lines) < EPOCHS + 3 * attempts  # it was not begun anew


@pytest.fixture
def sweep(slurm, project, tmp_path):
    return Sweep(slurm, project, tmp_path, requeue=True)


def test_a_table_as_an_array_over_both_nodes(slurm, tmp_path, undisturbed):
    profile = tools.profile(tmp_path / "cluster.toml")
    results = tmp_path / "results"
    common = (*STUDY, "--results-dir", results)
    checked = slurm.vswin("submit", *common, "--profile", profile, "--check")
    assert "to start at" in checked.stdout
    answer = slurm.vswin("submit", *common, "--profile", profile, "--json")
    runs, notebook = json.loads(answer.stdout)["submissions"]
    assert len(runs["job_ids"]) == len(set(runs["job_ids"])) == 7
    slurm.wait_for(
        lambda: {slurm.node(job) for job in runs["job_ids"]} >= {"n1", "n2"}, 60, "both nodes"
    )
    assert slurm.reason(notebook["job_ids"][0]) == "Dependency"
    assert set(slurm.wait_for_end(*runs["job_ids"], seconds=180)) == {"COMPLETED"}
    tools.assert_same_study(results, undisturbed)
    assert slurm.vswin("status", *common).returncode == 0
    assert slurm.wait_for_end(*notebook["job_ids"], seconds=120) == ["COMPLETED"]
    for kind in ("ipynb", "html", "md", "png"):
        assert (results / "reports" / f"table5.smoke.{kind}").exists()
    again = slurm.vswin("submit", *common, "--profile", profile)
    assert "nothing to submit" in again.stdout


def test_two_nodes_train_one_run_together(slurm, tmp_path):
    clone = tools.copy_of_project(tmp_path / "vswin")
    rehearsal = clone / "experiments" / "protocols" / "rehearsal.yaml"
    rehearsal.write_text(re.sub(r"epochs: \d+", "epochs: 2", rehearsal.read_text()))
    digits = tmp_path / "digits"
    slurm.vswin("data", "make-digits", digits, "--layout", "kinetics", "--train", 32, "--test", 8)
    study = ("table1", "--row", "swin_t", "--protocol", "rehearsal", "--seeds", "1")
    data = {"VSWIN_DATA": str(digits / "data.yaml")}
    run_here(clone, tmp_path / "here", *study, "--processes", "2", variables=data)
    profile = tools.profile(tmp_path / "cluster.toml", nodes=2)
    where = ("--profile", profile, "--results-dir", tmp_path / "results", "--no-notebook", "--json")
    answer = slurm.vswin("submit", *study, *where, project=clone, variables=data)
    jobs = [job for s in json.loads(answer.stdout)["submissions"] for job in s["job_ids"]]
    assert len(jobs) == 2  # the run on images that it starts from, and after that the run itself
    assert slurm.reason(jobs[1]) == "Dependency"
    assert slurm.wait_for_end(*jobs, seconds=240) == ["COMPLETED", "COMPLETED"]
    assert slurm.node(jobs[1]) == "n[1-2]"
    tools.assert_same_study(tmp_path / "results", tmp_path / "here", "rehearsal")
    for path in (tmp_path / "results" / "rehearsal" / "runs").iterdir():
        assert read_json(path / "result.json")["execution"]["processes"] == 2


def test_preemption(sweep, reference):
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    urgent = sweep.slurm.sbatch("--partition=urgent", "--nodes=2", "--exclusive", wrap="sleep 600")
    sweep.slurm.wait_for_state(job, "PENDING", seconds=30)
    assert sweep.told(code=0)["state"] == "queued"
    assert sweep.submit() is None
    sweep.slurm.run("scancel", urgent)
    sweep.slurm.wait_for_end(urgent)
    sweep.goes_on_when_requeued(job)
    sweep.require_same(reference, attempts=2)


def test_preemption_with_a_time_of_grace(slurm, tmp_path):
    # SIGTERM comes first, to all processes; a job that ended then would not be put back.
    clone = tools.copy_of_project(tmp_path / "vswin", epochs=2000)
    sweep = Sweep(slurm, clone, tmp_path, partition="graceful")
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    slurm.sbatch("--partition=urgent", "--nodes=2", "--exclusive", wrap="sleep 2")
    slurm.wait_for_state(job, "PENDING", seconds=60)
    assert "Bypassing signal SIGTERM" in sweep.log(job)
    slurm.start_now(job)
    sweep.wait_for_epoch(sweep.status["epoch"] + 1, attempt=2)
    slurm.run("scancel", job)


def test_preemption_with_a_signal(sweep, reference):
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    sweep.slurm.signal(job)
    sweep.goes_on_when_requeued(job)
    sweep.require_same(reference, attempts=2)


def test_a_signal_where_jobs_are_not_requeued(slurm, project, tmp_path, reference):
    sweep = Sweep(slurm, project, tmp_path, requeue=False)
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    slurm.signal(job)
    sweep.wait_until_done(job, ("FAILED",))
    assert sweep.told(code=0)["state"] == "interrupted"  # whatever Slurm calls it
    sweep.wait_until_done(sweep.submit())
    sweep.require_same(reference, attempts=2)


def test_the_time_limit(slurm, project, tmp_path, reference):
    sweep = Sweep(slurm, project, tmp_path, signal_delay_s=60)
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    os.kill(sweep.process(), signal.SIGSTOP)  # or it would be done before Slurm looks at its limit
    slurm.limit_minutes(job, 1)  # with its signal (Slurm wakes it for that) a minute before
    slurm.wait_for_state(job, "PENDING", seconds=60)
    slurm.limit_minutes(job, 30)
    sweep.goes_on_when_requeued(job)
    assert "Caught signal SIGUSR2" in sweep.log(job)
    sweep.require_same(reference, attempts=2)


def test_a_process_that_is_killed(sweep, reference):
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    os.kill(sweep.process(), signal.SIGKILL)
    sweep.wait_until_done(job, ("FAILED",))
    seen = sweep.told(code=1)
    assert (seen["state"], seen["job_id"]) == ("failed", job)
    assert sweep.submit() is None  # not without being told to
    again = sweep.submit(command="retry")
    sweep.wait_until_done(again)
    sweep.require_same(reference, attempts=2)


def test_a_node_that_fails(sweep, reference):
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    node = sweep.slurm.node(job)
    sweep.slurm.kill_node(node)
    sweep.wait_until_down(node)
    sweep.goes_on_when_requeued(job)
    assert sweep.slurm.node(job) != node
    sweep.require_same(reference, attempts=2)


def test_a_slurmd_that_dies_alone(sweep, reference):
    # The run goes on, and nobody hears of it: Slurm starts it a second time, on the other node.
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    process, node = sweep.process(), sweep.slurm.node(job)
    os.kill(process, signal.SIGSTOP)  # or it would be done before Slurm notices
    sweep.slurm.kill_slurmd(node)
    sweep.wait_until_down(node)
    sweep.slurm.wait_for_state(job, "PENDING", seconds=45)
    sweep.slurm.start_now(job)
    sweep.wait_until_done(job, ("FAILED",))
    assert f"is being written by process {process}" in sweep.log(job)
    assert sweep.told(code=0)["state"] == "running"
    assert sweep.submit() is None
    os.kill(process, signal.SIGCONT)
    sweep.slurm.wait_for((sweep.run / "result.json").exists, 180, "the run is complete")
    sweep.require_same(reference, attempts=1)


def test_scancel_and_then_submit_without_sacct(sweep, reference):
    assert (
        sweep.slurm.run("sacct", code=None).returncode != 0
    )  # the store is enough in all of these
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    sweep.slurm.run("scancel", job)
    sweep.wait_until_done(job, ("CANCELLED",))
    assert sweep.told(code=0)["state"] == "cancelled"
    again = sweep.submit()
    sweep.wait_until_done(again)
    sweep.require_same(reference, attempts=2)


def test_vswin_cancel(sweep, reference):
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    sweep.vswin("cancel", "--yes", study=("table5", "--protocol", "smoke"))
    sweep.wait_until_done(job, ("CANCELLED",))
    sweep.wait_until_done(sweep.submit())
    sweep.require_same(reference, attempts=2)


def test_the_controller_restarts(sweep, reference, tmp_path):
    (tmp_path / "other").mkdir()
    job = sweep.submit()
    sweep.wait_for_epoch(3)
    process = sweep.process()
    os.kill(process, signal.SIGSTOP)  # or it would be done before Slurm is back
    sweep.slurm.stop_controller()
    assert sweep.told(code=0)["state"] == "running"  # the store says so
    other = Sweep(sweep.slurm, sweep.project, tmp_path / "other")
    refused = other.submit_raw(ONE, code=1)
    assert "Unable to contact slurm controller" in refused.stderr
    sweep.slurm.start_controller()
    os.kill(process, signal.SIGCONT)
    sweep.wait_until_done(job)
    sweep.require_same(reference, attempts=1)
    again = other.submit()  # what was refused is no hindrance
    sweep.slurm.run("scancel", again)


def test_submit_twice_at_once(sweep, reference):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(sweep.submit())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (job,) = {answer for answer in answers if answer}
    assert answers.count(None) == 1
    sweep.wait_until_done(job)
    sweep.require_same(reference, attempts=1)


def test_a_submitter_killed_between_sbatch_and_its_notes(sweep, reference, tmp_path):
    deadly = tmp_path / "bin" / "sbatch"  # the real one, after which its caller is dead
    deadly.parent.mkdir()
    deadly.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@"\nkill -KILL $PPID\n')
    deadly.chmod(deadly.stat().st_mode | stat.S_IXUSR)
    variables = {"PATH": f"{deadly.parent}:{os.environ['PATH']}"}
    before = sweep.slurm.states().keys()
    killed = sweep.submit_raw(ONE, code=None, variables=variables)
    assert killed.returncode == -signal.SIGKILL
    (orphan,) = sweep.slurm.states().keys() - before
    job = sweep.submit()
    assert job not in (None, orphan)
    assert sweep.slurm.wait_for_end(orphan) == ["CANCELLED"]
    sweep.wait_until_done(job)
    sweep.require_same(reference, attempts=1)


def test_code_that_is_edited_after_submit(slurm, project, tmp_path, reference):
    clone = tmp_path / "vswin"
    shutil.copytree(project, clone)
    sweep = Sweep(slurm, clone, tmp_path, sbatch={"hold": True})
    job = sweep.submit()
    execute = clone / "vswin" / "runs" / "execute.py"
    whole = execute.read_text()
    execute.write_text("raise SystemExit('edited meanwhile')\n")
    slurm.run("scontrol", "release", job)
    sweep.wait_until_done(job)
    execute.write_text(whole)
    tools.assert_same_study(sweep.results, reference)
    origin = read_json(sweep.run / "provenance.json")
    head = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(head, cwd=clone, capture_output=True, text=True, check=True).stdout
    assert (origin["commit"], origin["dirty"]) == (commit.strip(), False)


@pytest.mark.parametrize("option", ["gpus-per-node", "gres", "gpus-per-task"])
@pytest.mark.parametrize("memory", [{"mem_gb_per_cpu": 0.5}, {"mem_gb_per_gpu": 1}])
def test_each_of_a_runs_processes_has_a_gpu_of_its_kind(slurm, tmp_path, option, memory):
    """Two nodes of two GPUs, asked for in each way that a site may want."""
    show = tmp_path / "show"
    show.write_text("#!/bin/sh\necho $SLURM_LOCALID of $SLURM_NTASKS: $CUDA_VISIBLE_DEVICES\n")
    show.chmod(0o755)
    profile = Profile(nodes=2, gpus_per_node="toy:2", gpu_option=option, cpus_per_process=1,
                      python=str(show), sbatch={"export": "NONE"}, **memory)  # fmt: skip
    parameters = run_parameters(profile, shape_of(profile, 1, True), "t", tmp_path, None)
    (tmp_path / "job.sh").write_text(script(profile, parameters, tmp_path, 1))
    job = slurm.run("sbatch", "--parsable", tmp_path / "job.sh").stdout.strip()
    assert slurm.wait_for_end(job) == ["COMPLETED"]
    own = option == "gpus-per-task"  # else each process chooses by its place on the node
    said = [path.read_text().strip() for path in sorted(tmp_path.glob("*.out"))]
    assert said == [f"{k} of 4: {k if own else '0,1'}" for k in (0, 1, 0, 1)]


def test_a_partition_that_does_not_exist(slurm, project, tmp_path):
    sweep = Sweep(slurm, project, tmp_path, partition="nowhere")
    before = slurm.states()
    refused = sweep.submit_raw(ONE, code=1)
    assert "invalid partition specified: nowhere" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert slurm.states() == before
    sweep.profile = tools.profile(tmp_path / "other.toml")
    assert sweep.submit("--dry-run") is None  # nothing was noted that would be in the way


def test_a_job_that_dies_before_it_begins(slurm, project, tmp_path):
    sweep = Sweep(slurm, project, tmp_path, setup=["echo hello", "cd /no/such/environment"])
    job = sweep.submit()
    sweep.wait_until_done(job, ("FAILED",))
    seen = sweep.told(code=1)
    assert (seen["state"], seen["job_id"]) == ("failed", job)
    assert "setup failed at: cd /no/such/environment" in Path(seen["log"]).read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here the GPUs are some")
@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        ({"gpus_per_node": 2}, "gres:gpu:1"),
        ({"gpus_per_node": "toy:2", "gpu_option": "gres"}, "gres:gpu:toy:1"),
    ],
)
def test_gpus_that_are_none(slurm, project, tmp_path, keys, seen):
    sweep = Sweep(slurm, project, tmp_path, cpus_per_process=2, **keys)
    job = sweep.submit("--yes")
    assert slurm.run("squeue", "--noheader", "--jobs", job, "--format=%b").stdout.strip() == seen
    sweep.wait_until_done(job, ("FAILED",))
    assert "--device cuda: not available here; known: cpu" in sweep.log(job)
    assert sweep.told(code=1)["state"] == "failed"
