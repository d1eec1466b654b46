"""The printed cells of Tables 2 and 7 against what can be counted, and against the paper's text."""

import re

import pytest

from vswin.paper.printed import printed_table
from vswin.report import load_study

CELLS = {  # top-1, top-5, FLOPs, parameters
    "table2": {
        "swin_b": ("84.0", "96.5", "282", "88.1"),
        "swin_l_384": ("85.9", "97.1", "2107", "200.0"),
        "swin_l_384_50": ("86.1", "97.3", "2107", "200.0"),
    },
    "table7": {
        "ratio_0_1_1k": ("80.6", "94.6", None, None),
        "ratio_1_0_1k": ("80.2", "94.2", None, None),
        "ratio_0_1_21k": ("82.6", "95.7", None, None),
        "ratio_1_0_21k": ("82.0", "95.3", None, None),
    },
}


@pytest.mark.parametrize("table", CELLS)
def test_cells_are_as_printed(table):
    found = {r.id: (r.top1, r.top5, r.flops, r.params) for r in printed_table(table).rows}
    assert found == CELLS[table]


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    study = load_study("table2", results_dir=tmp_path_factory.mktemp("results"))
    return study.cost_cells().to_dict("records")


def test_table_2_but_for_the_parameters_counted_with_400_classes(costs):
    assert len(costs) == 6
    assert {c["row"] for c in costs if c["metric"] == "flops" and c["exact"]} == {*CELLS["table2"]}
    wrong = {(c["row"], c["metric"], c["ours"]) for c in costs if not c["exact"]}
    assert wrong == {
        ("swin_b", "params", "88.3"),
        ("swin_l_384", "params", "200.3"),
        ("swin_l_384_50", "params", "200.3"),
    }
    assert all(bool(c["evidence"]) != c["exact"] for c in costs)


def test_its_evidence_counts_what_200_more_classes_add():
    """Table 1's models have 400 classes; the head has a weight for each feature, and a bias."""
    counted = {"swin_b": (88_048_984, 1024), "swin_l_384": (199_999_516, 1536)}
    for row, (params, features) in counted.items():
        evidence = printed_table("table2").suspicion(row, "params")
        (said,) = re.findall(r"\d+,\d+,\d+", evidence)
        assert int(said.replace(",", "")) == params + 200 * (features + 1)


def test_claims_of_table_7_are_its_cells_and_their_differences():
    printed = printed_table("table7")
    gains = []
    for claim in printed.claims:
        low, high = (printed.row(row) for row in claim.rows)
        assert low.labels["pretrain"] == high.labels["pretrain"]
        assert low.labels["pretrain"] in claim.says
        assert (low.labels["ratio"], high.labels["ratio"]) == ("1.0×", "0.1×")
        gains.append(round(float(high.top1) - float(low.top1), 1))
        assert f"by {gains[-1]} points, {high.top1} against {low.top1}" in claim.says
    # "using the model pre-trained on ImageNet-21K benefits more"
    assert gains == [0.4, 0.6]
