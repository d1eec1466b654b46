"""Where a run stands that has jobs: which of them counts, and which log."""

import dataclasses
import os

from tests.launch.place import ERROR, STATUS
from tests.runs.test_identity import BASE
from vswin.files import write_json
from vswin.launch.slurm.cancelled import note_cancelled
from vswin.launch.slurm.queue import Job


def test_the_newest_job_counts_but_one_that_lives_counts_more(place):
    run = place.run()
    place.submit(run, ids=["5"], token="a")
    place.submit(run, ids=["6"], token="b")
    place.slurm("5", "CANCELLED", name="a")
    place.slurm("6", "TIMEOUT", name="b")
    seen = place.see(run)
    assert (seen.state, seen.job_id) == ("interrupted", "6")
    place.slurm("5", "RUNNING", nodes="n1", name="a")
    seen = place.see(run)
    assert (seen.state, seen.job_id) == ("running", "5")


def test_jobs_that_the_submitter_died_before_noting(place):
    """sbatch had taken them: their name is the submission's token."""
    first, second = place.run(), place.run(dataclasses.replace(BASE, seed=1))
    submission = place.submit(first, second, ids=[], token="t-9", state="intended")
    assert place.see(first).state == place.see(second).state == "missing"
    place.slurm("8_1", "PENDING", "Resources", name="t-9")
    place.slurm("8_0", "RUNNING", name="another-token")
    assert place.see(first).state == "missing"
    seen = place.see(second)
    assert (seen.state, seen.detail, seen.job_id) == ("queued", "Resources", "8_1")
    place.jobs = {}
    place.slurm("9", "PENDING", name=submission.token)  # one run alone is no array
    assert (place.see(first).state, place.see(second).state) == ("queued", "missing")


def job(job_id, name="t"):
    """One that waits."""
    return Job(job_id, name, "PENDING", "waiting", "", None, "")


def test_a_job_that_was_cancelled_from_here_before_it_began(place):
    """Slurm forgets it at once."""
    run = place.run()
    place.submit(run, ids=["7"])
    assert place.see(run).state == "unknown"
    note_cancelled(place.journal, [job("6"), job("7")])
    assert (place.see(run).state, place.see(run).job_id) == ("cancelled", "7")
    place.slurm("7", "RUNNING")  # Slurm knows better
    assert place.see(run).state == "running"
    place.slurm("7", "FAILED")
    write_json(run.path / "status.json", STATUS | {"state": "interrupted", "job": "7"})
    assert place.see(run).state == "cancelled"  # though it was told to stop, for that is how


def test_a_job_of_the_same_id_on_another_cluster_is_not_the_runs(place):
    run = place.run()
    place.submit(run, ids=["7"], token="mine")
    for state in ("PENDING", "RUNNING", "FAILED", "CANCELLED"):
        place.slurm("7", state, nodes="n1", name="yours")
        seen = place.see(run)
        assert seen.state == "unknown", state
        assert "job 7 is not in the queue any more" in seen.detail
    note_cancelled(place.journal, [job("7", "yours")])
    assert place.see(run).state == "unknown"
    note_cancelled(place.journal, [job("7", "mine")])
    assert place.see(run).state == "cancelled"
    place.submit(run, ids=["7"], token="again")  # and the new cluster gives the number once more
    assert place.see(run).state == "unknown"
    place.slurm("7", "RUNNING", nodes="n1", name="again")
    assert place.see(run).state == "running"


def test_the_log_is_the_one_that_was_written_last(place):
    run = place.run()
    assert place.see(run).log is None
    run.log.write_text("here")
    submission = place.submit("another", run, ids=["7_0", "7_1"])
    assert place.see(run).log == run.log
    log = submission.log("7_1")
    log.write_text("there")
    os.utime(run.log, (1, 1))
    assert place.see(run).log == log
    assert str(log) in place.see(run).detail


def test_the_error_of_another_process_is_told(place):
    """Each process of a job has its own log, and error.json is the main one's alone."""
    run = place.run()
    log = place.submit(run, ids=["7"]).log
    place.slurm("7", "FAILED")
    failed = "vswin.launch.slurm.job.RunFailedError: x ended with code 1; see above\n"
    log("7").write_text("training\nerror: connection closed by peer\n" + failed)
    log("7", 1).write_text("[rank1]: Traceback ...\n[rank1]: ValueError: no frame 3\n" + failed)
    log("7", 2).write_text("RuntimeError: connection closed by peer\n" + failed)
    log("7", 3).write_text("training\nslurmstepd: error: *** STEP 7.0 ON n1 CANCELLED ***\n")
    for process, time in ((0, 50), (1, 40), (2, 60), (3, 30)):
        os.utime(log("7", process), (time, time))
    seen = place.see(run)
    assert (seen.state, seen.log) == ("failed", log("7", 1))  # the first to fall silent
    assert seen.detail == "job 7: FAILED: ValueError: no frame 3"
    write_json(run.path / "error.json", ERROR)
    seen = place.see(run)
    assert (seen.log, "at step 7" in seen.detail) == (log("7"), True)


def test_an_error_that_scrolled_away_or_words_like_one_are_none(place):
    run = place.run()
    log = place.submit(run, ids=["7"]).log("7")
    place.slurm("7", "FAILED")
    log.write_text("ValueError: long ago\n" + "step\n" * 20_000 + "no errors: fine\nErrors\n")
    assert place.see(run).detail == "job 7: FAILED"
    log.write_bytes(b"\xff\xfe\nKilled\nFatal Python error: Segmentation fault\n")
    assert place.see(run).detail == "job 7: FAILED: Fatal Python error: Segmentation fault"
