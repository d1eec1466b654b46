"""The printed cells of Tables 2 and 7 against what can be counted, and against the paper's text."""

import re

import pytest

from vswin.paper.printed import printed_table
from vswin.report import load_study


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    study = load_study("table2", results_dir=tmp_path_factory.mktemp("results"))
    return study.cost_lines()


def test_table_2_but_for_the_parameters_counted_with_400_classes(costs):
    assert len(costs) == 8
    assert {c["row"] for c in costs if c["metric"] == "flops" and c["exact"]} == {
        "swin_b",
        "swin_l_384",
        "swin_l_384_50",
        "mvit_b_24_32x3",
    }
    wrong = {(c["row"], c["metric"], c["ours"]) for c in costs if not c["exact"]}
    assert wrong == {
        ("swin_b", "params", "88.3"),
        ("swin_l_384", "params", "200.3"),
        ("swin_l_384_50", "params", "200.3"),
        ("mvit_b_24_32x3", "params", "53.3"),
    }
    assert all(bool(c["evidence"]) != c["exact"] for c in costs)


def test_its_evidence_counts_what_200_more_classes_add():
    """Table 1's models have 400 classes; the head has a weight for each feature, and a bias."""
    counted = {"swin_b": (88_048_984, 1024), "swin_l_384": (199_999_516, 1536)}
    for row, (params, features) in counted.items():
        evidence = printed_table("table2").suspicion(row, "params").evidence
        (said,) = re.findall(r"\d+,\d+,\d+", evidence)
        assert int(said.replace(",", "")) == params + 200 * (features + 1)


def test_suspicious_cells_of_table_7_cite_table_1():
    printed, first = printed_table("table7"), printed_table("table1")
    for metric in ("top1", "top5"):
        evidence = printed.suspicion("ratio_0_1_21k", metric).evidence
        assert f"Table 1 prints {first.number('swin_b', metric)} " in evidence
