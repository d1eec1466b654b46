"""Whatever interrupts a job on a real Slurm, the store ends up as if nothing had.

Each scenario ends with the same comparison: bit for bit what a run gives that nobody disturbed.
"""

import os
import signal

from tests.slurm import cluster as tools
from tests.slurm.sweep import ONE, Sweep


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
