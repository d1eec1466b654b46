"""A substitute for Slurm's commands, for what must be tested where there is none.

It keeps a queue in a file and runs nothing. tests/slurm does it all with a real Slurm.
"""

import json
import os
import stat
import sys
from pathlib import Path

PROGRAM = """#!{python}
import fcntl, json, os, re, signal, sys
from pathlib import Path

folder = Path(__file__).parent
name = Path(__file__).name
with (folder / "guard").open("w") as guard:
    fcntl.flock(guard, fcntl.LOCK_EX)
    path = folder / "queue.json"
    queue = json.loads(path.read_text()) if path.exists() else []
    if name == "sbatch":
        text = sys.stdin.read() if "--test-only" in sys.argv else Path(sys.argv[-1]).read_text()
        if "partition=nowhere" in text:
            sys.exit("sbatch: error: invalid partition specified: nowhere\\n"
                     "sbatch: error: Batch job submission failed: Invalid partition name specified")
        if "--test-only" in sys.argv:
            print("sbatch: Job 1 to start at 2026-01-01T00:00:00", file=sys.stderr)
            sys.exit(0)
        base = 7 + len(list(folder.glob("*.sh")))
        job_name = re.search("job-name=(.*)", text)[1]
        array = re.search("array=0-(.*)%", text)
        ids = [f"{{base}}_{{k}}" for k in range(int(array[1]) + 1)] if array else [str(base)]
        queue += [{{"id": i, "name": job_name, "state": "PENDING"}} for i in ids]
        path.write_text(json.dumps(queue))
        (folder / f"{{base}}.sh").write_text(text)
        if (folder / "die").exists():
            os.kill(os.getppid(), signal.SIGKILL)
        print(f"Submitted batch job {{base}}")
    elif name == "squeue":
        if (folder / "down").exists():
            sys.exit("squeue: error: Unable to contact slurm controller (connect failure)")
        for job in queue:
            print(f"{{job['id']}}|{{job['state']}}|0:00|n1|None|{{job['name']}}|.")
    elif name == "scancel":
        path.write_text(json.dumps([job for job in queue if job["id"] not in sys.argv[1:]]))
    elif name == "sacct":
        sys.exit("Slurm accounting storage is disabled")
"""


class FakeSlurm:
    """Its commands lie in `folder`, which must come first on PATH."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        for name in ("sbatch", "squeue", "scancel", "sacct", "srun", "scontrol"):
            path = folder / name
            path.write_text(PROGRAM.format(python=sys.executable))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def path(self):
        return f"{self.folder}:{os.environ['PATH']}"

    @property
    def queue(self):
        file = self.folder / "queue.json"
        return json.loads(file.read_text()) if file.exists() else []

    def set_state(self, job_id, state):
        queue = [job | ({"state": state} if job["id"] == job_id else {}) for job in self.queue]
        (self.folder / "queue.json").write_text(json.dumps(queue))

    def forget(self, *job_ids):
        queue = [job for job in self.queue if job["id"] not in job_ids]
        (self.folder / "queue.json").write_text(json.dumps(queue))

    def script(self, job_id):
        return Path(self.folder / f"{job_id}.sh").read_text()
