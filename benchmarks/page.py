"""What was measured, as text: `python -m benchmarks page`.

Writes benchmarks/README.md and the section "Speed" of README.md from the tables in
benchmarks/results. No figure in either comes from anywhere else.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from benchmarks.cuda.table import (
    beside_torchvision,
    comparisons,
    largest_batches,
    loops,
    profiles,
)
from benchmarks.machine import RESULTS, BenchmarkError
from benchmarks.models import CASES
from vswin.files import write_text
from vswin.models.swin.variants import DEFAULTS

ROOT = RESULTS.parents[1]
PROXY = "proxy-train-32x16x24"
_SECTION = re.compile(r"^## Speed\n.*?(?=^## )", re.M | re.S)
_WIDTH = 105
"""Columns that a paragraph is filled up to."""


def write() -> list[Path]:
    """Renders both pages into their files.

    Raises:
        BenchmarkError: as `pages`.
    """
    found = pages()
    for path, text in found.items():
        write_text(path, text)
    return list(found)


def pages(results: Path = RESULTS) -> dict[Path, str]:
    """The two pages by the file that each belongs in.

    Raises:
        BenchmarkError: if a table or the section is missing.
    """
    content = _content(results)
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    section = _render("speed.md.j2", content)
    text, replaced = _SECTION.subn(lambda _: section, text)
    if replaced != 1:
        raise BenchmarkError(f"{readme} has {replaced} sections '## Speed', wanted one")
    return {ROOT / "benchmarks" / "README.md": _render("page.md.j2", content), readme: text}


def _content(results: Path) -> dict[str, Any]:
    """What the templates speak about."""
    cpu, mvit = _table(results, "cpu"), _table(results, "mvit")
    profile = pd.concat([_table(results, name) for name in ("profile", "mvit_profile")])
    training, report = (_table(results, name).iloc[0] for name in ("training", "report"))
    cuda = _table(results, "cuda") if (results / "cuda.csv").exists() else None
    return {
        "cpu": cpu,
        "faster": _presets(cpu[cpu.speedup_min > 1]),
        "undecided": list(cpu[cpu.speedup_min <= 1].itertuples()),
        "less_memory": bool((cpu.ours_peak_mib < cpu.torchvision_peak_mib).all()),
        "cuda": cuda,
        "on_gpu": [] if cuda is None else beside_torchvision(cuda),
        "profiled": [] if cuda is None else profiles(cuda),
        "loops": [] if cuda is None else loops(cuda),
        "compared": (0, []) if cuda is None else comparisons(cuda),
        "largest": [] if cuda is None else largest_batches(cuda),
        "defaults": DEFAULTS,
        "profiles": {case: _Profile(lines) for case, lines in profile.groupby("case", sort=False)},
        "proxy": PROXY,
        "kernels": _table(results, "kernels"),
        "mvit": mvit,
        "mvit_kernels": _table(results, "mvit_kernels"),
        "mvit_aims": [_Aim(line) for line in mvit.itertuples()],
        "training": training,
        "batch_ms": 1e3 * CASES[PROXY].batch / training.clips_per_s,
        "decoding": list(_table(results, "decoding").itertuples()),
        "report": report,
    }


def _table(results: Path, name: str) -> pd.DataFrame:
    path = results / f"{name}.csv"
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise BenchmarkError(f"{path} is missing; `python -m benchmarks` measures it") from None


def _presets(table: pd.DataFrame) -> list[str]:
    """Those in the table, without repetition."""
    return list(dict.fromkeys(case.split("-")[0] for case in table.case))


class _Profile:
    """One case of profile.csv."""

    def __init__(self, lines: pd.DataFrame) -> None:
        ms = lines.pivot_table(index="kind", columns="model", values="ms").fillna(0)
        self.ms = ms.loc[ms.max(axis=1).sort_values(ascending=False, kind="stable").index]
        """Milliseconds by kind of operator (what takes longest comes first) and model."""
        self.step_ms = lines.groupby("model").step_ms.first()
        """Of the whole step, by model."""
        self.bound_ms = lines.groupby("model").at_matmul_rate_ms.first()
        """Of the step's work at the rate of a large product, by model."""

    def share(self, *kinds: str) -> float:
        """Of our step's time."""
        return self.ms.ours[list(kinds)].sum() / self.step_ms.ours


class _Aim:
    """What was aimed at in a case of mvit.csv, and what came of it."""

    def __init__(self, line: Any) -> None:
        self.case: str = line.case
        self.speedup: float = line.speedup
        self.memory: float = line.ours_peak_mib / line.torchvision_peak_mib
        self.wanted = 1.5 if "-train-" in line.case else 1.6
        """Times as fast."""
        self.reached: bool = line.speedup >= self.wanted


def _render(template: str, content: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "paragraph": _paragraph,
        "rate": _rate,
        "whole": "{:,.0f}".format,
        "gib": _gib,
    }
    return environment.get_template(template).render(content)


def _paragraph(text: str) -> str:
    """Fills lines as far as they go, whatever the figures in them are."""
    words = " ".join(text.split())
    return textwrap.fill(words, _WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _rate(x: float) -> str:
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def _gib(x: float | None) -> str:
    """Memory, where it was measured."""
    return "-" if x is None or pd.isna(x) else f"{x:.1f}"
