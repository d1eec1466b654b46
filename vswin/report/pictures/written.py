"""The pictures of a page: what there are, and their files."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from vswin.files import atomic_write
from vswin.report.claims import Judgement
from vswin.report.distances import distances_of
from vswin.report.inference import inference_of
from vswin.report.pictures.kept import Picture, digest, digest_in
from vswin.report.pictures.shown import costs_of, curves_of, levels_of
from vswin.report.pictures.tested import forest_of, sensitivity_of
from vswin.report.sensitivity import Sensitivity
from vswin.report.study import Study
from vswin.report.sweep import sweep_of
from vswin.report.tradeoff import tradeoff_of

NAMES = (
    "claims",
    "distances",
    "levels",
    "sweep",
    "curves",
    "tradeoff",
    "costs",
    "inference",
    "sensitivity",
)
"""In the order in which they stand on a page."""
Pictures = Mapping[str, Picture]
"""By name."""


def pictures_of(
    study: Study, judgements: Sequence[Judgement], variations: Sequence[Sensitivity]
) -> Pictures:
    """What there is to show; no picture where nothing could be seen."""
    found: dict[str, Picture | None] = {
        "inference": inference_of(study),
        "claims": forest_of(study, judgements),
        "distances": distances_of(study),
        "levels": levels_of(study) if study.runs else None,
        "sweep": sweep_of(study),
        "curves": curves_of(study),
        "costs": costs_of(study),
        "tradeoff": tradeoff_of(study),
        "sensitivity": sensitivity_of(study, judgements, variations),
    }
    return {name: picture for name in NAMES if (picture := found[name]) is not None}


def write_pictures(pictures: Pictures, first: Path) -> dict[str, Path]:
    """Writes each as a PNG, unless the file shows the same already; removes those of before.

    Args:
        pictures: by name.
        first: the path of the first; another's has its name in it, as in first.curves.png.

    Returns:
        Their paths, by name.
    """
    others = {name: first.with_suffix(f".{name}.png") for name in NAMES}
    paths = {name: others[name] if place else first for place, name in enumerate(pictures)}
    for path in {first, *others.values()} - set(paths.values()):
        path.unlink(missing_ok=True)
    for name, path in paths.items():
        write_picture(pictures[name], path)
    return paths


def write_picture(picture: Picture, path: Path) -> None:
    """Writes a PNG, unless the file shows the same already."""
    wanted = digest(picture)
    with contextlib.suppress(FileNotFoundError):
        if digest_in(path.read_bytes()) == wanted:
            return
    from vswin.report import drawing  # matplotlib, which takes a while, for this alone

    png = drawing.as_png(drawing.draw(picture), wanted)
    with atomic_write(path) as file:
        file.write(png)
