"""From lines to benchmarks/results/cuda.csv, and what the page says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.cuda.setting import OURS, THEIRS, WITHOUT_TRITON
from benchmarks.machine import RESULTS, BenchmarkError
from vswin.files import write_text

LINES = RESULTS / "cuda.jsonl"
TABLE = RESULTS / "cuda.csv"


def all_lines(path: Path = LINES) -> list[dict[str, Any]]:
    """Every line of a file.

    Raises:
        BenchmarkError: if one is none of ours.
    """
    lines = []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line = json.loads(text)
            whole = {"case", "tiny", "machine", "torch", "commit"} <= line.keys()
            if not whole or not isinstance(line["case"], str):
                raise ValueError
        except (ValueError, AttributeError):  # a line that is no UTF-8 is a ValueError
            raise BenchmarkError(f"{path}, line {number}: no line of this command") from None
        lines.append(line)
    return lines


def read_lines(path: Path = LINES) -> list[dict[str, Any]]:
    """The last measurement of each cell, in the order in which cells were first met.

    A cell that failed or was dropped after it had been measured stays measured.

    Raises:
        BenchmarkError: if there are none, if one is none of ours or of a `--tiny` command, or if
            what is kept was measured on several cards or with several versions of torch.
    """
    last: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(all_lines(path), start=1):
        if line["tiny"]:
            raise BenchmarkError(
                f"{path}, line {number}: measured with --tiny, which means nothing"
            )
        if line["case"] not in last or not {"error", "dropped"} & line.keys():
            last[line["case"]] = line
    if not last:
        raise BenchmarkError(f"{path} is empty: nothing was measured")
    if len(found := sorted({made_with(line) for line in last.values()})) > 1:
        raise BenchmarkError(
            f"{path}: lines of {' and of '.join(found)}, and a table is of one; measure each "
            "with --lines FILE of its own, or remove the lines of the others"
        )
    return list(last.values())


def made_with(line: dict[str, Any]) -> str:
    """Card and torch, of which a table has one."""
    return f"{line['machine']} with torch {line['torch']}"


def write_cuda_csv(lines: list[dict[str, Any]], path: Path = TABLE) -> Path:
    """One row for each cell; what has parts of its own (packages, sizes) stays in the lines."""
    flat = [
        {key: value for key, value in line.items() if not isinstance(value, dict | list)}
        for line in lines
    ]
    write_text(path, pd.DataFrame(flat).to_csv(index=False, float_format="%.4g"))
    return path


def beside_torchvision(table: pd.DataFrame) -> list[dict[str, Any]]:
    """For the page: each step that both models were measured in.

    Args:
        table: cuda.csv.

    Returns:
        preset, mode, batch, compiled; clips per second of ours, of ours without Triton (None if
        they were not measured), of the fastest variant and its name, and of torchvision's; peak
        memory of ours and of torchvision's.
    """
    if not {"clips_per_s", "variant", "compiled"} <= set(table):
        return []
    steps = table[table.clips_per_s.notna() & table.batch.notna() & table.compiled.notna()]
    found = []
    for (preset, mode, batch, compiled), group in steps.groupby(
        ["preset", "mode", "batch", "compiled"], sort=False
    ):
        by_name = group.set_index("variant")
        if not {OURS, THEIRS} <= set(by_name.index):
            continue
        rate, peak = by_name.clips_per_s, by_name.get("peak_gib")
        best = rate.drop(index=THEIRS).idxmax()
        found.append(
            {
                "preset": preset,
                "mode": mode,
                "batch": int(batch),
                "compiled": bool(compiled),
                "ours": rate[OURS],
                "without": rate.get(WITHOUT_TRITON),
                "best": best,
                "best_rate": rate[best],
                "theirs": rate[THEIRS],
                "ours_gib": None if peak is None else peak[OURS],
                "theirs_gib": None if peak is None else peak[THEIRS],
                "share": by_name.share_of_matmul_rate[OURS],
            }
        )
    return found


def profiles(table: pd.DataFrame) -> list[Any]:
    """For the page: cells of command A that say how long the GPU was busy.

    Args:
        table: cuda.csv.
    """
    return list(table[table.busy_ms.notna()].itertuples()) if "busy_ms" in table else []


def loops(table: pd.DataFrame) -> list[Any]:
    """For the page: cells of command C that are rates.

    Args:
        table: cuda.csv.
    """
    if not {"clips_per_s", "mode"} <= set(table):
        return []
    steps = table.batch.notna() if "batch" in table else False
    return list(table[table.clips_per_s.notna() & ~steps].itertuples())


def comparisons(table: pd.DataFrame) -> tuple[int, list[str]]:
    """For the page: how many results were compared, and the cells in which they were not right.

    Args:
        table: cuda.csv.
    """
    if "right" not in table:
        return 0, []
    compared = table[table.right.notna()]
    return len(compared), list(compared.case[compared.right.astype(str) != "True"])


def largest_batches(table: pd.DataFrame) -> list[dict[str, Any]]:
    """For the page: by preset the most clips that fitted in training, ours and torchvision's.

    Only where it is known how much memory was free: cells before leave some of it in use.

    Args:
        table: cuda.csv.
    """
    if not {"expected", "batch", "variant", "free_gib"} <= set(table):
        return []
    lines = table[table.expected.notna() & table.free_gib.notna()]
    return [
        {
            "preset": preset,
            "ours": int(clips[OURS]),
            "theirs": int(clips[THEIRS]),
            "free": group.free_gib.min(),
        }
        for preset, group in lines.groupby("preset", sort=False)
        if {OURS, THEIRS} <= set((clips := group.set_index("variant").batch).index)
    ]
