"""The printed costs of the MViT appendix: each cell's status, and the evidence counted again."""

import re

import pytest

from vswin.costs.cache import cost_at
from vswin.models.registry import resolve_config
from vswin.paper.printed import printed_table
from vswin.report import load_costs
from vswin.report.compare import compare

TABLES = {"A1": 3, "A2": 3, "A3": 4, "A4": 7, "A5": 12, "A6": 4, "A9": 4}
"""Printed costs that are counted to the digit, by table."""
NOT = {
    ("tableA1", "mvit_b_24_32x3", "params"): "53.4",
    ("tableA4", "t8_c3x7x7", "flops"): "70.3",
    ("tableA4", "t16_c3x7x7", "flops"): "70.3",
    ("tableA4", "t32_c3x7x7", "flops"): "70.3",
    ("tableA4", "t32_c7x7x7", "flops"): "71.7",
    ("tableA4", "t32_c7x7x7", "params"): "36.6",
    ("tableA6", "none", "flops"): "279.9",
    ("tableA6", "adaptive_1x8x8", "flops"): "70.3",
}
"""Those that are not, with what is counted."""
TWICE = {("tableA5", "v5"), ("tableA6", "fixed_2x4x4"), ("tableA6", "adaptive_2x4x4")}
"""Those that are as printed only if they were rounded twice."""


@pytest.fixture(scope="module")
def cells():
    found = {}
    for number in TABLES:
        for cell in load_costs(f"table{number}").cost_lines():
            found[f"table{number}", cell["row"], cell["metric"]] = cell
    return found


def test_every_cell_has_its_status(cells):
    exact = [table for (table, *_), cell in cells.items() if cell["status"] == "as printed"]
    assert {t: exact.count(f"table{t}") for t in TABLES} == TABLES
    others = {where: c["ours"] for where, c in cells.items() if c["status"] != "as printed"}
    assert others == NOT
    assert {cells[where]["status"] for where in NOT} == {"suspicious"}


def test_evidence_is_given_for_those_alone(cells):
    assert {where for where, cell in cells.items() if cell["evidence"]} == set(NOT)


def test_which_are_rounded_twice(cells):
    assert {where[:2] for where, cell in cells.items() if cell["logged"]} == TWICE
    assert cells["tableA5", "v5", "flops"]["logged"] == "83.55"


def test_rounding_twice():
    assert compare(83.548, "83.6").exact is False
    twice = compare(83.548, "83.6", 2)
    assert (twice.exact, twice.ours, twice.logged) == (True, "83.6", "83.55")
    assert compare(83.561, "83.6", 2).logged == ""  # once is enough
    assert compare(83.544, "83.6", 2).ours == "83.5"
    assert compare(169.796, "170", 2).exact


def count(preset, frames, **options):
    """G multiply-accumulates and weights."""
    sized = {} if preset.endswith("imagenet") else {"frames": frames, "image_size": 224}
    found = cost_at(resolve_config(preset, **sized, **options), (3, frames, 224, 224), "macs")
    return found.gflops, found.params


@pytest.mark.parametrize("table", ["tableA1", "table2", "table3"])
def test_evidence_of_parameters_is_counted(table):
    """The head has 768 weights and a bias for each class."""
    for cell in printed_table(table).suspicious:
        if cell.column == "params" and cell.row.startswith("mvit"):
            preset, frames = cell.row, 64 if "64" in cell.row else 32
            classes = int(re.search(r"With (\d+) classes", cell.evidence)[1])
            said = [int(n.replace(",", "")) for n in re.findall(r"\d+,\d+,\d+", cell.evidence)]
            ours = count(preset, frames)[1]
            assert said[0] == ours + (classes - 400) * 769
            if len(said) > 1:
                assert said[1] == ours - 320 * 769
                assert f"{said[1] / 1e6:.1f}" == printed_table(table).number(cell.row, "params")


def test_evidence_of_table_a4():
    wide = {"patch_stride": (4, 4, 4), "pooling": "max"}
    three, seven = (count("mvit_b_16x4", 32, patch_kernel=(n, 7, 7), **wide) for n in (3, 7))
    assert seven[1] - three[1] == 56_448
    assert (seven[1], round(seven[0], 3)) == (36_569_680, 71.741)
    assert round(count("mvit_b_16x4", 16)[0], 3) == 70.518  # with convolutions
    evidence = " ".join(cell.evidence for cell in printed_table("tableA4").suspicious)
    for words in ("56,448", "36,569,680", "71.741", "70.518", "70.325"):
        assert words in evidence


def test_evidence_of_table_a6():
    """8 x 56 x 56 tokens and the class token; heads of 96 channels."""
    tokens = 8 * 56 * 56 + 1
    flops, memory = (
        next(c.evidence for c in printed_table("tableA6").suspicious if c.column == column)
        for column in ("flops", "memory")
    )
    assert f"{2 * tokens**2 * 96 / 1e9:.1f} G" in flops
    assert f"{tokens:,} × {tokens:,} numbers, {4 * tokens**2 / 1e9:.1f} GB" in memory


def test_the_caption_of_table_a3_is_of_convolutions():
    (remark,) = printed_table("tableA3").remarks
    study = load_costs("tableA3")
    assert {f"{study.counted(row.id, 'flops'):.3f}" for row in study.rows} == {"70.325"}
    for words in ("70.518", "70.325"):
        assert words in remark


def test_a_skip_less_costs_a_linear_layer_less_for_each_change_of_channels():
    """Table A.7: 96 to 192, 192 to 384 and 384 to 768 channels, each with its bias."""
    study = load_costs("tableA7")
    weights = 192 * 97 + 384 * 193 + 768 * 385
    a, b, c = (study.cost(row).params for row in ("normalized", "unnormalized", "none"))
    assert (a, a - c) == (b, weights)
    tokens = (8 * 56 * 56 + 1, 8 * 28 * 28 + 1, 8 * 14 * 14 + 1)
    saved = sum(t * n * 2 * n for t, n in zip(tokens, (96, 192, 384), strict=True))
    assert study.cost("normalized").flops - study.cost("none").flops == saved
