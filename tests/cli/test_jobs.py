"""`vswin status`, `logs` and `cancel` as a user types them. Only Slurm is a substitute."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests import results as results_by_hand
from tests.launch.fake_slurm import FakeSlurm
from vswin.cli.main import main
from vswin.experiments.planning import plan_study
from vswin.files import write_json
from vswin.launch.slurm.journal import Journal, Submission
from vswin.runs.lock import is_locked, run_lock

STATUS = {"state": "training", "step": 3, "steps": 60, "epoch": 2, "loss": 1.25, "top1": 0.5,
          "attempt": 2, "heartbeat": 1.0, "pid": 1, "host": "n7", "job": None, "seconds": 1800.0,
          "gpus": 4}  # fmt: skip
ERROR = {"type": "DivergedError", "message": "loss is nan at step 7", "traceback": "", "attempt": 1}
WITHOUT_TORCH = (
    "import sys; sys.argv[0] = 'vswin'; from vswin.cli.main import main\n"
    "try: main()\nexcept SystemExit as end: code = end.code\n"
    "heavy = {'torch', 'pandas', 'scipy', 'sklearn', 'av', 'matplotlib'} & sys.modules.keys()\n"
    "assert not heavy, heavy\nsys.exit(code)"
)


@pytest.fixture
def vswin(capfd, monkeypatch):
    """Runs a command here; returns its exit code, stdout and stderr."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["vswin", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capfd.readouterr()

    monkeypatch.setattr("sys.stdin", io.StringIO())  # no terminal to ask on
    monkeypatch.setenv("COLUMNS", "200")  # processes of pytest-xdist have a narrow one
    return call


@pytest.fixture(autouse=True)
def slurm(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.setattr("vswin.launch.slurm.queue.RETRY_S", 0.01)
    return fake


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def planned(results, table="table5", seeds=1, protocol="smoke"):
    """The folders of a table's runs, as if they had been asked for, by row and seed."""
    plan = plan_study(table, protocol, seeds, results)
    for p in plan.runs:
        for config in (p.config, *p.config.ancestors):
            plan.store.run(config.run_id).create(config)
    return plan.store, {(p.row.id, p.seed): plan.folder(p) for p in plan.runs}


def complete(run, top1=0.75):
    results_by_hand.complete(run, metrics={"top1": top1, "top5": 1.0})


def submit(store, items, ids, states, slurm, kind="runs", token="t-1"):
    """Notes jobs, and puts them into the queue in some states; None: it has forgotten them."""
    journal = Journal(store)
    folder = journal.folder / token
    folder.mkdir(parents=True)
    submission = journal.intend(
        Submission(token, kind, "intended", tuple(items), "", str(folder), gpus=4)
    )
    queue = slurm.queue
    queue += [{"id": i, "name": token, "state": s} for i, s in zip(ids, states, strict=True) if s]
    (slurm.folder / "queue.json").write_text(json.dumps(queue))
    return journal.submitted(submission, tuple(ids))


def line_of(text, word):
    """The line of a table that holds a word."""
    (line,) = [line for line in text.splitlines() if line.startswith("│") and word in line]
    return line


def test_status_of_a_table(results, vswin, slurm):
    store, runs = planned(results, seeds=3)
    for seed, top1 in ((0, 0.5), (1, 0.6)):
        complete(runs["dim16", seed], top1)
        write_json(runs["dim16", seed].path / "status.json", STATUS | {"state": "done"})
    write_json(runs["dim16", 2].path / "status.json", STATUS | {"epoch": 1, "eta_s": 3700})
    write_json(runs["dim8", 0].path / "status.json", STATUS | {"gpus": 0, "job": "7_1"})
    waiting = [runs["dim8", seed].run_id for seed in (0, 1)]
    submit(store, waiting, ["7_0", "7_1"], ["PENDING", "RUNNING"], slurm)
    with run_lock(runs["dim16", 2].path):
        code, out, err = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert (code, err) == (0, "")
    row = line_of(out, "dim16")
    for words in ("2 of 3 done, 1 running", " 2 ", "epoch 1 of ", "loss 1.25", "top-1 50.0 %",
                  "55.0 %", "1:01:40", "6 GPU-h"):  # fmt: skip
        assert words in row, words
    row = line_of(out, "dim8")
    assert "0 of 3 done, 1 running, 1 queued, 1 missing" in row
    assert "30:00 on CPU" in row
    # win16 is dim16's run under another name: it is counted once.
    assert out.splitlines()[-1] == "2 of 21 done, 2 running, 1 queued, 16 missing"


def test_what_went_wrong_is_named_and_makes_the_command_fail(results, vswin, slurm):
    store, runs = planned(results, seeds=2)
    everyone = list(dict.fromkeys(runs.values()))
    for run in everyone[:6]:
        write_json(run.path / "error.json", ERROR)
        run.log.write_text("words\n")
    lost = everyone[7]
    submit(store, [lost.run_id], ["7"], [None], slurm)
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert code == 1
    assert out.count("failed: DivergedError: loss is nan at step 7") == 5
    assert f"  log: {everyone[0].log}" in out
    assert "and 2 more that are failed, blocked or unknown" in out
    for run in everyone[:6]:
        (run.path / "error.json").unlink()
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert code == 0  # nobody knows that it failed
    assert f"{lost.run_id}: unknown: job 7 is not in the queue any more" in out


def test_a_queue_that_cannot_be_asked_is_said_once(results, vswin, slurm):
    store, runs = planned(results, seeds=2)
    complete(runs["dim16", 0])
    ids = [run.run_id for run in runs.values()]
    (slurm.folder / "down").touch()
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results)
    assert "queue cannot" not in out  # nothing was submitted: it does not matter
    submit(store, ids, [f"7_{k}" for k in range(len(ids))], ["PENDING"] * len(ids), slurm)
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results)
    assert code == 0
    words = "Unable to contact slurm controller (connect failure)"
    assert f"the queue cannot be asked: squeue: error: {words}" in out
    assert out.count("the queue cannot be asked") == 1
    assert out.splitlines()[-1] == "1 of 14 done, 13 unknown"


