"""Pictures on disk are kept while they show what would be drawn.

A drawing takes longer than all else of a report. So a picture says of what it is one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import io
import json
from pathlib import Path

from vswin.report.pictures.costs import Costs
from vswin.report.pictures.curves import Curves
from vswin.report.pictures.distances import DistancesPicture
from vswin.report.pictures.forest import Forest
from vswin.report.pictures.formulas import Formulas
from vswin.report.pictures.inference import Inference
from vswin.report.pictures.levels import Levels
from vswin.report.pictures.sweep import Sweep
from vswin.report.pictures.tradeoff import Tradeoff

Picture = (
    Forest | Levels | Curves | Costs | Formulas | Inference | DistancesPicture | Sweep | Tradeoff
)
DIGEST_KEY = "Content-Digest"
"""The text in a PNG that says of what it is a picture."""
DRAWING = Path(__file__).parents[1] / "drawing"
SHARED = ("canvas", "labels")
"""Its modules that others draw with; each kind of picture has one of its own, of the same name."""


def digest(picture: Picture) -> str:
    """SHA-256 of the content, of the code that draws it and of matplotlib's version."""
    content = [type(picture).__name__, dataclasses.asdict(picture)]
    found = hashlib.sha256(json.dumps(content).encode())
    found.update(importlib.metadata.version("matplotlib").encode())
    for name in (*SHARED, type(picture).__module__.rpartition(".")[2]):
        found.update((DRAWING / f"{name}.py").read_bytes())
    return found.hexdigest()


def digest_in(png: bytes) -> str | None:
    """Of what a PNG says to be a picture; None if it does not say, or is not whole."""
    from PIL import Image  # only where there is a picture to be read

    try:
        with Image.open(io.BytesIO(png)) as image:
            found = image.info.get(DIGEST_KEY)
            image.verify()  # the checksums of all its parts
    except (OSError, SyntaxError, ValueError):
        return None
    return found
