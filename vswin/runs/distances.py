"""Measured attention distances on disk: `<results>/distances/<table>.csv`, and where they are from.

A line is a head of a layer, of one row's model with one set of weights, over some clips. Lines come
in groups, of a model that was measured; a group is there as a whole or not at all.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vswin.files import DamagedFileError, read_json, require_writable, write_json, write_text

FORMAT = 1


class Measured(NamedTuple):
    """What a group of lines is of."""

    row: str
    """Of the table."""
    weights: str
    """`seed0`, or else how the SHA-256 of trained ones begins."""
    clips: str
    """Their kind, see `vswin.data.sample_videos`."""

    @property
    def seed(self) -> int | None:
        """Of weights before the first step; None for trained ones."""
        text = self.weights.removeprefix("seed")
        return int(text) if text != self.weights else None


class Head(NamedTuple):
    """One head, mean over queries and clips."""

    layer: int
    """From 0."""
    head: int
    grid: float
    """Its distance, with the measures of `vswin.models.attention_distance.Measure`."""
    frame: float
    cube: float
    by_clip: tuple[float, ...]
    """`grid` clip by clip."""


Distances = Mapping[Measured, tuple[Head, ...]]
HEADER = (*Measured._fields, *Head._fields)


@dataclasses.dataclass(frozen=True)
class DistanceRecord:
    """The distances of a table in a results folder."""

    results_dir: Path
    table: str

    @property
    def csv(self) -> Path:
        """The numbers."""
        return self.results_dir / "distances" / f"{self.table}.csv"

    @property
    def json(self) -> Path:
        """What they were measured with."""
        return self.csv.with_suffix(".json")

    def read(self) -> dict[Measured, tuple[Head, ...]]:
        """All that is there, in the order of the file; nothing where there is none.

        Raises:
            DamagedFileError: if the file is not what it should be.
        """
        found: dict[Measured, list[Head]] = {}
        try:
            text = self.csv.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        lines = list(csv.reader(io.StringIO(text)))
        if not lines or tuple(lines[0]) != HEADER:
            raise self._damaged("its first line is not the header")
        for number, line in enumerate(lines[1:], start=2):
            try:
                row, weights, clips, layer, head, *means, by_clip = line
                grid, frame, cube = map(float, means)
                each = tuple(map(float, by_clip.split()))
                one = Head(int(layer), int(head), grid, frame, cube, each)
            except ValueError as error:
                raise self._damaged(f"line {number}: {error}") from error
            found.setdefault(Measured(row, weights, clips), []).append(one)
        return {measured: tuple(heads) for measured, heads in found.items()}

    def about(self) -> dict[str, Any]:
        """What the numbers were measured with: `settings`, `provenance`; empty if nothing was."""
        return read_json(self.json) or {}

    def add(self, measured: Measured, heads: Iterable[Head], about: Mapping[str, Any]) -> None:
        """Writes one more group, in place of an older one of the same; the file is sorted.

        Raises:
            NotWritableError: if the folder cannot be written.
        """
        require_writable(self.csv.parent)
        groups = self.read() | {measured: tuple(heads)}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        for key in sorted(groups, key=lambda one: (one.row, one.clips, one.seed or 0, one.weights)):
            for head in groups[key]:
                means = (f"{mean:.6f}" for mean in (head.grid, head.frame, head.cube))
                by_clip = " ".join(f"{value:.6f}" for value in head.by_clip)
                writer.writerow((*key, head.layer, head.head, *means, by_clip))
        write_json(self.json, dict(about))
        write_text(self.csv, text.getvalue())

    def _damaged(self, reason: str) -> DamagedFileError:
        return DamagedFileError(
            f"{self.csv} cannot be read ({reason}); remove it and measure again"
        )


def span(heads: Iterable[Head]) -> tuple[float, float]:
    """The smallest and the largest distance of some heads."""
    values = [head.grid for head in heads]
    return min(values), max(values)