def test_status_of_a_real_store_needs_neither_slurm_nor_torch(smoke_results, tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH, "status", "-p", "smoke"]
    done = subprocess.run(
        [*command, "--results-dir", str(smoke_results)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": str(tmp_path / "nothing")},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "7 of 7 done"
    assert "table5: " in done.stdout
    assert "table4" not in done.stdout  # its run that is also one of Table 5's is shown there


def test_a_submitted_store_needs_no_torch_either(results, slurm):
    store, runs = planned(results)
    submit(store, [runs["dim16", 0].run_id], ["7"], ["PENDING"], slurm)
    command = [sys.executable, "-c", WITHOUT_TORCH, "status", "table5", "-p", "smoke"]
    done = subprocess.run(
        [*command, "--results-dir", str(results)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "0 of 7 done, 1 queued, 6 missing"


def test_without_a_table_every_run_is_shown_once_where_it_belongs(results, vswin):
    store, five = planned(results)
    _, eight = planned(results, "table8", seeds=2)
    for run in {**five, **eight}.values():
        complete(run)
    shutil.copytree(five["dim8", 0].path, store.runs_dir / "my_own-t8-w1x1x1-s0-0123456789")
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results)
    assert code == 0
    titles = [line.split(":")[0] for line in out.splitlines() if line.startswith(("table", "othe"))]
    assert [title.strip() for title in titles] == ["table5", "table8", "other runs"]
    assert "my_own-t8-w1x1x1" in out
    assert "1 of 1 done" in line_of(out, "dim16")
    assert "2 of 2 done" in line_of(out, "inflate ")
    assert "0 of 2 done, 2 missing" in line_of(out, "starts from ")
    assert out.splitlines()[-1] == "14 of 16 done, 2 missing"


def test_runs_that_start_from_one_that_failed_are_blocked_even_unplanned(results, vswin):
    _, runs = planned(results, "table8")
    source = next(p for p in (results / "smoke" / "runs").iterdir() if "stills" in p.name)
    write_json(source / "error.json", ERROR)
    shutil.rmtree(runs["inflate", 0].path)
    code, out, _ = vswin("status", "table8", "-p", "smoke", "--results-dir", results)
    assert code == 1
    assert "1 blocked" in line_of(out, "│ inflate")
    assert f"blocked: starts from {source.name}, which failed" in out
    assert out.splitlines()[-1] == "0 of 4 done, 1 failed, 2 blocked, 1 missing"


def test_seeds_are_those_that_were_begun_unless_it_is_said(results, vswin):
    def total(*options):
        return vswin("status", "table5", "-p", "smoke", "--results-dir", results, *options)[1]

    assert total().splitlines()[-1] == "0 of 7 done, 7 missing"  # the protocol's number
    planned(results, seeds=3)
    assert total().splitlines()[-1] == "0 of 21 done, 21 missing"
    assert total("--seeds", 2).splitlines()[-1] == "0 of 14 done, 14 missing"


def test_status_as_json(results, vswin, slurm):
    store, runs = planned(results)
    run = runs["dim8", 0]
    write_json(run.path / "status.json", STATUS)
    submission = submit(store, [run.run_id], ["7"], ["TIMEOUT"], slurm)
    submission.log("7").write_text("words\n")
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results, "--json")
    found = json.loads(out)
    assert (code, found["queue_problem"]) == (0, None)
    assert found["states"] == {"interrupted": 1, "missing": 6}
    rows = {row["row"]: row["runs"] for row in found["tables"][0]["rows"]}
    (seen,) = rows["dim8"]
    assert seen["run_id"] == run.run_id
    assert (seen["state"], seen["job_id"], seen["attempts"]) == ("interrupted", "7", 2)
    assert (seen["gpu_hours"], seen["log"]) == (2.0, str(submission.log("7")))
    assert "TIMEOUT" in seen["detail"]


def test_mistakes_are_one_line(results, vswin):
    planned(results)
    at = ("--results-dir", results)
    for args, words in (
        (("status", "table50"), "unknown table 'table50'"),
        (("status", "-p", "smok"), "unknown protocol 'smok'"),
        (("status", "table5", "--seeds", "0"), "seeds=0"),
        (("logs", "nothing"), "there is no run 'nothing'"),
        (("logs", "swin_t-t8"), "fits 5 runs: swin_t-t8-"),
        (("cancel",), "say what to cancel"),
        (("cancel", "--run", "nothing"), "there is no run 'nothing'"),
    ):
        code, out, err = vswin(*args, *at)
        assert (code, out) == (2, ""), args
        assert len(err.splitlines()) == 1
        assert err.startswith("error: ")
        assert words in err
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results / "none")
    assert code == 0
    assert out.splitlines() == [
        f"protocol smoke, results in {results / 'none'}, a folder that does not exist",
        f"no runs in {results / 'none' / 'smoke' / 'runs'}",
    ]
    code, out, _ = vswin("status", "-p", "proxy", "--results-dir", results)
    assert out.splitlines()[2:] == ["there are some of another protocol: --protocol smoke"]


def test_status_names_its_protocol_and_folder_and_every_run(results, vswin):
    _, runs = planned(results, seeds=2)
    complete(runs["dim4", 1])
    _, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert out.splitlines()[0] == f"protocol smoke, results in {results}"
    for (row, _), run in runs.items():
        (line,) = [line for line in out.splitlines() if run.run_id in line]
        assert row in line.split("  ")[-1].split(", ")  # all its rows: dim16 is win16, too
    assert f"  {runs['dim4', 1].run_id}  done  dim4" in out.splitlines()
    assert f"  {runs['dim4', 0].run_id}  missing  dim4" in out.splitlines()
    assert f"  {runs['dim16', 0].run_id}  missing  dim16, win16" in out.splitlines()
    out = vswin("status", "-p", "smoke", "--results-dir", results)[1]
    assert all(run.run_id in out for run in runs.values())


def test_status_says_when_there_is_no_such_folder(results, vswin):
    none = results / "none"
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", none)
    assert (code, not none.exists()) == (0, True)
    (line,) = [line for line in out.splitlines() if str(none) in line]
    assert line == f"protocol smoke, results in {none}, a folder that does not exist"
    assert out.splitlines()[-1] == "0 of 7 done, 7 missing"
    found = json.loads(vswin("status", "-p", "smoke", "--results-dir", none, "--json")[1])
    assert (found["results_dir"], found["exists"]) == (str(none), False)
    code, _, err = vswin("logs", "win4", "--results-dir", none)
    assert (code, "a folder that does not exist" in err) == (2, True)


def test_status_of_a_thousand_runs_is_not_a_thousand_lines(results, vswin, monkeypatch):
    _, runs = planned(results, seeds=2)
    monkeypatch.setattr("vswin.cli.status.MOST_LISTED", 3)
    out = vswin("status", "table5", "-p", "smoke", "--results-dir", results)[1]
    assert sum(run.run_id in out for run in set(runs.values())) == 3
    assert "  and 11 more; see --json" in out


def test_logs_takes_a_row(results, vswin):
    _, runs = planned(results, seeds=2)
    _, others = planned(results, "table8")
    for (row, seed), run in {**runs, **others}.items():
        run.log.write_text(f"words of {row}, seed {seed}\n")
    at = ("--results-dir", results)
    assert vswin("logs", "inflate", *at)[1] == "words of inflate, seed 0\n"
    assert vswin("logs", "table8", "--row", "inflate", *at)[1] == "words of inflate, seed 0\n"
    assert vswin("logs", "win4", "--seed", 1, *at)[1] == "words of win4, seed 1\n"
    assert (
        vswin("logs", "table5", "--row", "win4", "--seed", 1, *at)[1] == "words of win4, seed 1\n"
    )
    # A row that another table shares, and one that is the beginning of every id.
    assert vswin("logs", "joint", "--seed", 0, *at)[1] == "words of win8, seed 0\n"
    code, _, err = vswin("logs", "swin_t", *at)
    assert (code, "fits" in err) == (2, True)
    code, out, err = vswin("logs", "win4", *at)
    assert (code, out) == (2, "")
    ids = ", ".join(f"{runs['win4', seed].run_id} (smoke)" for seed in (0, 1))
    assert f"'win4' fits 2 runs: {ids}; name one of them (of a row, --seed chooses)" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("table5", "--row", "win5"), "unknown row 'win5' of table5; known: dim16, "),
        (("table50", "--row", "win4"), "unknown table 'table50'"),
        (("table8", "--row", "center"), "there is no run of table8's row 'center' in "),
        (("win4", "--seed", "7"), "there is no run 'win4' with seed 7 in "),
    ],
)
def test_a_row_without_a_run_is_one_line(results, vswin, words, why):
    planned(results)
    code, out, err = vswin("logs", *words, "--results-dir", results)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert why in err


