"""A cluster of slurm/one-machine, in the hands of a test; and what two runs have in common."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from vswin.project import project_root

ONE_MACHINE = project_root() / "slurm" / "one-machine"
TIMES = {"seconds", "clips_per_second", "train_seconds"}
"""What differs between two executions of one run: how long they took."""


def why_not():
    """Why this machine cannot have a cluster, None if it can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "Slurm's daemons need Linux and root"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [n for n in ("slurmctld", "slurmd", "munged") if not shutil.which(n, path=path)]
    return f"{', '.join(missing)} not installed; see make test-slurm" if missing else None


def require_slurm():
    """Skips without Slurm; `make test-slurm` insists on it."""
    if reason := why_not():
        if os.environ.get("VSWIN_TEST_SLURM"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


def one_machine(*args):
    """Runs slurm/one-machine, which must succeed; what it printed."""
    done = subprocess.run(
        [sys.executable, str(ONE_MACHINE), *map(str, args)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"one-machine {args[0]}: {done.stderr}"
    return done.stdout


def processes_of(folder):
    """Process id -> command line of everything that a cluster's folder is in, but this process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in words:
            found[int(entry.name)] = words.decode(errors="replace").replace("\0", " ")
    return found


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Two nodes, n1 and n2, of 4 CPUs, 8000 MB and 4 GPUs that are none."""

    folder: Path

    def environment(self):
        """Variables of a shell on the login node."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH", "VSWIN"))
        }
        return {**kept, "SLURM_CONF": f"{self.folder}/slurm.conf"}

    def run(self, *command, code=0, timeout=60, **options):
        """Runs a command on the login node; `code=None` allows any exit code."""
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False,
            timeout=timeout, env=self.environment(), **options,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, (
                f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def vswin(self, *args, code=0, timeout=180, project=None, variables=()):
        """Runs vswin on the login node; the code of another project folder, if one is given."""
        changed = {**self.environment(), **dict(variables)}
        if project is not None:
            changed["PYTHONPATH"] = str(project)
        done = subprocess.run(
            [sys.executable, "-m", "vswin", *map(str, args)], cwd=project or project_root(),
            capture_output=True, text=True, check=False, timeout=timeout, env=changed,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, (
                f"vswin {' '.join(map(str, args))}: {done.returncode}\n"
                f"{done.stdout}\n{done.stderr}\n{self.describe()}"
            )
        return done

    def sbatch(self, *args, wrap="true"):
        """Submits a plain job, whose output is dropped; its id."""
        command = ["sbatch", "--parsable", "--output=/dev/null", *args, f"--wrap={wrap}"]
        return self.run(*command).stdout.strip()

    def states(self, job=None):
        """Job id ("A_k" in an array) -> Slurm's word, of every job that Slurm still knows."""
        return {i: state for i, (state, _, _) in self._queue(job).items()}

    def state(self, job):
        """Slurm's word for one job, None if Slurm does not know it."""
        return self.states(job).get(job)

    def node(self, job):
        """The node that one job runs or ran on, "" if none."""
        return self._queue(job)[job][1]

    def reason(self, job):
        """Why a job waits, in Slurm's word."""
        return self._queue(job)[job][2]

    def _queue(self, job=None):
        chosen = [] if job is None else [f"--jobs={job.partition('_')[0]}"]
        done = self.run(
            "squeue",
            "--array",
            "--noheader",
            "--states=all",
            "--format=%i|%T|%N|%r",
            *chosen,
            code=None,
        )
        lines = [line.split("|") for line in done.stdout.splitlines()]
        return {i: (state, node, reason) for i, state, node, reason in lines}

    def wait_for(self, predicate, seconds, what):
        """Waits until `predicate()` is true; what it returned. Fails with the queue and a log."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := predicate():
                return found
            time.sleep(0.2)
        pytest.fail(f"not within {seconds} s: {what}\n{self.describe()}")

    def wait_for_state(self, job, *states, seconds=60):
        """Waits until a job is in one of the states; which."""
        wanted = " or ".join(states)
        return self.wait_for(
            lambda: (state := self.state(job)) in states and state, seconds, f"{job} {wanted}"
        )

    def wait_for_end(self, *jobs, seconds=120):
        """Waits until jobs neither wait nor run; Slurm's words."""
        moving = {
            "PENDING",
            "CONFIGURING",
            "RUNNING",
            "COMPLETING",
            "REQUEUED",
            "SUSPENDED",
            "STOPPED",
        }
        self.wait_for(
            lambda: not any(self.state(job) in moving for job in jobs), seconds, f"{jobs} ended"
        )
        return [self.state(job) for job in jobs]

    def describe(self):
        """The queue, the nodes and the end of the controller's log."""
        queue = self.run(
            "squeue", "--array", "--states=all", "--format=%i %P %j %T %r %N", code=None
        )
        nodes = self.run("sinfo", "--Node", "--long", code=None)
        log = (self.folder / "slurmctld.log").read_text(errors="replace").splitlines()[-25:]
        return "\n".join([queue.stdout, nodes.stdout, *log])

    def restarts(self, job):
        """How often Slurm has put a job back into the queue."""
        said = self.run("scontrol", "show", "job", job, "--oneliner").stdout
        return int(re.search(r"\bRestarts=(\d+)", said)[1])

    def start_now(self, job):
        """Ends the wait of a requeued job, if it waits (10 s here, two minutes elsewhere)."""
        self.run("scontrol", "update", f"jobid={job}", "StartTime=now", code=None)

    def limit_minutes(self, job, minutes):
        """Changes a job's time limit; Slurm looks at limits twice a minute."""
        self.run("scontrol", "update", f"jobid={job}", f"TimeLimit={minutes}")

    def signal(self, job, name="USR2"):
        """Signals a job's steps, as Slurm does before a time limit."""
        self.run("scancel", f"--signal={name}", job)

    def kill_slurmd(self, node):
        """Kills a node's slurmd alone: its jobs go on, and nobody hears of them."""
        os.kill(int((self.folder / f"{node}.pid").read_text()), signal.SIGKILL)

    def kill_node(self, node):
        """Kills a node's slurmd and all processes of its jobs."""
        one_machine("kill-node", node, self.folder)

    def start_node(self, node):
        """Brings a node back, and waits until it can take jobs."""
        one_machine("start-node", node, self.folder)
        self.wait_for(
            lambda: self.nodes()[node] in ("idle", "mixed", "allocated"), 40, f"{node} up"
        )

    def nodes(self):
        """Node -> Slurm's word for its state ("down*": it does not answer)."""
        done = self.run("sinfo", "--noheader", "--Node", "--partition=batch", "--format=%N %T")
        return dict(line.split() for line in done.stdout.splitlines())

    def stop_controller(self):
        """Ends slurmctld; squeue and sbatch get no answer until it is started."""
        one_machine("stop-controller", self.folder)

    def start_controller(self):
        """Starts slurmctld and waits until it answers."""
        one_machine("start-controller", self.folder)
        self.wait_for(lambda: self.run("sinfo", code=None).returncode == 0, 30, "slurmctld answers")

    def clear(self):
        """Cancels what is left, and brings back what a test took down."""
        if self.run("scontrol", "ping", code=None).returncode:
            self.start_controller()
        self.run("scancel", "--user=root")
        for node in ("n1", "n2"):
            if not _is_alive(int((self.folder / f"{node}.pid").read_text())):
                one_machine("start-node", node, self.folder)
        ready = {"n1": "idle", "n2": "idle"}
        self.wait_for(lambda: self.nodes() == ready, 60, "both nodes idle again")


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def profile(path, **keys):
    """Writes a profile for the cluster: one CPU and 1 GB for a run, unless `keys` say otherwise."""
    values = {"cpus_per_process": 1, "mem_gb_per_node": 1, "partition": "batch", "time": 30, **keys}
    values["notebook"] = {"cpus": 1, "mem_gb": 1, **values.get("notebook", {})}
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in values.items()))
    return path


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)  # strings, numbers, booleans and lists are written alike


