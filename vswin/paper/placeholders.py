"""Sentences whose numbers are printed cells: none is typed, so none can differ from its table."""

from __future__ import annotations

import re
from collections.abc import Callable

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def fill(text: str, cell: Callable[[str], str]) -> str:
    """A text with its numbers.

    `{place}` is a cell, `{gain:a-b}` the difference of two, with as many decimals as they have,
    `{saving:a/b}` by how many percent the first is below the second, `{increase:a/b}` above it, and
    `{times:a/b}` how many times the second the first is.

    Args:
        text: with placeholders.
        cell: the printed text at a place such as `dim16.top1`.

    Raises:
        ValueError: from `cell`, if there is no such place.
    """
    return PLACEHOLDER.sub(lambda found: _filled(found[1], cell), text)


def _filled(place: str, cell: Callable[[str], str]) -> str:
    function, _, places = place.partition(":")
    if function == "gain" and places.count("-") == 1:
        first, second = (cell(name) for name in places.split("-"))
        return f"{float(first) - float(second):.{decimals(first)}f}"
    if function in ("saving", "increase", "times") and places.count("/") == 1:
        ratio = float(cell(places.split("/")[0])) / float(cell(places.split("/")[1]))
        texts = {
            "saving": f"{100 * (1 - ratio):.0f}",
            "increase": f"{100 * (ratio - 1):.0f}",
            "times": f"{ratio:.1f}",
        }
        return texts[function]
    return cell(place)


def decimals(number: str) -> int:
    """How many decimals a number is printed with."""
    return len(number.partition(".")[2])