def test_logs_prints_the_log_that_was_written_last(results, vswin, slurm):
    store, runs = planned(results)
    run = runs["dim16", 0]
    at = ("--results-dir", results)
    code, out, err = vswin("logs", run.run_id[:-3], *at)
    assert (code, out, err) == (0, "", f"{run.run_id} has printed nothing yet\n")
    run.log.write_text("".join(f"line {k}\n" for k in range(100)))
    code, out, err = vswin("logs", run.run_id[:-3], *at)
    assert (code, err) == (0, f"{run.log}:\n")
    assert out.splitlines() == [f"line {k}" for k in range(50, 100)]
    assert vswin("logs", run.run_id[5:], *at, "--lines", 1)[1] == "line 99\n"  # a part of the id
    assert len(vswin("logs", run.run_id, *at, "-n", 0)[1].splitlines()) == 100
    assert len(vswin("logs", run.run_id, *at, "-n", 1000)[1].splitlines()) == 100
    log = submit(store, [run.run_id], ["7"], ["RUNNING"], slurm).log("7")
    log.write_text("from the job, without an end")
    os.utime(run.log, (1, 1))
    write_json(run.path / "error.json", ERROR)
    code, out, err = vswin("logs", run.run_id, *at)
    assert (code, err) == (0, f"{log}:\n")
    assert out.split("end")[0] == "from the job, without an "
    assert out.endswith("error: DivergedError: loss is nan at step 7\n")


