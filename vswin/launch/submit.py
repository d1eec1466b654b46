"""Handing studies to Slurm so that calling it again submits only what is missing.

Each call of sbatch stands in the journal before it is made and after it was answered, so that one
that was cut off in between is settled by the next submission.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from vswin.errors import VswinError
from vswin.launch.pool import prepare
from vswin.launch.proposal import Array, Proposal, Request, propose
from vswin.launch.slurm.job import CommandJob, RunJob
from vswin.launch.slurm.journal import Journal, Submission
from vswin.launch.slurm.private import PICKLE
from vswin.launch.slurm.queue import PRESENT, cancel_jobs, read_queue
from vswin.launch.slurm.sbatch import (
    SubmissionError,
    data_file_of_jobs,
    notebook_parameters,
    run_parameters,
    script,
    submit_array,
)
from vswin.launch.slurm.snapshot import freeze_code


def submit(
    request: Request,
    approve: Callable[[Proposal], None] = lambda proposal: None,
    tell: Callable[[Submission], None] = lambda submission: None,
) -> tuple[Proposal, list[Submission]]:
    """Submits what is missing, and notes it; one submitter at a time.

    Args:
        request: what shall be submitted.
        approve: told what would be submitted, with all other submitters waiting; raises to prevent
            it.
        tell: told of each submission when Slurm has taken it.

    Returns:
        What was missing, and what was submitted for it.

    Raises:
        NotWritableError: if the results folder cannot be written.
        JournalError: if the file system has no locks.
        SubmissionError: if the queue cannot be asked, or sbatch refuses; what was submitted before
            that is noted, and the next call goes on from there.
    """
    if shutil.which("sbatch") is None:
        raise SubmissionError(
            "there is no sbatch on this machine: call this where the cluster's jobs are submitted, "
            "or run the table here with --profile here"
        )
    journal = Journal(request.store)
    with journal.lock():
        _reconcile(journal)
        proposal = propose(request)
        if proposal.problem is not None:
            raise SubmissionError(
                f"the queue cannot be asked, so nothing was submitted: {proposal.problem}"
            )
        approve(proposal)
        return proposal, _carry_out(request, proposal, journal, tell)


def scripts(request: Request, proposal: Proposal) -> list[str]:
    """The text of every sbatch that a proposal needs, but for the ids of jobs to wait for."""
    journal = Journal(request.store)
    code = journal.folder / "code" / "SNAPSHOT"
    texts: list[str] = []

    def add(name: str, parameters: dict[str, Any], waits: bool, count: int) -> None:
        after = {"dependency": "afterany:JOBS"} if waits else {}
        texts.append(script(request.profile, parameters | after, journal.folder / name, count))

    for array in proposal.arrays:
        name = f"{request.name}-TOKEN"
        waits = bool(texts or proposal.live_sources(array))
        add(name, _parameters(request, array, name, code), waits, len(array.configs))
    if proposal.tables:
        name, waits = "notebook-TOKEN", bool(proposal.arrays or proposal.live)
        add(name, _parameters(request, None, name, code), waits, len(proposal.tables))
    return texts


def _parameters(request: Request, array: Array | None, name: str, code: Path) -> dict[str, Any]:
    """Parameters of sbatch for an array of runs; None: for the notebooks."""
    data_file = data_file_of_jobs()
    if array is None:
        return notebook_parameters(request.profile, name, code, data_file)
    found = run_parameters(request.profile, array.shape, name, code, data_file)
    return found | {"array_parallelism": request.profile.parallel}


def _carry_out(
    request: Request, proposal: Proposal, journal: Journal, tell: Callable[[Submission], None]
) -> list[Submission]:
    if not proposal.arrays and not proposal.tables:
        return []
    prepare(proposal.configs, request.store)
    code = freeze_code(journal.folder / "code")
    done: list[Submission] = []

    def hand_in(
        array: Array | None, items: Sequence[str], calls: Sequence[Callable], waits: Iterable[str]
    ) -> None:
        name = f"{request.name if array else 'notebook'}-{secrets.token_hex(3)}"
        parameters = _parameters(request, array, name, code) | _after(waits)
        submission = Submission(
            token=name,
            kind="runs" if array else "notebook",
            state="intended",
            items=tuple(items),
            code=str(code),
            folder=str(journal.folder / name),
            gpus=array.shape.gpus if array else 0,
        )
        done.append(_submit(request, journal, submission, parameters, calls))
        tell(done[-1])

    def submitted() -> list[str]:
        return [job_id for submission in done for job_id in submission.job_ids]

    for array in proposal.arrays:
        runs = [request.store.run(config.run_id) for config in array.configs]
        arguments = array.shape.execute_arguments(request.profile)
        calls = [RunJob(str(run.path), arguments, request.profile.requeue) for run in runs]
        # One array after the other, by level; this also keeps to `parallel`.
        waits = [*submitted(), *proposal.live_sources(array)]
        hand_in(array, [run.run_id for run in runs], calls, waits)
    if proposal.tables:
        marks = {table: str(journal.rendered_mark(table)) for table in proposal.tables}
        jobs = [CommandJob(request.notebooks[table], mark) for table, mark in marks.items()]
        hand_in(None, proposal.tables, jobs, [*proposal.live.values(), *submitted()])
    return done


def _submit(
    request: Request,
    journal: Journal,
    submission: Submission,
    parameters: dict[str, Any],
    calls: Sequence[Callable],
) -> Submission:
    """One sbatch between two entries of the journal."""
    noted = journal.intend(submission)
    try:
        jobs = submit_array(request.profile, parameters, Path(submission.folder), calls)
    except SubmissionError as error:
        with contextlib.suppress(VswinError):  # an answer that was lost is no refusal
            _reconcile(journal)
        what = "of the notebooks" if submission.kind == "notebook" else f"of {len(calls)} runs"
        raise SubmissionError(f"jobs {what}: {error}") from error
    return journal.submitted(noted, jobs)


def _reconcile(journal: Journal) -> None:
    """Settles what a submitter left that died, or got no answer, between sbatch and its notes.

    A job whose pickle is in place is adopted; one without can never start, and is cancelled.
    """
    intended = [s for s in journal.submissions() if s.state == "intended"]
    if not intended:
        return
    queue = read_queue()
    if queue.problem is not None:
        raise SubmissionError(
            "a submission was cut off, and the queue cannot be asked what became of it: "
            f"{queue.problem}"
        )
    for submission in intended:
        folder = Path(submission.folder)
        jobs = [job for job in queue.jobs.values() if job.name == submission.token]
        # Named after the job once they are in place; jobs that have ended may be forgotten by now.
        whole = [p.name.removesuffix(PICKLE) for p in folder.glob(f"*{PICKLE}")]
        cancel_jobs([j.job_id for j in jobs if j.job_id not in whole and j.phase in PRESENT])
        if not whole:
            journal.drop(submission)
            shutil.rmtree(folder, ignore_errors=True)
            continue
        whole.sort(key=_index)
        items = tuple(submission.items[_index(job_id)] for job_id in whole)
        journal.submitted(dataclasses.replace(submission, items=items), tuple(whole))


def _index(job_id: str) -> int:
    """The place in its array that a job's id tells."""
    return int(job_id.partition("_")[2] or 0)


def _after(jobs: Iterable[str]) -> dict[str, str]:
    """Waits until jobs have ended, however; an array is named as a whole."""
    bases = dict.fromkeys(job.partition("_")[0] for job in jobs)
    return {"dependency": "afterany:" + ":".join(bases)} if bases else {}
