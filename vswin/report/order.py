"""Whether numbers of ours rise from row to row where the printed ones do."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Mapping


@dataclasses.dataclass(frozen=True)
class Order:
    """Pairs of rows, in each of them first the one with more in print."""

    alike: tuple[tuple[str, str], ...]
    """Ours has more of the first, too."""
    unlike: tuple[tuple[str, str], ...]
    """Ours has not."""

    def __str__(self) -> str:
        """In words."""
        count = len(self.alike) + len(self.unlike)
        said = f"{len(self.alike)} of {count} pairs of rows are in the printed order"
        others = ", ".join(f"{more} above {less}" for more, less in self.unlike)
        return f"{said}; not in it: {others}" if others else said


def compare_order(printed: Mapping[str, float], ours: Mapping[str, float]) -> Order:
    """Every two rows whose printed numbers differ; both say a number of each row."""
    pairs = [
        (one, other) if printed[one] > printed[other] else (other, one)
        for one, other in itertools.combinations(printed, 2)
        if printed[one] != printed[other]
    ]
    alike = tuple(pair for pair in pairs if ours[pair[0]] > ours[pair[1]])
    return Order(alike, tuple(pair for pair in pairs if pair not in alike))


def order_in_words(
    printed: Mapping[str, float], ours: Mapping[str, float], suspicious: Collection[str]
) -> str:
    """What `compare_order` finds, and once more without rows whose printed number is suspicious."""
    said = f"{compare_order(printed, ours)}."
    if suspicious:
        sound = {row: number for row, number in printed.items() if row not in suspicious}
        said += f" Without what is suspicious: {compare_order(sound, ours)}."
    return said