def test_logs_of_other_processes(results, vswin, slurm):
    """Each process of a job prints to its own file; what the main one knows may be the least."""
    store, runs = planned(results)
    run = runs["dim16", 0]
    at = (run.run_id, "--results-dir", results)
    run.log.write_text("here\n")
    log = submit(store, [run.run_id], ["7"], ["RUNNING"], slurm).log
    log("7").write_text("main\n")
    for process in range(1, 7):
        log("7", process).write_text(f"words of {process}\nValueError: it is {process}\n")
        os.utime(log("7", process), (process, process))
    os.utime(run.log, (1, 1))
    with run_lock(run.path):
        assert vswin("logs", *at) == (0, "main\n", f"{log('7')}:\n")
        code, out, err = vswin("logs", *at, "--process", 2, "-n", 1)
        assert (code, out, err) == (0, "ValueError: it is 2\n", f"{log('7', 2)}:\n")
        code, out, err = vswin("logs", *at, "--process", 9)
        assert (code, out) == (0, "")
        assert err == f"process 9 of {run.run_id} has printed nothing yet\n"
    code, out, err = vswin("logs", *at)
    assert (code, out) == (0, "main\n")
    lines = err.splitlines()
    assert lines[:3] == [
        f"{log('7')}:",
        "process 1 of job 7 printed: ValueError: it is 1",
        f"  all of it: vswin logs {run.run_id} --process 1",
    ]
    assert lines[-1] == "and 2 more processes printed errors"
    assert len(lines) == 10
    assert "it is 1" not in vswin("logs", *at, "--process", 1)[2]
    complete(run)
    assert vswin("logs", *at)[2] == f"{log('7')}:\n"


