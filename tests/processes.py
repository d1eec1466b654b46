"""Processes for tests of what happens to processes: quick ones, forked from one that knows torch.

They are as good as `subprocess.Popen([sys.executable, ...])`: processes of their own, with an
environment and output of their own, which can be killed. They only need not import torch, which
takes longer than what they are started for.
"""

import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["vswin.runs.execute", "torch._dynamo", "fvcore.nn"])


class Started:
    """A process, with what is used of `subprocess.Popen`."""

    def __init__(self, program, argv, env):
        folder = Path(tempfile.mkdtemp(dir=os.environ["HOME"]))  # the session's, see conftest
        # Pipes, so that neither a full disk nor a limit on files concerns them; 64 KiB fit in.
        names = [str(folder / "stdout"), str(folder / "stderr")]
        for name in names:
            os.mkfifo(name)
        self.output = [os.open(name, os.O_RDONLY | os.O_NONBLOCK) for name in names]
        words = [str(word) for word in (program, *argv)]
        environment = dict(os.environ if env is None else env)
        self.process = CONTEXT.Process(target=_become, args=(words, environment, names))
        self.process.start()
        self.pid = self.process.pid

    @property
    def returncode(self):
        return self.process.exitcode

    def poll(self):
        return self.returncode

    def wait(self, timeout=None):
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.process), timeout)
        return self.returncode

    def communicate(self, timeout=None):
        self.wait(timeout)
        return tuple(os.read(pipe, 1 << 16).decode() for pipe in self.output)

    def send_signal(self, signum):
        if self.returncode is None:
            os.kill(self.pid, signum)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def start(program, *argv, env=None):
    """Starts a program: a module that has a `main`, or a file.

    Args:
        program: its name or path.
        argv: its arguments.
        env: its environment (default: ours).
    """
    return Started(program, argv, env)


def run(program, *argv, env=None, timeout=200):
    """Starts a program and waits for it; returns what `subprocess.run` would."""
    started = start(program, *argv, env=env)
    out, err = started.communicate(timeout)
    return subprocess.CompletedProcess([program, *argv], started.returncode, out, err)


def _become(words, env, names):
    for number, name in enumerate(names, start=1):
        target = os.open(name, os.O_WRONLY)
        os.dup2(target, number)
        os.close(target)
    os.environ.clear()
    os.environ.update(env)
    sys.argv, program = words, words[0]
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        sys.exit(importlib.import_module(program).main())
