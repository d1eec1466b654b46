"""Reports of the MViT appendix: costs, memory and claims of tables that nothing is trained for."""

import pytest

from vswin.paper.claims import Claim
from vswin.report import load_study
from vswin.report.claims import judge_claims
from vswin.report.memory import memory
from vswin.report.page import make_page, write_report
from vswin.report.sections import other_systems
from vswin.report.table import the_table


def study(table, tmp_path, protocol="proxy"):
    return load_study(table, protocol, results_dir=tmp_path)


def test_a_report_says_what_is_counted_and_that_nothing_is_trained(tmp_path):
    page = make_page(study("tableA5", tmp_path))
    assert page.title == "Table A.5: Blocks in each stage of MViT-B"
    assert page.verdict == [
        "Claims that need training: 1 not run.",
        "Claims that need no training: 5 hold (2 by a model of memory).",
        "Costs: 12 of 12 printed cells reproduced to the digit.",
        "Accuracies: not run. tableA5 cannot be trained yet: that takes Kinetics-400, GPUs and the "
        "recipe of section D.1, which no protocol has; `vswin cost tableA5` counts its costs.",
    ]
    assert page.training == ""
    (table,) = [section for section in page.sections if section.title == "The table"]
    assert not any("ours, proxy" in title for title in table.header)
    (v5,) = [line for line in table.lines if line[0] == "v5"]
    assert v5[1:] == ["V5", "[1, 2, 11, 2]", "77.1", "83.6 / 83.548 ✓", "36.5 / 36.513 ✓"]
    assert "Rounded twice: v5." in table.note
    assert "counting rule `macs`" in table.note


@pytest.mark.parametrize("protocol", ["proxy", "paper"])
def test_every_protocol_says_the_same_of_it(protocol, tmp_path):
    found = study("tableA8", tmp_path, protocol)
    assert not found.is_trainable
    assert {j.verdict for j in judge_claims(found) if not j.claim.is_counted} == {"not run"}


def test_a_report_is_written(tmp_path):
    files = write_report(study("tableA4", tmp_path))
    text = files.markdown.read_text()
    # Three rows for one reason stand in a line.
    assert "FLOPs of t8_c3x7x7, t16_c3x7x7, t32_c3x7x7, printed 70.5, ours 70.3." in text
    assert "`vswin cost tableA4`" in text
    assert "<code>vswin cost tableA4</code>" in files.html.read_text()
    assert (tmp_path / "proxy" / "tables" / "tableA4.csv").read_text().count("\n") == 7


def test_memory_is_set_beside_the_printed_one_as_an_order(tmp_path):
    """Digits are not compared; without V6, whose 11.3 is suspicious, the order is the printed."""
    section = memory(study("tableA5", tmp_path))
    rows = {line[0].partition(":")[0]: line[1:] for line in section.lines}
    assert rows["v5"] == ["9.1", "9.0", ""]
    assert rows["v6"] == ["11.3", "9.8", "suspicious"]
    assert section.before == (
        "12 of 15 pairs of rows are in the printed order; not in it: v6 above v1, v6 above v2, "
        "v6 above v3. Without what is suspicious: 10 of 10 pairs of rows are in the printed order."
    )


def test_of_memory_the_order_is_judged_and_of_computation_the_number(tmp_path):
    found = {j.claim.id: j for j in judge_claims(study("tableA9", tmp_path))}
    memory_verdicts = {j.verdict for j in found.values() if j.claim.metric == "memory"}
    assert memory_verdicts == {"holds"}
    assert "whose order counts" in found["no_pooling_of_images_takes_memory"].reason
    # 10.4 of 7.8 G, as printed, are 33 % more; 10.438 of 7.781 G are 34 % more.
    assert found["no_pooling_of_images_costs_a_third_more"].verdict == "contradicted"
    fields = found["no_pooling_of_images_takes_memory"].claim.model_dump(exclude_unset=True)
    with pytest.raises(ValueError, match="only the order of memory can be told"):
        Claim.model_validate(fields | {"kind": "ratio", "bounds": {"low": 1.4, "high": 1.5}})


def test_a_number_in_a_caption_that_is_not_reproduced_stands_beside_what_holds(tmp_path):
    page = make_page(study("tableA3", tmp_path))
    (section,) = [each for each in page.sections if each.title == "What was not confirmed"]
    assert "every one that was tested or counted holds. But the caption says 70.5 G" in section.text
    assert "70.325 G" in section.text


def test_a_table_without_printed_memory_has_no_such_section(tmp_path):
    assert memory(study("tableA3", tmp_path)).is_empty
    assert memory(study("table5", tmp_path)).is_empty


def test_other_systems_that_can_be_built_are_counted(tmp_path):
    """Their rows are no rows of the study: nothing is run for them."""
    found = study("table1", tmp_path)
    lines = {line[1]: line for line in the_table(found).lines}
    assert lines["MViT-B, 64×3 [10]"][-3:-1] == ["455 / 454.737 ✓", "36.6 / 36.602 ✓"]
    assert lines["X3D-XXL [12]"][-3:-1] == ["144 ?", "20.3"]
    assert "`macs`" in the_table(found).note
    assert not {"mvit_b_32x3", "mvit_b_64x3"} & {row.id for row in found.rows}
    assert sum(cell["row"].startswith("mvit") for cell in found.cost_lines()) == 4


def test_other_systems_of_a_figure_are_listed_as_printed(tmp_path):
    lines = other_systems(study("figureA4", tmp_path)).lines
    assert ["ViT-L-ViViT [1]", "4×1", "1446", "5.78", "80.3"] in lines
    assert len(lines) == 7
