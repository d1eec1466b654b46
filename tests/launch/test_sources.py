"""Runs that start from others: their order, what waits for what, and what goes along."""

import dataclasses
import shutil

import pytest

from tests.launch.requests import request
from vswin.files import write_json
from vswin.launch.proposal import FAILED, propose
from vswin.launch.slurm.job import BlockedError, RunJob
from vswin.launch.slurm.journal import Journal
from vswin.launch.submit import scripts, submit


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


def sources(asked):
    return [source for config in asked.configs.values() for source in config.ancestors]


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
