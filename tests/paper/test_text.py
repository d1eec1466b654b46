"""The numbers of the running text: all there, each in its sentence, each with a reason."""

import re

import pytest

from vswin.paper.text import Number, TextFile, paper_text, papers
from vswin.reading import ExperimentError, read_strictly

COUNTS = {"video_swin": 176, "mvit": 184}
"""As two independent transcriptions have them."""
ALL = [(paper, s, number) for paper in papers() for s in paper_text(paper) for number in s.numbers]


def test_none_is_missing():
    found = {p: sum(paper == p for paper, *_ in ALL) for p in papers()}
    assert found == COUNTS


@pytest.mark.parametrize("paper", sorted(COUNTS))
def test_every_number_stands_in_its_sentence(paper):
    for sentence in paper_text(paper):
        plain = re.sub(r"\\[a-z]+|[{}$\\\s]", "", sentence.sentence).lower()
        words = sentence.sentence.lower()
        for number in sentence.numbers:
            digits = re.findall(r"\d+(?:\.\d+)?", number.number)
            told = all(each in plain for each in digits) if digits else None
            assert told or number.number.lower() in words or "-1" in number.number, number


def test_ids_are_unique_over_all_papers():
    ids = [number.id for *_, number in ALL if number.id]
    assert len(ids) == len(set(ids))


def test_every_doubt_by_hand_says_how_sure_it_is():
    for *_, number in ALL:
        assert number.status != "suspicious" or number.confidence, number


def test_a_number_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="wanted a cell, a formula, a claim or a status"):
        Number(number="7", of="days", kind="size")
    with pytest.raises(ValueError, match="needs evidence"):
        Number(number="7", of="days", kind="size", status="exact")
    with pytest.raises(ValueError, match="no formula"):
        Number.model_validate({"number": "7", "of": "days", "kind": "size", "is": "a.b +"})


def test_a_mistake_is_named_by_file_and_line(tmp_path):
    path = tmp_path / "part.yaml"
    path.write_text(
        "part: part\nsentences:\n  - where: section 1\n    sentence: Seven.\n    numbers:\n"
        '      - {number: "7", of: days, sort: size, status: exact, evidence: so}\n'
    )
    with pytest.raises(ExperimentError, match=r"part\.yaml, line 6: .*sort: unknown key"):
        read_strictly(path, TextFile)
