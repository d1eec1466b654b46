"""The committed audit is what the code derives; each status comes from what it should."""

import dataclasses
import fnmatch

import pytest

from tests.own import own_project
from vswin.files import read_json
from vswin.paper.auditing import known_cells
from vswin.paper.peers import read_peers
from vswin.paper.printed import printed_table
from vswin.paper.text import papers
from vswin.project import results_path
from vswin.report.audit.basis import (
    FILE,
    RECORD,
    Basis,
    PublishedTest,
    Verdict,
    as_text,
    digest_of,
    load_basis,
    make_basis,
)
from vswin.report.audit.cells import cells_of
from vswin.report.audit.collect import load_audit
from vswin.report.audit.data import labels as labels_of
from vswin.report.audit.page import STATUSES_FILE, statuses
from vswin.report.audit.parts import headline, parts
from vswin.report.doubts.finding import AS_BUILT, RECOMPUTED

REFRESH = f"a status has changed: `vswin report audit --results-dir {RECORD}` writes it anew"
NOTHING = Basis("", {}, {}, {}, {}, {}, {})


@pytest.fixture(scope="module")
def audit():
    return load_audit()


def test_the_committed_statuses_are_those_that_the_code_derives(audit):
    committed = (results_path(RECORD) / STATUSES_FILE).read_text(encoding="utf-8")
    assert statuses(audit).splitlines() == committed.splitlines(), REFRESH


def test_the_committed_counts_verdicts_and_hours_are_those_of_today():
    root = results_path(RECORD)
    fresh = make_basis(root)
    assert as_text(fresh) == (root / FILE).read_text(encoding="utf-8"), REFRESH
    assert load_basis(RECORD) == fresh


def test_what_was_kept_does_not_count_once_its_files_have_changed(tmp_path, monkeypatch):
    kept = read_json(results_path(RECORD) / FILE) | {"digest": "of other files"}
    (tmp_path / FILE).write_text(as_text(NOTHING).replace('""', '"of other files"', 1))
    made = dataclasses.replace(NOTHING, digest="made anew")
    monkeypatch.setattr("vswin.report.audit.basis.make_basis", lambda root: made)
    assert kept["digest"] != made.digest
    assert load_basis(tmp_path) == made


def test_an_experiment_of_ones_own_leaves_what_was_kept_as_it_is(tmp_path, monkeypatch):
    folder, root = own_project(tmp_path) / "experiments", results_path(RECORD)
    monkeypatch.setattr("vswin.report.audit.basis.experiments_dir", lambda: folder)
    before = digest_of(root)
    (folder / "mine.yaml").unlink()
    assert digest_of(root) == before
    with (folder / "table5.yaml").open("a") as table:
        table.write("# edited\n")
    assert digest_of(root) != before


def test_every_number_has_a_status_and_a_reason(audit):
    for each in (*audit.cells, *audit.text):
        assert each.finding.evidence, each
        assert each.finding.status != "suspicious" or each.finding.confidence, each


def test_what_is_known_of_a_cell_is_said_of_it(audit):
    """Of each cell that a line of the audit's files names; the first that names a cell counts."""
    said, known = {cell.name: cell.finding.evidence for cell in audit.cells}, []
    for paper in papers():
        known += [(each.cells, each.evidence) for each in known_cells(paper).cells]
        known += [(each.cells, each.says) for each in known_cells(paper).remarks]
    known += [([f"{row}.*" for row in each.rows], each.why) for each in read_peers().unchecked]
    for patterns, words in known:
        for pattern in patterns:
            named = fnmatch.filter(said, pattern)
            assert any(words in said[name] for name in named), f"{pattern}: {words}"


def test_every_printed_number_of_the_tables_is_audited(audit):
    named = {cell.name for cell in audit.cells}
    for table in {cell.table for cell in audit.cells}:
        printed = printed_table(table)
        for row in printed.rows:
            for column in printed.columns:
                if column.metric and printed.number(row.id, column.metric):
                    assert f"{table}.{row.id}.{column.id}" in named


def found(table, row, column, basis):
    cells = {
        (cell.row, cell.column): cell.finding for cell in cells_of(printed_table(table), basis)
    }
    return cells[row, column]


def test_a_cost_is_exact_if_the_count_rounds_to_it_and_in_doubt_if_not():
    counts = {"table4": {"split": {"flops": 83.334, "params": 41.949}}}
    basis = dataclasses.replace(NOTHING, costs=counts)
    assert found("table4", "split", "flops", basis).status == "exact"
    other = found("table4", "split", "params", basis)
    assert (other.status, "41.9 to the printed digit" in other.evidence) == ("suspicious", True)


def verdict(said, metric="top1"):
    rows = ("table6.shift_3d", "table6.shift_none")
    return Verdict(said, "open test", "", rows, metric, "greater")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("holds", "tested"),
        ("contradicted", "tested"),
        ("no effect", "tested"),
        ("inconclusive", "needs data"),
        ("not run", "needs data"),
    ],
)
def test_an_accuracy_is_tested_once_a_claim_about_it_has_a_verdict(said, status):
    basis = dataclasses.replace(NOTHING, verdicts={"a_claim": verdict(said)})
    assert found("table6", "shift_3d", "top1", basis).status == status
    assert found("table6", "shift_3d", "top5", basis).status == "needs data"
    assert found("table6", "shift_spatial", "top1", basis).status == "needs data"


