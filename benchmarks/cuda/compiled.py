"""Command B: the same compiled. Compiling takes minutes, so that processes do it side by side.

They fill one cache. Then each case is timed in a process of its own, with nothing beside it.
`python -m benchmarks.cuda.compiled JSON` is such a process.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.models import rates
from benchmarks.cuda.setting import THEIRS, WITHOUT_TRITON, Setting
from benchmarks.machine import forget_peak, memory_mib
from benchmarks.steps import Mode, step_of

ROOT = Path(__file__).parents[2]
COMPILE_SECONDS = 170
TIME_SECONDS = 90


@dataclasses.dataclass(frozen=True)
class Case:
    """What is compiled."""

    preset: str
    mode: Mode
    clips: int
    who: str

    @property
    def name(self) -> str:
        """Like that of the eager cell."""
        return f"{self.preset} {self.mode} {self.clips}, {self.who}, compiled"


def cases(setting: Setting) -> list[Case]:
    """The most important first."""
    clips = setting.clips[0]
    found = [Case("swin_t", "train", clips, setting.ours)]
    if setting.tiny:
        return found
    return [
        *found,
        Case("swin_t", "train", clips, THEIRS),
        Case("swin_t", "train", clips, WITHOUT_TRITON),
        *(Case("swin_t", "forward", clips, who) for who in (setting.ours, THEIRS)),
        *(Case("swin_b", "train", clips, who) for who in (setting.ours, THEIRS)),
    ]


def cells(setting: Setting, cache: str) -> list[Cell]:
    """Compiling Swin-T, its timing, and likewise Swin-B, for together they would not fit.

    Args:
        setting: as in the other cells.
        cache: a folder for what was compiled.
    """
    wanted = cases(setting)
    found = []
    for preset in dict.fromkeys(case.preset for case in wanted):
        of_preset = [case for case in wanted if case.preset == preset]
        prepare = functools.partial(compile_all, setting, of_preset, cache)
        names = tuple(case.name for case in of_preset)
        guess = 20 if setting.tiny else 100
        found.append(Cell(f"compiling {preset}", prepare, guess, prepares=names))
        for case in of_preset:
            what = dataclasses.asdict(case) | {"variant": case.who, "compiled": True}
            what["batch"] = what.pop("clips")
            del what["who"]
            timing = functools.partial(time_one, setting, case, cache)
            found.append(Cell(case.name, timing, 20 if setting.tiny else 35, what))
    return found


def compile_all(setting: Setting, wanted: list[Case], cache: str) -> Line:
    """Seconds until the last process has done its first step, or was ended, as it is too slow."""
    if setting.tiny:
        return {"processes": 0}
    start = time.perf_counter()
    end = min(start + COMPILE_SECONDS, setting.until)
    running = {case: subprocess.Popen(**_process(setting, case, cache, turns=0)) for case in wanted}
    for case, process in running.items():
        try:
            process.wait(max(1.0, end - time.perf_counter()))
        except subprocess.TimeoutExpired:
            process.kill()
            setting.found["too slow", case] = time.perf_counter() - start
    late = sum(("too slow", case) in setting.found for case in wanted)
    return {
        "processes": len(running),
        "compile_s": time.perf_counter() - start,
        "too_slow": late,
        "failed": sum(process.wait() != 0 for process in running.values()) - late,
    }


def time_one(setting: Setting, case: Case, cache: str) -> Line:
    """As the eager cells.

    Raises:
        RuntimeError: with the process's last words, if it fails; at once, if the case was not
            compiled in time, for that would take all that is left.
    """
    if (seconds := setting.found.get(("too slow", case))) is not None:
        raise RuntimeError(f"compiling was ended after {seconds:.0f} s")
    limit = None
    if not setting.tiny:
        limit = max(1.0, min(TIME_SECONDS, setting.until - time.perf_counter()))
    done = subprocess.run(**_process(setting, case, cache, turns=10), timeout=limit, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise RuntimeError(said[-1])
    found = json.loads(done.stdout.splitlines()[-1])
    took = found.pop("step_s")
    return rates(setting, case.preset, case.mode, case.clips, took) | found


def _process(setting: Setting, case: Case, cache: str, turns: int) -> dict[str, Any]:
    asked = {"tiny": setting.tiny, "device": str(setting.device), "turns": turns}
    argument = json.dumps(asked | {"case": dataclasses.asdict(case)})
    kept = {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_FX_GRAPH_CACHE": "1"}
    found: dict[str, Any] = {
        "args": [sys.executable, "-m", "benchmarks.cuda.compiled", argument],
        "cwd": ROOT,
        "env": os.environ | kept | {"TORCHINDUCTOR_AUTOGRAD_CACHE": "1"},
    }
    if turns:
        return found | {"capture_output": True, "text": True}
    return found | {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def main(argument: str) -> None:
    """One case in this process: its first step, which compiles, and `turns` more."""
    asked = json.loads(argument)
    setting, case = Setting(torch.device(asked["device"]), asked["tiny"]), Case(**asked["case"])
    backend = "eager" if setting.tiny else "inductor"  # a test has no time for a compiler
    with setting.taking(case.preset, case.who) as model:
        run = torch.compile(model, dynamic=False, backend=backend)
        step = step_of(model, setting.clip(case.clips), case.mode, torch.bfloat16, run)
        forget_peak(setting.device)
        before = memory_mib(setting.device)
        first = setting.timed(step, turns=1, before=0)
        if asked["turns"]:
            forget_peak(setting.device)  # what compiling took
            took = setting.timed(step, asked["turns"])
            used = (memory_mib(setting.device) - before) / 2**10
            print(json.dumps({"first_s": first, "step_s": took, "peak_gib": used}))


if __name__ == "__main__":
    main(sys.argv[1])
