"""Pictures that are kept: only where they are whole and show what would be drawn."""

import dataclasses
import io
import math

import pytest
from PIL import Image

from vswin.report import load_study, plots, write_report
from vswin.report.picture import digest_in, picture_of


@pytest.fixture
def study(smoke_results, tmp_path):
    """Table 5 on disk, with a results folder of its own for what is written."""
    results = tmp_path / "results"
    (results / "smoke").mkdir(parents=True)
    (results / "smoke" / "runs").symlink_to(smoke_results / "smoke" / "runs")
    return load_study("table5", "smoke", None, results)


@pytest.fixture
def drawn(monkeypatch):
    """How many pictures were drawn."""
    found, draw = [], plots.draw
    monkeypatch.setattr(plots, "draw", lambda picture: found.append(picture) or draw(picture))
    return found


def test_a_picture_is_drawn_once_and_again_when_a_number_changes(study, drawn):
    png = write_report(study).png
    first = png.read_bytes()
    assert write_report(study).png.read_bytes() == first
    assert len(drawn) == 1
    with Image.open(png) as image:
        assert image.text["Content-Digest"] == picture_of(study).digest() == digest_in(first)
    values = list(study.values)
    values[0] = values[0]._replace(value=values[0].value + 1e-7)
    write_report(dataclasses.replace(study, values=tuple(values)))
    assert len(drawn) == 2
    assert digest_in(png.read_bytes()) != digest_in(first)


def test_what_is_not_whole_or_says_nothing_is_drawn_again(study, drawn):
    png = write_report(study).png
    whole = png.read_bytes()
    silent = io.BytesIO()
    with Image.open(png) as image:
        image.convert("RGB").save(silent, "PNG")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (
        whole[:-5],
        whole[: len(whole) // 2],
        bytes(flipped),
        silent.getvalue(),
        b"",
        b"x",
    ):
        png.write_bytes(content)
        assert digest_in(content) is None
        assert write_report(study).png.read_bytes() == whole
    assert len(drawn) == 7


def test_everything_that_a_picture_shows_is_in_its_digest(study):
    picture = picture_of(study)
    others = [
        dataclasses.replace(picture, **{field.name: _other(getattr(picture, field.name))})
        for field in dataclasses.fields(picture)
    ]
    assert len({p.digest() for p in [picture, *others]}) == 1 + len(dataclasses.fields(picture))


def _other(value):
    """Another value of the same kind; of nested content, another in its depths."""
    if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        (field, *_) = dataclasses.fields(value[0])
        other = _other(getattr(value[0], field.name))
        return (dataclasses.replace(value[0], **{field.name: other}), *value[1:])
    if isinstance(value, bool):
        return not value
    return value + type(value)(("other",)) if isinstance(value, tuple) else f"{value} other"


def test_points_are_the_lines_of_the_table(study):
    frame = study.table().set_index("row")
    longer, windows = picture_of(study).columns
    assert [p.cost for p in longer.points] == [frame.flops[r] for r in ("dim4", "dim8", "dim16")]
    assert [p.ours for p in windows.points] == [frame.top1[r] for r in ("win4", "win8", "win16")]
    assert windows.our_ticks == (
        "4×7×7\n(here 2×3×3)",
        "8×7×7\n(here 4×3×3)",
        "16×7×7\n(here 8×3×3)",
    )
    others = tuple(value for value in study.values if value.row != "win8")
    missing = picture_of(dataclasses.replace(study, values=others)).columns[1].points[1]
    assert math.isnan(missing.ours)
    assert not missing.is_done
    assert missing.by_seed == ()