@pytest.mark.parametrize(("ours", "status"), [(78.0, "within"), (77.5, "suspicious")])
def test_an_accuracy_that_was_trained_here_is_within_the_tolerance_or_not(ours, status):
    basis = dataclasses.replace(NOTHING, measured={"table6": {"shift_3d": {"top1": ours}}})
    assert found("table6", "shift_3d", "top1", basis).status == status


@pytest.mark.parametrize(
    ("ours", "videos", "status"),
    [(78.5, 19_000, "within"), (77.0, 19_000, "suspicious"), (78.5, 18_000, "needs data")],
)
def test_a_published_checkpoint_settles_an_accuracy_if_nearly_every_video_was_read(
    ours, videos, status
):
    test = PublishedTest("released.pth", {"top1": ours, "top5": 93.0}, videos, 19_906)
    basis = dataclasses.replace(NOTHING, published={"table1": {"swin_t": test}})
    cell = found("table1", "swin_t", "top1", basis)
    assert cell.status == status
    assert f"{ours:.2f}" in cell.evidence and f"{videos:,}" in cell.evidence


def test_what_waits_for_data_names_it_with_weights_command_and_hours(audit):
    (cell,) = [cell for cell in audit.cells if cell.name == "table1.swin_t.top5"]
    assert cell.finding.status == "needs data"
    for words in (
        "Kinetics-400",
        "swin_tiny_patch4_window7_224.pth",
        "vswin run table1 --row swin_t --protocol paper",
        "GPU-hours",
    ):
        assert words in cell.finding.evidence


def test_a_setting_of_the_training_waits_for_the_run_that_is_named(audit):
    text = {(n.where, n.of): n.finding for n in audit.text}
    for of, row in (
        ("batch size on K400 and K600", "table1 --row swin_b_1k"),
        ("weight decay of Swin-S", "table1 --row swin_s"),
        ("training length on SSv2", "table3 --row swin_b"),
    ):
        finding = text["section 4.1", of]
        assert finding.status == "needs data", of
        for words in (f"`vswin run {row} --protocol paper_printed`", ".pth", "GPU-hours"):
            assert words in finding.evidence, of
    unrun = [n for n in audit.text if n.paper == "mvit" and n.where.startswith("section D.")]
    assert {n.finding.status for n in unrun if n.printed == "half-period"} == {"needs data"}
    for each in unrun:
        assert each.finding.status != "needs data" or "GPU-hours" in each.finding.evidence, each


def test_a_ratio_to_another_work_is_tested_by_its_claim_and_a_copy_is_not(audit):
    text = {(n.where, n.printed): n.finding.status for n in audit.text}
    assert text["abstract", "~3×"] == text["abstract", "~20×"] == "tested"
    assert text["section 1", "647.5M"] == "printed elsewhere"


def test_most_of_what_is_copied_is_found_in_another_paper(audit):
    copied = [cell for cell in audit.cells if cell.finding.status == "printed elsewhere"]
    unchecked = [cell for cell in copied if "not checked against it" in cell.finding.evidence]
    assert len(unchecked) < len(copied) / 4
    (own,) = [cell for cell in copied if cell.name == "table1.mvit_b_32x3.top5"]
    assert "2104.11227, Table 4" in own.finding.evidence


def test_evidence_of_the_table_stands_above_a_count():
    basis = dataclasses.replace(
        NOTHING, costs={"table1": {"swin_b": {"flops": 281.576, "params": 88.1}}}
    )
    assert found("table1", "swin_b", "params", basis).status == "suspicious"


def test_a_setting_is_compared_with_the_experiment():
    assert found("table5", "win8", "window_size", NOTHING).status == "exact"
    assert found("table7", "ratio_1_0_1k", "ratio", NOTHING).status == "exact"
    assert found("table3", "swin_b", "pretrain", NOTHING).status == "exact"


def test_what_was_counted_is_told_from_what_is_only_built_so(audit):
    """A copy of a counted cost is recomputed; a setting, a shape and Swin-B by itself are not."""
    labels = {cell.name: cell.finding.label for cell in audit.cells}
    assert labels["table5.win8.flops"] == labels["table2.x3d_xl.flops"] == RECOMPUTED
    assert labels["table1.swin_t.views"] == labels["table5.win8.window_size"] == AS_BUILT
    text = {(n.where, n.of): n.finding.label for n in audit.text}
    assert text["section 1", "parameters of Swin-L"] == RECOMPUTED
    assert text[
        "section 4.3", "relative decrease in computation, temporal window 8 against 16"
    ] == (RECOMPUTED)
    assert text["section 3.2", "number of tokens in a 3D window"] == AS_BUILT
    base = "model size and complexity of Swin-B relative to the base model"
    assert text["section 3.3", base] == AS_BUILT
    for each in (*audit.cells, *audit.text):
        assert each.finding.status == "exact" or not each.finding.recomputed
    assert [part.title for part in parts(audit) if "where to pool Q) (" in part.title]
    counted = labels_of(audit.findings())
    assert headline(audit).startswith(
        f"{len(audit.findings())} printed numbers: {counted[RECOMPUTED]} recomputed to the digit, "
        f"{counted[AS_BUILT]} settings and definitions as built, "
    )
