"""`vswin audit`: every printed number with its status, for readers and programs."""

import json

from tests.command import vswin
from vswin.paper.text import STATUSES

CELL = ["paper", "table", "row", "column", "printed", "status", "evidence"]


def asked(*options):
    done = vswin("audit", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_object_has_cells_text_checks_and_counts():
    found = asked()
    assert {"cells", "text", "checks", "counts"} <= found.keys()
    for cell in found["cells"]:
        assert list(cell)[: len(CELL)] == CELL
        assert all(isinstance(cell[key], str) for key in CELL)
    statuses = [each["status"] for each in (*found["cells"], *found["text"])]
    assert found["counts"] == {status: statuses.count(status) for status in STATUSES}
    assert found["labels"]["exact: recomputed"] == sum(
        each["recomputed"] for each in (*found["cells"], *found["text"])
    )
    assert {check["passes"] for check in found["checks"]} == {True, False}


def test_only_a_table_and_only_a_status():
    found = asked("--table", "table1", "--status", "suspicious")
    assert {cell["table"] for cell in found["cells"]} == {"table1"}
    assert {each["status"] for each in (*found["cells"], *found["text"])} == {"suspicious"}
    assert all("table1" in number["tables"] for number in found["text"])
    assert all("table1" in check["tables"] for check in found["checks"])


def test_a_figure_can_be_asked_for_by_what_the_text_says_of_it():
    found = asked("--table", "figureA4")
    assert found["cells"] == []
    assert {number["where"] for number in found["text"]} >= {"caption of Figure A.4"}
    assert all("figureA4" in number["tables"] for number in found["text"])


def test_a_reader_sees_numbers_failed_checks_and_the_sum():
    done = vswin("audit", "--table", "table7", env={"COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    assert "swin_b_21k_top1" in done.stdout
    assert "suspicious," in done.stdout  # and how sure, on the next line of the column
    assert "│ low " in done.stdout
    assert "printed numbers" in done.stdout.splitlines()[-2]
    assert "checks" in done.stdout.splitlines()[-1]


def test_what_is_unknown_is_refused_in_a_line():
    for option, value in (("--table", "table0"), ("--status", "fine")):
        done = vswin("audit", option, value)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: unknown {option.strip('-')} '{value}'")
        assert len(done.stderr.splitlines()) == 1
