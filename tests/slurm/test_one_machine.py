"""slurm/one-machine: a cluster that behaves like one, and that leaves nothing behind."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import (
    ONE_MACHINE,
    assert_same_outcome,
    one_machine,
    processes_of,
    require_slurm,
)
from tests.slurm.conftest import running_cluster


def test_two_idle_nodes_with_four_gpus_each(slurm):
    assert slurm.nodes() == {"n1": "idle", "n2": "idle"}
    said = slurm.run("sinfo", "--noheader", "--Node", "--partition=batch", "--format=%N %c %m %G")
    assert said.stdout.splitlines() == ["n1 4 8000 gpu:toy:4", "n2 4 8000 gpu:toy:4"]


def test_an_array_spreads_over_both_nodes_and_gets_its_gpus(slurm, tmp_path):
    job = slurm.run(
        "sbatch", "--parsable", "--array=0-3", "--gpus-per-node=2", f"--output={tmp_path}/%a",
        "--wrap=echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES; sleep 1",
    ).stdout.strip()  # fmt: skip
    assert slurm.wait_for_end(*(f"{job}_{k}" for k in range(4))) == ["COMPLETED"] * 4
    said = sorted((tmp_path / str(k)).read_text().strip() for k in range(4))
    assert said == ["n1 0,1", "n1 2,3", "n2 0,1", "n2 2,3"]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--gres=gpu:5", "Requested node configuration is not available"),
        ("--partition=nowhere", "invalid partition specified: nowhere"),
        ("--partition=short --time=11", "Requested time limit is invalid"),
    ],
)
def test_what_cannot_run_is_refused(slurm, option, words):
    done = slurm.run("sbatch", *option.split(), "--wrap=true", code=1)
    assert words in done.stderr


def test_the_urgent_partition_preempts_and_the_job_is_requeued(slurm):
    job = slurm.sbatch("--requeue", "--nodelist=n1", wrap="sleep 120")
    slurm.wait_for_state(job, "RUNNING")
    urgent = slurm.sbatch("--partition=urgent", "--nodelist=n1", "--exclusive", wrap="sleep 1")
    slurm.wait_for_state(job, "PENDING")
    assert slurm.wait_for_end(urgent) == ["COMPLETED"]
    slurm.start_now(job)
    slurm.wait_for_state(job, "RUNNING", seconds=30)


def test_a_killed_node_loses_its_jobs_and_can_come_back(slurm, tmp_path):
    mark = tmp_path / "alive"
    job = slurm.sbatch(
        "--requeue", "--nodelist=n1", wrap=f"srun sh -c 'while touch {mark}; do sleep 0.1; done'"
    )
    slurm.wait_for(mark.exists, 30, "the job's step runs")
    slurm.kill_node("n1")
    before = mark.stat().st_mtime_ns
    time.sleep(0.5)
    assert mark.stat().st_mtime_ns == before, "the job's step has survived its node"
    slurm.wait_for(lambda: slurm.nodes()["n1"] == "down*", 45, "n1 is down")
    slurm.wait_for_state(job, "PENDING")
    slurm.run("scancel", job)
    slurm.start_node("n1")
    assert slurm.wait_for_end(slurm.sbatch("--nodelist=n1")) == ["COMPLETED"]


def test_jobs_outlive_the_controller(slurm):
    running = slurm.sbatch(wrap="sleep 4")
    waiting = slurm.sbatch("--begin=now+1hour")
    slurm.wait_for_state(running, "RUNNING")
    slurm.stop_controller()
    assert slurm.run("scontrol", "ping", code=None).returncode
    slurm.start_controller()
    assert slurm.state(waiting) == "PENDING"
    assert slurm.wait_for_end(running) == ["COMPLETED"]


def test_there_is_no_accounting(slurm):
    done = slurm.run("sacct", code=1)
    assert "Slurm accounting storage is disabled" in done.stderr


def test_down_leaves_no_process_and_no_folder():
    require_slurm()
    folder = Path(tempfile.mkdtemp(prefix="vswin-slurm."))
    with running_cluster(folder) as cluster:
        assert one_machine("env", folder) == f"export SLURM_CONF={folder}/slurm.conf\n"
        for node in ("n1", "n2"):
            job = cluster.sbatch(f"--nodelist={node}", wrap="srun sleep 300 & sleep 301")
            cluster.wait_for_state(job, "RUNNING")
        started = processes_of(folder)
        assert any("sleep 301" in words for words in started.values())
        again = subprocess.run(
            [sys.executable, str(ONE_MACHINE), "up", str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert again.returncode == 1
        assert again.stderr.startswith(f"error: {folder} has a cluster already")
    assert not folder.exists()
    assert processes_of(folder) == {}
    one_machine("down", folder)  # nothing there is well, too


def test_a_folder_that_is_not_a_clusters_is_not_touched(tmp_path):
    require_slurm()
    (tmp_path / "slurm.conf").write_text("ClusterName=mine\n")
    for command, words in (("down", "is no cluster of ours"), ("up", "is not empty")):
        done = subprocess.run(
            [sys.executable, str(ONE_MACHINE), command, str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert words in done.stderr
    assert (tmp_path / "slurm.conf").read_text() == "ClusterName=mine\n"


def test_missing_packages_are_named(tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("not on Linux")
    program = tmp_path / "one-machine"
    program.write_text(ONE_MACHINE.read_text().replace(":/usr/sbin:/sbin", ""))
    done = subprocess.run(
        [sys.executable, str(program), "up", str(tmp_path / "cluster")],
        capture_output=True, text=True, check=False, env={**os.environ, "PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "error: there is no munged, mungekey, slurmctld, slurmd, sinfo, scontrol; on Debian, as "
        "root: apt-get install slurm-wlm munge\n"
    )
    assert not (tmp_path / "cluster").exists()


def test_the_comparison_of_runs_sees_one_bit(undisturbed, tmp_path):
    """What the scenarios rely on."""
    reference = min((undisturbed / "smoke" / "runs").iterdir())
    shutil.copytree(reference, tmp_path / "run")
    assert_same_outcome(tmp_path / "run", reference)
    metrics = tmp_path / "run" / "metrics.jsonl"
    text = metrics.read_text()
    digit = text.index('"loss": ') + len('"loss": ') + 10
    metrics.write_text(text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :])
    with pytest.raises(AssertionError, match="differ in metrics$"):
        assert_same_outcome(tmp_path / "run", reference)
