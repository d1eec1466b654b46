"""Sweeps on a real Slurm: what submitters do, what jobs are given, and what cannot begin."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest
import torch

from tests.slurm import cluster as tools
from tests.slurm.sweep import ONE, STUDY, Sweep, run_here
from vswin.files import read_json
from vswin.launch.slurm.profile import Profile
from vswin.launch.slurm.sbatch import run_parameters, script, shape_of


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
