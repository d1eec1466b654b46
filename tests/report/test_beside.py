"""Rows of the embedded benchmark alone: apart from the printed ones, and nowhere else."""

import pytest

from tests.command import vswin
from vswin.report import load_study
from vswin.report.page import make_page

PRINTED = ["ratio_0_1_1k", "ratio_1_0_1k", "ratio_0_1_21k", "ratio_1_0_21k"]
BESIDE = ["ratio_0_03_1k", "ratio_0_3_1k", "ratio_1_0_lr_0_1_1k"]
BESIDE += [row.replace("_1k", "_21k") for row in BESIDE]


@pytest.mark.parametrize("protocol", ["smoke", "proxy"])
def test_they_have_a_table_of_their_own(protocol, tmp_path):
    study = load_study("table7", protocol, results_dir=tmp_path)
    assert [row.id for row in study.rows] == PRINTED
    assert [row.id for row in study.beside] == BESIDE
    sections = {section.title: section for section in make_page(study).sections}
    beside = sections["Rows that the paper does not print"]
    assert [line[0] for line in beside.lines] == BESIDE
    assert beside.header[:2] == ["row", "what it is"]
    assert beside.lines[0][1] == "0.03×, ImageNet-1K"
    assert study.row(BESIDE[0]).label == "ratio_0_03_1k: 0.03×, ImageNet-1K"
    assert len(sections["The table"].lines) == len(PRINTED)
    # A study of one seed is complete without the sweep, and says so.
    cells = {line[0]: line[2] for line in beside.lines}
    assert cells["ratio_0_03_1k"] == "not run (in studies of 2 seeds or more)"
    assert cells["ratio_1_0_lr_0_1_1k"] == "not run"


@pytest.mark.parametrize("protocol", ["paper", "rehearsal"])
def test_videos_know_nothing_of_them(protocol, tmp_path):
    study = load_study("table7", protocol, results_dir=tmp_path)
    assert [row.id for row in study.all_rows] == PRINTED
    listed = vswin("list", "table7", "--protocol", protocol).stdout
    assert "ratio_0_1_1k" in listed
    assert "ratio_0_03_1k" not in listed
    # It is no setting of a printed row that there are rows beside which have another `lr`.
    assert "; lr " not in listed
    assert " lr " not in listed
    done = vswin("run", "table7", "--protocol", protocol, "--row", "ratio_0_03_1k")
    assert done.returncode == 2
    assert f"row ratio_0_03_1k, cannot be run under protocol {protocol}: only_on" in done.stderr
