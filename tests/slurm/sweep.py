"""One run of Table 5 on a cluster, in the hands of a test."""

import json
import os
import subprocess
import sys

from tests.slurm import cluster as tools
from vswin.files import read_json

ROW = "dim4"
STUDY = ("table5", "--protocol", "smoke", "--seeds", "1")
ONE = (*STUDY, "--row", ROW)
EPOCHS = 200


def run_here(project, results, *study, variables=()):
    command = [sys.executable, "-m", "vswin", "run", *study, "--results-dir", str(results)]
    environment = {**os.environ, "PYTHONPATH": str(project), **dict(variables)}
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Sweep:
    """One run of table 5 on the cluster."""

    def __init__(self, slurm, project, folder, **keys):
        self.slurm, self.project, self.results = slurm, project, folder / "results"
        self.profile = tools.profile(folder / "cluster.toml", **keys)

    def vswin(self, command, *options, study=ONE, **how):
        where = ("--results-dir", self.results)
        return self.slurm.vswin(command, *study, *where, *options, project=self.project, **how)

    def submit(self, *options, command="submit", **how):
        """Submits; the id of the run's job, None if nothing was submitted."""
        where = ("--profile", self.profile, "--no-notebook", "--json")
        done = self.vswin(command, *where, *options, **how)
        submissions = json.loads(done.stdout)["submissions"]
        return submissions[0]["job_ids"][0] if submissions else None

    def submit_raw(self, study, **how):
        """Submits and returns what was printed."""
        where = ("--profile", self.profile, "--no-notebook")
        return self.vswin("submit", *where, study=study, **how)

    @property
    def run(self):
        (folder,) = (self.results / "smoke" / "runs").glob("*")
        return folder

    @property
    def status(self):
        return read_json(self.run / "status.json") or {}

    def told(self, code):
        """Where the run stands, as `vswin status` says with that exit code."""
        study = [word for word in ONE if word not in ("--row", ROW)]
        answer = json.loads(self.vswin("status", "--json", study=study, code=code).stdout)
        rows = [row for table in answer["tables"] for row in table["rows"]]
        return {run["run_id"]: run for row in rows for run in row["runs"]}[self.run.name]

    def wait_for_epoch(self, epoch, attempt=1):
        def reached():
            return self.status.get("epoch", 0) >= epoch and self.status["attempt"] == attempt

        self.slurm.wait_for(reached, 60, f"epoch {epoch} of attempt {attempt}")

    def process(self):
        """The process that executes the run."""
        return json.loads((self.run / "lock").read_text())["pid"]

    def wait_until_done(self, job, states=("COMPLETED",)):
        (state,) = self.slurm.wait_for_end(job, seconds=150)
        assert state in states, self.log(job)

    def log(self, job):
        return "\n".join(path.read_text() for path in self.results.glob(f"*/jobs/*/{job}_*.out"))

    def goes_on_when_requeued(self, job):
        """Waits for the requeue, cuts Slurm's wait short, and waits for the end."""
        self.slurm.wait_for(lambda: self.slurm.restarts(job), 45, f"{job} is requeued")
        if self.slurm.state(job) == "PENDING":  # a slow machine may have gone on by itself
            self.slurm.start_now(job)
        self.wait_until_done(job)

    def wait_until_down(self, node):
        is_down = lambda: self.slurm.nodes()[node].startswith("down")  # noqa: E731
        self.slurm.wait_for(is_down, 60, f"{node} is down")

    def require_same(self, reference, attempts):
        """The run went on from a checkpoint, and ended as one that nothing happened to."""
        tools.assert_same_study(self.results, reference)
        assert self.status["attempt"] == attempts
        assert self.told(code=0)["state"] == "done"
        assert self.submit() is None
        lines = (self.run / "metrics.jsonl").read_text().splitlines()
        assert len(lines) < EPOCHS + 3 * attempts  # it was not begun anew
