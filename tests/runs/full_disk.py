"""A run whose disk is full when it comes to a certain write. `python full_disk.py FOLDER FILE ...`.

With a ballast file on the disk, the refusal is the kernel's own ENOSPC; without, a limit on the
size of files makes every write fail as well, which takes no rights.
"""

import contextlib
import resource
import sys
from pathlib import Path

from vswin import files
from vswin.runs import execute as executing
from vswin.runs.store import RunFolder

folder, target, ballast = RunFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3:]


def fill():
    if not ballast:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return
    with contextlib.suppress(OSError), Path(ballast[0]).open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def drain():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    for path in ballast:
        Path(path).unlink(missing_ok=True)


def make_full_before(owner, name, is_due, and_empty_after=False):
    """Lets `owner.name` run on a full disk whenever `is_due(*args)`."""
    original = getattr(owner, name)

    def wrapped(*args, **kwargs):
        if not is_due(*args, **kwargs):
            return original(*args, **kwargs)
        fill()
        try:
            return original(*args, **kwargs)
        finally:
            if and_empty_after:
                drain()

    setattr(owner, name, wrapped)


if target == "metrics.jsonl":
    make_full_before(RunFolder, "append_metrics", lambda run, line: line["epoch"] == 1)
elif target == "status.json":
    make_full_before(RunFolder, "write_status", lambda *a, **k: True, and_empty_after=True)
else:
    make_full_before(files.tempfile, "mkstemp", lambda prefix, **k: target in prefix)
sys.exit(executing.main([str(folder.path), "--threads", "1"]))