def copy_of_project(folder, epochs=None, steps_per_epoch=None):
    """A clone of this working tree at its present state, for tests that edit code or experiments.

    With `epochs` or `steps_per_epoch`, protocol smoke is made longer there, for runs that something
    shall happen to; its run ids are others, then.
    """
    root = project_root()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "vswin",
         "experiments", "notebooks", "slurm", "pyproject.toml", "Makefile", "README.md"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    smoke = folder / "experiments" / "protocols" / "smoke.yaml"
    text = smoke.read_text()
    for key, value in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
        if value is not None:
            text = re.sub(rf"^( +{key}:) \d+$", rf"\1 {value}", text, flags=re.MULTILINE)
    smoke.write_text(text)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "as it is"]):
        subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)
    return folder


def outcome(run):
    """All that a run's execution must not change: a run folder's content without its times."""
    run = Path(run)
    result = json.loads((run / "result.json").read_text())
    by_epoch = {}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        by_epoch[entry["epoch"]] = _without_times(entry)
    with np.load(run / "predictions.npz") as file:
        predictions = {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in file.items()}
    weights = run / "weights.safetensors"
    return {
        "result": _without_times(result),
        "metrics": by_epoch,
        "predictions": predictions,
        "weights": _tensors(weights) if weights.exists() else None,
        "configuration": json.loads((run / "run.json").read_text()),
    }


def _tensors(path):
    """Of a weights file; what stands before them in the file has no order."""
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in load_file(path).items()}


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    return value


def assert_same_outcome(run, reference):
    """Two executions of one run ended with the same bits."""
    ours, theirs = outcome(run), outcome(reference)
    different = [part for part in theirs if ours[part] != theirs[part]]
    assert not different, f"{run} and {reference} differ in {', '.join(different)}"


def assert_same_study(results, reference, protocol="smoke"):
    """Two results folders hold the same runs, with the same bits."""
    ours, theirs = (Path(folder) / protocol / "runs" for folder in (results, reference))
    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names
    for name in names:
        assert_same_outcome(ours / name, theirs / name)
