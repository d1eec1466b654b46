"""A place of runs and jobs made by hand, to be asked where its runs stand."""

from tests.runs.test_identity import BASE
from vswin.launch.slurm.journal import Journal, Submission
from vswin.launch.slurm.queue import Job, Queue, phase_of
from vswin.launch.status import statuses_of
from vswin.runs.store import Store

STATUS = {
    "state": "training",
    "step": 30,
    "steps": 600,
    "eta_s": 95,
    "epoch": 2,
    "loss": 1.25,
    "top1": 0.5,
    "attempt": 3,
    "heartbeat": 1.0,
    "pid": 1,
    "host": "n7",
    "job": "7_2",
    "seconds": 7200.0,
    "gpus": 8,
}
ERROR = {"type": "DivergedError", "message": "loss is nan\n  at step 7\n", "traceback": ""}
NOT_THERE = "slurm_load_jobs error: Unable to contact slurm controller"


class Place:
    """A store with a journal, and a queue to be asked."""

    def __init__(self, folder):
        self.store = Store(folder, "smoke")
        self.journal = Journal(self.store)
        self.jobs = {}
        self.problem = None

    def run(self, config=BASE, exists=True):
        run = self.store.run(config.run_id)
        if exists:
            run.create(config)
        return run

    def submit(self, *items, ids, token="t", state="submitted", kind="runs"):
        self.journal.folder.mkdir(parents=True, exist_ok=True)
        folder = self.journal.folder / token
        folder.mkdir()
        items = tuple(item if isinstance(item, str) else item.run_id for item in items)
        noted = self.journal.intend(Submission(token, kind, "intended", items, "", str(folder)))
        return self.journal.submitted(noted, tuple(ids)) if state == "submitted" else noted

    def slurm(self, job_id, state, reason="", nodes="", name="t"):
        self.jobs[job_id] = Job(job_id, name, state, phase_of(state), reason, 5, nodes)

    def see(self, *runs, sources=None):
        queue = Queue(self.jobs, self.problem)
        found = statuses_of(runs, self.journal, queue, sources)
        assert [s.run for s in found] == list(runs)
        return found[0]
