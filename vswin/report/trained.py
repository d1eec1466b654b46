"""The part of a page that says what was really trained in the place of each row."""

from __future__ import annotations

from collections.abc import Sequence

from vswin.experiments.trained import differing, has_changes, in_every_row, is_to_be_told
from vswin.report.data import Row, Section, listing

TITLE = "Trained as"
NOTE = "Left of an arrow is what the row says, right of it what the protocol trains in its place."


def trained(rows: Sequence[Row]) -> Section:
    """In what the rows differ, line by line, and what the protocol changes in all of them."""
    shown = [row for row in rows if row.trained]
    sizes = [row.trained for row in shown]
    alike, names = in_every_row(sizes), differing(sizes)
    if not is_to_be_told(sizes):
        return Section(TITLE)
    note = NOTE if has_changes(sizes) else ""
    if not names:
        return listing(TITLE, [alike], note=note)
    lines = [[row.id, *(str(row.trained[name]) for name in names)] for row in shown]
    return Section(TITLE, ["row", *names], lines, note=f"{note} {alike}".strip())