def test_status_tells_the_error_of_another_process(results, vswin, slurm):
    store, runs = planned(results)
    log = submit(store, [runs["dim16", 0].run_id], ["7"], ["FAILED"], slurm).log
    log("7").write_text("main\n")
    log("7", 1).write_text("error: no such video\n")
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert code == 1
    assert "failed: job 7: FAILED: error: no such video" in out
    assert f"  log: {log('7', 1)}" in out


def test_a_log_that_is_followed_leaves_the_journal_alone_for_seconds(results, vswin, monkeypatch):
    """There may be hundreds of entries, on a file server."""
    _, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("here\n")
    read, reads = Journal.submissions, []
    monkeypatch.setattr(Journal, "submissions", lambda self: reads.append(1) or read(self))
    monkeypatch.setattr("vswin.launch.logs.POLL_S", 0.01)
    with run_lock(run.path):

        def end():
            complete(run)
            (run.path / "lock").unlink()

        timer = threading.Timer(1.0, end)
        timer.start()
        code, out, err = vswin("logs", run.run_id, "-f", "--results-dir", results)
        timer.join()
    assert (code, out) == (0, "here\n")
    assert err.splitlines()[-1] == f"{run.run_id}: done"
    assert len(reads) < 8  # of a hundred reads of the log


def test_the_last_job_is_not_missed_by_who_follows(results, vswin, slurm, monkeypatch):
    """It began and ended between two reads of the journal."""
    store, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("here\n")
    monkeypatch.setattr("vswin.launch.logs.JOURNAL_S", 1000.0)
    read, has_read = Journal.submissions, threading.Event()
    monkeypatch.setattr(Journal, "submissions", lambda self: (read(self), has_read.set())[0])
    with run_lock(run.path):

        def execute():
            has_read.wait(60)
            time.sleep(0.3)  # "here" is printed meanwhile
            log = submit(store, [run.run_id], ["7"], [None], slurm).log("7")
            log.write_text("in a job\n")
            complete(run)
            (run.path / "lock").unlink()

        job = threading.Thread(target=execute)
        job.start()
        code, out, _ = vswin("logs", run.run_id, "-f", "--results-dir", results)
        job.join()
    assert (code, out) == (0, "here\nin a job\n")


def test_a_long_log_is_cut_at_the_right_line(results, vswin):
    _, runs = planned(results)
    run = runs["dim16", 0]
    lines = [f"{k} " + "x" * (k % 700) for k in range(1000)]  # several blocks
    run.log.write_text("\n".join(lines) + "\n\n")
    for n in (1, 2, 300, 999, 1001, 2000):
        out = vswin("logs", run.run_id, "--results-dir", results, "-n", n)[1]
        assert out.split("\n")[:-1] == [*lines, ""][-n:]


