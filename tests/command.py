"""The command line in the process of the test: what a process of its own would say and return."""

import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from vswin.cli.main import main


def vswin(*args, cwd=None, env=None):
    """Runs `vswin ARGS`, without a terminal; a wide one keeps lines whole.

    Returns what `subprocess.run` would. What the command changes of the process (its environment,
    its folder) is as before afterwards. Signals and what is imported need a process of its own.
    """
    words = ["vswin", *map(str, args)]
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "200"} | (env or {})),
        mock.patch.multiple(sys, argv=words, stdin=io.StringIO(), stdout=out, stderr=err),
    ):
        os.chdir(cwd or before)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            os.chdir(before)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def vswin_process(*args, cwd=None, env=None, check=False):
    """The same in a process of its own, for what kills it or counts what it imports."""
    return subprocess.run(
        [sys.executable, "-m", "vswin", *map(str, args)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"} | (env or {}),
        check=check,
        timeout=300,  # a command that should refuse must not train instead
    )
