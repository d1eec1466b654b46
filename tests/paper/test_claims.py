"""The claims of the papers: every one is testable, and a broken one is refused in plain words."""

import re

import pytest

from vswin.experiments.library import Library
from vswin.paper.claims import claims_of, paper_claims, read_claims
from vswin.paper.printed import FOLDER, printed_table
from vswin.project import experiments_dir
from vswin.reading import ExperimentError

LIBRARY = Library(experiments_dir())
PAPERS = sorted(path.name for path in FOLDER.iterdir() if (path / "claims").is_dir())
CLAIMS = {claim.id: claim for paper in PAPERS for claim in paper_claims(paper)}


@pytest.mark.parametrize("name", CLAIMS)
def test_every_row_is_one_of_an_experiment_or_printed(name):
    claim = CLAIMS[name]
    for ref in claim.rows:
        table, row = claim.table_of(ref), ref.rpartition(".")[2]
        if table is not None and printed_table(table).row(row) is None:
            LIBRARY.experiment(table).row(row)


NAMES = re.compile(
    r"[Tt]op-1|3D|X3D|MViT-B-24|SlowFast 16×8|R50|R101|16×4|32×3|V[1-6]|ImageNet-21?K|"
    r"Kinetics-[46]00|\((384↑|320)\)|32 frames|Table \d"
)
FIGURES = {
    "large_beats_vivit_l": "3.3%",
    "large_beats_vivit_l_on_600": "2.9%",
    "large_beats_vivit_h": "+0.1",
    "large_beats_vivit_h_on_600": "0.3 points",
    "level_on_kinetics_400": "84.9",
    "level_on_kinetics_600": "86.1",
    "base_beats_mvit_on_ssv2": "0.9%",
    "level_on_ssv2": "69.6",
    "small_drop": "drop of 0.3",
    "saves_17_percent": "17%",
    "shifted_windows_help": "+0.7%",
    "temporal_shift_helps": "+0.3%",
    "larger_pretraining_helps": "2.1%",
    "embeddings_begin_equally_well": "78.8%",
    "biases_begin_equally_well": "78.8%",
    "mvit_is_eight_times_smaller_than_vivit_l": "8.5×",
    "two_scales_save_computation": "38%",
    "separate_positions_save_parameters": "2.1M",
    "pooling_images_by_8x8_saves_computation": "0.6G",
    "no_pooling_of_images_costs_a_third_more": "33%",
}
"""What a sentence says in figures; it must follow from the cells that its claim compares."""


@pytest.mark.parametrize("name", CLAIMS)
def test_no_number_is_typed_into_a_claim(name):
    """All that is left without the placeholders are names."""
    claim = CLAIMS[name]
    words = NAMES.sub("", re.sub(r"\{[^}]*\}", "", claim.says))
    assert not re.search(r"\d", words), words
    assert "{" not in claim.filled()


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_the_sentences_follow_from_the_cells(name):
    claim, (figure,) = CLAIMS[name], re.findall(r"\d+(?:\.\d)?", FIGURES[name])
    assert FIGURES[name] in claim.quote
    assert re.search(rf"(?<![\d.-]){re.escape(figure)}(?![\d.])", claim.filled())


def test_table_7_compares_ratios_after_the_same_pretraining():
    cells = {row.id: row.cells for row in printed_table("table7").rows}
    for name in ("lower_backbone_lr_helps_1k", "lower_backbone_lr_helps_21k"):
        low, high = (cells[row] for row in CLAIMS[name].rows)
        assert (low["ratio"], high["ratio"]) == ("0.1×", "1.0×")
        assert low["pretrain"] == high["pretrain"]


def test_a_table_has_its_own_claims():
    found = claims_of("table4")
    assert found and {claim.table for claim in found} == {"table4"}
    assert claims_of("an_ablation_of_ones_own") == ()


def broken(folder, old, new):
    text = (FOLDER / "video_swin" / "claims" / "table4.yaml").read_text()
    assert old in text
    (folder / "table4.yaml").write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("kind: greater", "kind: bigger", "should be 'greater', 'within'"),
        ("quote:", "qoute:", "qoute: unknown key"),
        ("where: section 4.3", "where: ''", "needs where and quote"),
        ("{joint.top1}", "{joint.top2}", "{joint.top2} is no cell of a printed table"),
        ("rows: [joint, split]", "rows: [joint]", "kind greater takes 2 rows, not 1"),
        ("rows: [joint, split]", "rows: [joint, joint]", "a row is named twice"),
        ("rows: [joint, split]", "rows: [joint, table44.split]", "table44 is no printed table"),
        ("table: table4", "table: null", "row joint must say its table"),
        ("kind: greater", "kind: trend", "kind trend takes 3 rows or more, not 2"),
        ("margins: {clips: 4.0, videos: 1.0}", "bounds: {low: 1}", "kind within takes no bounds"),
        ("    margins: {clips: 1.0}\n", "", "kind greater needs margins for top1"),
        ("{clips: 4.0, videos: 1.0}", "{}", "margins need clips, videos or both"),
        ("clips: 1.0", "clips: -1.0", "greater than 0"),
        ("bounds: {low: 1.2}", "bounds: {low: 1.2, high: 1}", "low 1.2 is not below high 1"),
        ("bounds: {low: 1.2}", "margins: {clips: 1}", "kind ratio needs bounds"),
        ("evidence: open test", "evidence: counted", "evidence counted does not fit top1"),
        ("evidence: open test", "evidence: built in", "what is built in must say why"),
        ("evidence: open test", "evidence: needs videos", "yet has a margin for clips"),
    ],
)
def test_a_broken_claim_is_refused_by_file_and_line(tmp_path, old, new, words):
    broken(tmp_path, old, new)
    with pytest.raises(ExperimentError, match=r"table4\.yaml, line \d+") as refused:
        read_claims(tmp_path)
    assert words in str(refused.value)


def test_two_claims_of_one_id_are_refused_with_both_files(tmp_path):
    broken(tmp_path, "claims:", "claims:")
    (tmp_path / "again.yaml").write_text((tmp_path / "table4.yaml").read_text())
    with pytest.raises(ExperimentError, match=r"table4\.yaml: claim joint.* is in .*again\.yaml"):
        read_claims(tmp_path)
