"""The journal: what was handed to Slurm, whoever else writes there at the time."""

import dataclasses
import json
import multiprocessing
import os

import pytest

from vswin.files import DamagedFileError, NotWritableError
from vswin.launch.slurm.journal import Journal, Submission
from vswin.runs.store import Store


@pytest.fixture
def journal(tmp_path):
    found = Journal(Store(tmp_path, "smoke"))
    found.folder.mkdir(parents=True)
    return found


def entry(token, *items, kind="runs", gpus=0):
    return Submission(token, kind, "intended", items, "code", f"folder/{token}", gpus)


def test_what_is_noted_is_read_back_oldest_first(journal):
    first = journal.intend(entry("z", "r1", "r2", gpus=8))
    second = journal.intend(entry("a", "r2"))
    assert (first.state, first.job_ids, first.host) == ("intended", (), os.uname().nodename)
    assert first.created < second.created
    assert journal.submissions() == [first, second]
    noted = journal.submitted(first, ("7_0", "7_1"))
    assert noted == dataclasses.replace(first, state="submitted", job_ids=("7_0", "7_1"))
    assert journal.submissions() == [noted, second]  # still the oldest
    journal.drop(second)
    journal.drop(second)
    assert journal.submissions() == [noted]
    assert Journal(Store(journal.store.results_dir, "proxy")).submissions() == []


def test_one_that_is_adopted_with_fewer_runs_keeps_its_place(journal):
    """Its submitter died before all of its pickles were in place."""
    lost = journal.intend(entry("t", "r1", "r2", "r3"))
    journal.intend(entry("u", "r1"))
    adopted = journal.submitted(dataclasses.replace(lost, items=("r3",)), ("7_2",))
    found = journal.submissions()
    assert found[0] == adopted
    assert [(s.token, s.items, s.job_ids) for s in found] == [
        ("t", ("r3",), ("7_2",)),
        ("u", ("r1",), ()),
    ]


def test_an_entry_that_is_dropped_between_the_listing_and_its_reading_is_none(journal, monkeypatch):
    kept, dropped = journal.intend(entry("a", "r1")), journal.intend(entry("b", "r2"))
    listing = type(journal.folder).glob

    def late(folder, pattern):
        found = list(listing(folder, pattern))
        journal.drop(dropped)
        return found

    monkeypatch.setattr(type(journal.folder), "glob", late)
    assert journal.submissions() == [kept]


@pytest.mark.parametrize(
    "content", ["{", "", "null", "[]", "{}", '{"token": "t"}', "KIND", "\udcff"]
)
def test_a_damaged_entry_is_named(journal, content):
    noted = journal.intend(entry("good", "r1"))
    if content == "KIND":
        content = json.dumps(dataclasses.asdict(noted) | {"kind": "other"})
    path = journal.folder / "bad.json"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DamagedFileError, match=r"jobs/bad\.json"):
        journal.submissions()


def test_logs_of_processes(journal):
    submission = dataclasses.replace(entry("t", "r1"), folder=str(journal.folder / "t"))
    (journal.folder / "t").mkdir()
    assert submission.process_logs("7") == {}
    for job, processes in (("7", (0, 1)), ("7_1", (0, 1, 2))):
        for process in processes:
            submission.log(job, process).write_text("")
    assert list(submission.process_logs("7")) == [0, 1]
    assert list(submission.process_logs("7_1").values()) == [
        journal.folder / "t" / f"7_1_{process}_log.out" for process in range(3)
    ]
    submission.log("7", 0).unlink()  # of a node that never began, say
    submission.log("7", 3).write_text("")
    assert list(dataclasses.replace(submission, gpus=4).process_logs("7")) == [1, 3]


def _submit(results, name, locked, may_end, found):
    journal = Journal(Store(results, "smoke"))
    with journal.lock() as at_once:
        found.put((name, at_once))
        locked.set()
        may_end.wait(30)


def test_submitters_wait_for_one_another_and_are_told(journal):
    context = multiprocessing.get_context("spawn")
    found, ends = context.Queue(), [context.Event(), context.Event()]
    locked = [context.Event(), context.Event()]
    submitters = [
        context.Process(
            target=_submit, args=(journal.store.results_dir, k, locked[k], ends[k], found)
        )
        for k in range(2)
    ]
    submitters[0].start()
    assert locked[0].wait(30)
    submitters[1].start()
    assert not locked[1].wait(3)
    submitters[0].kill()  # one that dies holds up nobody
    assert locked[1].wait(30)
    assert [found.get(timeout=30) for _ in range(2)] == [(0, True), (1, False)]
    ends[1].set()
    for submitter in submitters:
        submitter.join(30)
    with journal.lock() as at_once:
        assert at_once


def test_a_journal_that_cannot_be_written_says_so_before_anything_is_submitted(tmp_path):
    (tmp_path / "smoke").write_text("")
    journal = Journal(Store(tmp_path, "smoke"))
    with pytest.raises(NotWritableError, match="smoke/jobs"), journal.lock():
        pass
