"""Measured distances on disk."""

import pytest

from vswin.files import DamagedFileError
from vswin.runs.distances import DistanceRecord, Head, Measured, span

FIRST = [Head(0, 0, 0.25, 0.2, 0.3, (0.2, 0.3)), Head(0, 1, 0.5, 0.4, 0.6, (0.5, 0.5))]
SECOND = [Head(0, 0, 0.1234564, 0.0, 1.0, (0.1234564,))]
ABOUT = {"settings": {"clips": 4}, "provenance": {}}


def test_what_is_added_is_read_again_sorted_and_without_doubles(tmp_path):
    record = DistanceRecord(tmp_path, "figureA6")
    assert record.read() == {}
    assert record.about() == {}
    for weights in ("seed10", "seed2", "0a1b2c"):
        record.add(Measured("b", weights, "digits"), FIRST, ABOUT)
    record.add(Measured("a", "seed0", "noise"), FIRST, ABOUT)
    record.add(Measured("a", "seed0", "noise"), SECOND, ABOUT)
    found = record.read()
    assert [(m.row, m.weights) for m in found] == [
        ("a", "seed0"),
        ("b", "0a1b2c"),
        ("b", "seed2"),
        ("b", "seed10"),
    ]
    assert [m.seed for m in found] == [0, None, 2, 10]
    assert found[Measured("b", "seed2", "digits")] == tuple(FIRST)
    assert found[Measured("a", "seed0", "noise")] == (Head(0, 0, 0.123456, 0.0, 1.0, (0.123456,)),)
    assert record.about() == ABOUT
    assert record.csv.read_text().startswith("row,weights,clips,layer,head,grid,frame,cube,by_clip")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("a,b\n", "first line"),
        ("{header}\na,seed0,digits,0,0,0.1\n", "line 2"),
        ("{header}\na,seed0,digits,0,0,0.1,x,0.3,0.1\n", "line 2: could not convert"),
    ],
)
def test_a_damaged_file_is_named(text, words, tmp_path):
    record = DistanceRecord(tmp_path, "figureA6")
    record.add(Measured("a", "seed0", "noise"), FIRST, ABOUT)
    header = record.csv.read_text().splitlines()[0]
    record.csv.write_text(text.format(header=header))
    with pytest.raises(
        DamagedFileError, match=rf"figureA6.csv cannot be read .*{words}.*remove it"
    ):
        record.read()


def test_a_span_is_from_the_nearest_to_the_farthest():
    assert span([*FIRST, *SECOND]) == (0.1234564, 0.5)