def test_a_name_in_two_protocols_is_ambiguous(results, vswin):
    _, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("words\n")
    shutil.copytree(run.path, results / "other" / "runs" / run.run_id)
    code, _, err = vswin("logs", run.run_id, "--results-dir", results)
    assert code == 2
    assert f"{run.run_id} (other), {run.run_id} (smoke)" in err
    at = ("--results-dir", results, "--protocol", "smoke")
    assert vswin("logs", run.run_id, *at)[1] == "words\n"


def start(*args, **options):
    """A command in a process of its own, which Ctrl-C reaches whatever started the tests."""

    def listen():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen(
        [sys.executable, "-m", "vswin", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=listen,  # noqa: PLW1509  the child does nothing else before it is replaced
        **options,
    )


def read_until(process, words):
    """Its stdout up to some words."""
    os.set_blocking(process.stdout.fileno(), False)
    seen, deadline = b"", time.monotonic() + 60
    while words not in seen:
        seen += process.stdout.read() or b""
        assert time.monotonic() < deadline, seen
        assert process.poll() is None or words in seen, process.stderr.read()
        time.sleep(0.02)
    os.set_blocking(process.stdout.fileno(), True)
    return seen.decode()


def test_a_log_is_followed_into_the_next_job_to_the_end(results, slurm):
    store, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("old\nhere\n")
    with run_lock(run.path):
        process = start("logs", run.run_id, "-f", "-n", 1, "--results-dir", results)
        seen = read_until(process, b"here\n")
        with run.log.open("a") as file:
            file.write("more\n")
        seen += read_until(process, b"more\n")
        log = submit(store, [run.run_id], ["7"], ["PENDING"], slurm).log("7")
        time.sleep(1.1)  # longer than a step of the file system's clock
        log.write_text("all of it\nin a job\n")
        seen += read_until(process, b"in a job\n")
    with log.open("a") as file:  # requeued: nobody holds the run, but it is queued
        file.write("again\n")
    seen += read_until(process, b"again\n")
    with log.open("a") as file:
        file.write("last words\n")
    complete(run)
    out, err = process.communicate(timeout=60)
    assert seen + out.decode() == "here\nmore\nall of it\nin a job\nagain\nlast words\n"
    assert err.decode().splitlines() == [f"{run.log}:", f"{log}:", f"{run.run_id}: done"]
    assert process.returncode == 0


def test_ctrl_c_ends_following_quietly(results):
    _, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("here\n")
    with run_lock(run.path):
        process = start("logs", run.run_id, "--follow", "--results-dir", results)
        read_until(process, b"here\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.decode()) == (130, b"", f"{run.log}:\n")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_cancel(results, vswin, slurm, monkeypatch):
    store, runs = planned(results, seeds=2)
    ids = list(dict.fromkeys(run.run_id for run in runs.values()))
    states = ["RUNNING", "PENDING", "PENDING", "COMPLETING", "FAILED", None]
    jobs = [f"7_{k}" for k in range(len(states))]
    submit(store, ids[: len(states)], jobs, states, slurm)
    submit(store, ["table4", "table5"], ["8_0", "8_1"], ["PENDING"] * 2, slurm, "notebook", "t-2")
    at = ("-p", "smoke", "--results-dir", results)
    code, out, err = vswin("cancel", "table5", *at)
    assert (code, out) == (2, "")
    assert "cancel 4 jobs, 0 processes on this machine? There is no terminal" in err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, _, err = vswin("cancel", "table5", *at)
    assert (code, err) == (1, "error: nothing was cancelled\n")
    assert len(slurm.queue) == 7
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = vswin("cancel", "table5", *at)
    out = out.partition("? [y/N]: ")[2]
    assert code == 0
    assert out.splitlines()[:4] == [
        f"cancelled job 7_0 (active): {ids[0]}",
        f"cancelled job 7_1 (waiting): {ids[1]}",
        f"cancelled job 7_2 (waiting): {ids[2]}",
        "cancelled job 8_1 (waiting): notebook of table5",
    ]
    assert {job["id"] for job in slurm.queue} == {"7_3", "7_4", "8_0"}
    found = json.loads(vswin("status", "table5", *at, "--json")[1])
    assert found["states"]["cancelled"] == 3  # though Slurm has forgotten them
    assert vswin("cancel", "table5", *at, "--yes")[:2] == (0, "nothing to cancel\n")


def test_cancel_leaves_a_job_of_the_same_id_alone(results, vswin, slurm):
    """Of another project or cluster: ids may begin anew."""
    store, runs = planned(results)
    submit(store, [runs["dim16", 0].run_id], ["7"], [None], slurm)
    submit(store, ["table5"], ["8"], [None], slurm, "notebook", "t-2")
    others = [{"id": i, "name": "other", "state": "RUNNING"} for i in ("7", "8")]
    (slurm.folder / "queue.json").write_text(json.dumps(others))
    at = ("-p", "smoke", "--results-dir", results, "--yes")
    assert vswin("cancel", "table5", *at)[:2] == (0, "nothing to cancel\n")
    assert slurm.queue == others


def test_cancel_of_single_runs_leaves_the_others_and_the_notebook(results, vswin, slurm):
    store, runs = planned(results)
    ids = list(dict.fromkeys(run.run_id for run in runs.values()))
    submit(store, ids[:3], ["7_0", "7_1", "7_2"], ["PENDING"] * 3, slurm)
    submit(store, ["table5"], ["8"], ["PENDING"], slurm, "notebook", "t-2")
    names = ("--run", ids[0], "--run", ids[2])
    code, _, _ = vswin("cancel", *names, "-p", "smoke", "--results-dir", results, "-y")
    assert code == 0
    assert [job["id"] for job in slurm.queue] == ["7_1", "8"]


HOLDER = """
import signal, sys, time
from pathlib import Path
from vswin.runs.lock import run_lock
def stop(*_): raise SystemExit(130)
signal.signal(signal.SIGTERM, stop)
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_cancel_stops_processes_here_and_names_what_it_cannot_reach(results, vswin):
    _, runs = planned(results)
    here, elsewhere, in_a_job = runs["dim16", 0], runs["dim8", 0], runs["dim4", 0]
    owner = {"token": "x", "host": "n9", "pid": 4}
    write_json(elsewhere.path / "lock", owner)
    own = {"host": os.uname().nodename, "pid": os.getpid(), "job": "77_1"}
    with run_lock(in_a_job.path):  # of a job that Slurm does not tell us about
        lock = json.loads((in_a_job.path / "lock").read_text())
        write_json(in_a_job.path / "lock", lock | own)
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(here.path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"held\n"
            at = ("-p", "smoke", "--results-dir", results, "--yes")
            code, out, err = vswin("cancel", "table5", *at)
            assert process.wait(30) == 130
    assert code == 1  # not all of what was asked for
    assert f"asked process {process.pid} to stop: {here.run_id}" in out
    assert not is_locked(here.path)
    assert err.splitlines() == [
        f"cannot be stopped from here: {elsewhere.run_id}, process 4 on n9",
        f"cannot be stopped from here: {in_a_job.run_id}, "
        f"process {os.getpid()} on {os.uname().nodename}, Slurm job 77_1",
    ]


def test_a_scancel_that_fails_is_said_in_its_words(results, vswin, slurm):
    store, runs = planned(results)
    run_id = runs["dim16", 0].run_id
    submit(store, [run_id], ["7"], ["PENDING"], slurm)
    scancel = slurm.folder / "scancel"
    scancel.write_text("#!/bin/sh\necho 'scancel: error: Access/permission denied' >&2\nexit 1\n")
    at = ("-p", "smoke", "--results-dir", results)
    code, _, err = vswin("cancel", "table5", *at, "--yes")
    assert (code, err) == (1, "error: scancel: error: Access/permission denied\n")
    assert "1 queued" in vswin("status", "table5", *at)[1].splitlines()[-1]
    (slurm.folder / "down").touch()
    code, out, err = vswin("cancel", "table5", *at, "--yes")
    assert (code, out) == (1, "")
    assert "the queue cannot be asked: squeue: error: Unable to contact" in err
