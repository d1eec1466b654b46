"""Runs, results and jobs as there may be, made by hand."""

import json

from tests import results as results_by_hand
from vswin.experiments.planning import plan_study
from vswin.launch.slurm.journal import Journal, Submission

STATUS = {"state": "training", "step": 3, "steps": 60, "epoch": 2, "loss": 1.25, "top1": 0.5,
          "attempt": 2, "heartbeat": 1.0, "pid": 1, "host": "n7", "job": None, "seconds": 1800.0,
          "gpus": 4}  # fmt: skip
ERROR = {"type": "DivergedError", "message": "loss is nan at step 7", "traceback": "", "attempt": 1}


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
