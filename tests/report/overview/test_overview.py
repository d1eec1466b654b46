"""The overview: every claim and table on one page, and nothing that the results do not say."""

import dataclasses
import re

import pytest

from vswin.experiments.library import Library
from vswin.files import DamagedFileError
from vswin.paper.claims import paper_claims
from vswin.paper.printed import FOLDER, printed_table, read_paper
from vswin.project import experiments_dir
from vswin.report import reports_in
from vswin.report.claims.tally import counts, outcome
from vswin.report.overview.awaited import bill
from vswin.report.overview.block import LINK, plain
from vswin.report.overview.blocks import TITLES, blocks, name_of
from vswin.report.overview.data import by_evidence
from vswin.report.overview.headline import headline
from vswin.report.overview.page import as_markdown, first_lines, make_page, write_overview
from vswin.report.overview.picture import picture_of
from vswin.report.overview.repeated import repeated, repeated_in_short
from vswin.report.overview.tables import as_printed, printed_in_short, tables
from vswin.report.statistics import Interval
from vswin.wording import signed

PRINTED = [t for t in Library(experiments_dir()).tables() if printed_table(t)]


@pytest.fixture(scope="module")
def files(overview):
    return write_overview(overview)


def judgement(overview, claim):
    (found,) = [j for j in overview.judgements if j.claim.id == claim]
    return found


def first_screen(overview):
    """Its first lines without links."""
    return [plain(line) for line in headline(overview)]


def named(overview, claim):
    return name_of(judgement(overview, claim))


def test_every_claim_and_every_table_is_on_the_page(overview, files):
    markdown, page = files.markdown.read_text(), files.html.read_text()
    files = [*FOLDER.glob("*/table*.yaml"), *FOLDER.glob("*/figure*.yaml")]
    assert sorted(path.stem for path in files) == sorted(PRINTED)
    for text, suffix in ((markdown, "md"), (page, "html")):
        for table in PRINTED:
            assert f"{table}.{suffix}" in text
        for each in overview.judgements:
            assert each.claim.id in text
            assert each.claim.where in text


def test_what_does_not_hold_is_said_as_loudly_as_what_holds(overview):
    assert judgement(overview, "joint_beats_split").verdict == "holds"
    assert judgement(overview, "joint_beats_factorized").verdict == "contradicted"
    (line,) = [text for text in first_screen(overview) if text.startswith("Contradicted on Moving")]
    assert f"{named(overview, 'joint_beats_factorized')} (−2.1 [" in line
    (good,) = [text for text in first_screen(overview) if text.startswith("Holds on Moving Digits")]
    split, factorized = (
        named(overview, f"joint_beats_{other}") for other in ("split", "factorized")
    )
    assert "4 seeds" in good and split in good and factorized not in good
    assert split not in line
    first, second, *_ = (block for block in blocks(overview) if block.tone)
    assert first.title.startswith(TITLES["contradicted"])
    assert second.title.startswith(TITLES["holds"])
    shown = as_markdown(first)
    assert "`joint_beats_factorized`" in shown
    assert "contradicted on Moving Digits: joint − factorized = −2.10 points" in shown
    assert (
        "one-sided p of the opposite below 0.0001, also after Holm" in shown
    )  # t = -36 with 3 d.f.


def test_verdicts_are_counted_once_each(overview):
    number = len(overview.judgements)
    assert overview.papers == ["video_swin", "mvit"]
    for paper, line in zip(overview.papers, headline(overview), strict=False):
        judged = [j for j in overview.judgements if j.paper == paper]
        assert len(judged) == len(paper_claims(paper))
        claims, said = line.split(f" claims of {read_paper(paper).title}: ")
        of_claims, _, of_checks = re.sub(r" \([^)]*\)", "", said).partition("; checks")
        numbers = [sum(map(int, re.findall(r"\d+", part))) for part in (of_claims, of_checks)]
        checks = [each for each in paper_claims(paper) if not each.quote]
        assert numbers == [int(claims), len(checks)]
        assert int(claims) + len(checks) == len(judged)
    assert sum(counts(overview.judgements).values()) == number
    classes = by_evidence(overview.judgements)
    assert sum(map(len, classes.values())) == number
    bars = picture_of(overview).bars
    assert [sum(bar.counts.values()) for bar in bars] == [len(each) for each in classes.values()]
    blocks_of_claims = [block for block in blocks(overview) if block.tone]
    assert sum(len(block.lines) for block in blocks_of_claims) == number


def test_that_no_printed_accuracy_is_reproduced_stands_first_with_what_was_trained(overview):
    lines = first_screen(overview)[len(overview.papers) :]
    assert lines[0].startswith("Printed accuracies: none is reproduced yet without the papers' vid")
    assert "Moving Digits, synthetic clips of drifting handwritten digits" in lines[0]
    first, *tables = overview.bill.tables
    bill = dataclasses.replace(
        overview.bill, tables=(dataclasses.replace(first, done=first.rows), *tables)
    )
    rows = sum(table.rows for table in bill.tables)
    trained = first_screen(dataclasses.replace(overview, bill=bill))[len(overview.papers)]
    assert f": {first.rows} of {rows} rows were trained on the papers' videos" in trained


def test_counting_and_training_stand_in_one_sentence(overview):
    (line,) = [text for text in first_screen(overview) if text.startswith("In short: ")]
    tested = [j for j in overview.judgements if j.evidence == "open test" and j.steps and j.paper]
    assert f"; of {len(tested)} claims about accuracy or speed that training could" in line
    assert line.endswith(
        "3 hold, 1 contradicted on Moving Digits; 2 of the 4 have another answer in a sensitivity "
        "study."
    )


def test_a_sentence_of_many_claims_is_named_once(overview):
    """Section 3.3 has one sentence on the sizes of the models, which is six claims."""
    (line,) = [text for text in first_screen(overview) if text.startswith("Contradicted by count")]
    found = "0.32 times; wanted 0.225 to 0.275; and 4 other ratios of that sentence"
    but = f"but of the same sentence, {named(overview, 'large_has_twice_the_cost')} holds"
    assert f"{named(overview, 'tiny_has_a_quarter_of_the_size')} ({found}; {but});" in line
    assert "8 contradicted (5 of one sentence)" in line_of_costs(overview)


def test_what_else_holds_of_a_contradicted_sentence_is_said_beside_it(overview):
    """For one view the costs are similar, for a whole test they are not."""
    (line,) = [text for text in first_screen(overview) if text.startswith("Contradicted by count")]
    for_all, for_one = "small_costs_as_mvit_with_all_views", "small_costs_as_mvit"
    assert judgement(overview, for_one).verdict == "holds"
    but = f"but of the same sentence, {named(overview, for_one)} holds"
    assert f"{named(overview, for_all)} (2.34 times; wanted 0.8 to 1.25; {but});" in line


def test_claims_of_which_all_numbers_are_printed_are_counted_apart(overview):
    """30 against 12 views, 300 against 14.2 M images: no model is behind them."""
    printed = ["pretraining_data_is_twenty_times_less", "small_needs_fewer_views_than_x3d"]
    assert sorted(overview.printed) == printed
    counted = [j for j in overview.judgements if j.evidence == "counted"]
    line = line_of_costs(overview)
    assert f"; of {len(counted) - 2} claims that can be counted, " in line
    assert line.endswith("; of 2 read from printed cells alone, 2 hold.")
    said = {claim: evidence_of(overview, claim) for claim in printed}
    assert set(said.values()) == {"read from printed cells"}
    one_is_ours = evidence_of(overview, "large_has_half_the_cost_of_vivit_l")
    assert one_is_ours == "counted on the papers' models"


def evidence_of(overview, claim):
    """What the page says a claim rests on."""
    (line,) = [
        line
        for block in blocks(overview)
        for line, name in zip(block.lines, block.ids, strict=False)
        if name == claim
    ]
    return line[3]


def line_of_costs(overview):
    (line,) = [text for text in headline(overview) if text.startswith("Costs, counted")]
    return line


def test_what_the_verdicts_rest_on_stands_behind_them(overview):
    """Eight claims of the appendix are about memory, of which there is a model alone."""
    assert "35 hold (8 by a model of memory)" in line_of_costs(overview)
    paper = [j for j in overview.judgements if j.paper == "video_swin"]
    assert "checks of the benchmark: 2 not run" in outcome(paper)
    passed = [dataclasses.replace(j, verdict="holds") for j in paper]
    built_in = sum(bool(j.claim.quote) and j.evidence == "built in" for j in paper)
    assert outcome(passed) == (
        f"{len(paper) - 2} hold ({built_in} of them built into the benchmark); "
        "both checks of the benchmark pass"
    )


def test_every_name_on_the_first_screen_leads_to_its_line(overview, files):
    claims = {j.claim.id for j in overview.judgements}
    linked = {link[3] for line in headline(overview) for link in LINK.finditer(line)}
    settled = ("contradicted", "no effect", "inconclusive")
    assert {j.claim.id for j in overview.judgements if j.steps and j.verdict in settled} <= linked
    assert "joint_beats_split" in linked <= claims
    html, markdown = files.html.read_text(), files.markdown.read_text()
    for claim in linked:
        assert f'<a href="#{claim}">' in html and f'<tr id="{claim}">' in html
        assert f"](#{claim})" in markdown and f'<a id="{claim}">' in markdown
        assert f"](#{claim})" in first_lines(make_page(overview))


def test_what_is_printed_of_both_rows_is_said_where_nothing_else_is(overview):
    said = {
        claim: as_printed(judgement(overview, claim).claim)
        for claim in ("joint_costs_less_than_factorized", "longer_costs_more", "zero_gate_helps")
    }
    assert [*said.values()] == ["95 against 88 G", "20, 44, 106 G", ""]  # Tables 4 and 5
    cells = [line[1] for block in blocks(overview) if block.tone for line in block.lines]
    assert said["joint_costs_less_than_factorized"] in cells


def test_what_waits_adds_up(overview):
    here, videos = [text for text in first_screen(overview) if text.startswith("Waits for")]
    numbers = re.findall(r"(\d+) (?:claims|checks)", f"{here} {videos}")
    assert sum(map(int, numbers)) == counts(overview.judgements)["not run"]
    assert "claims (3 of them need only trained weights)" in videos
    assert evidence_of(overview, "trained_mvit_does_not") == "needs trained weights"
    assert evidence_of(overview, "small_beats_mvit") == "needs the papers' videos"
    (hours,) = re.findall(r"about ([\d,]+) GPU-hours", videos)
    assert f"they take {hours} GPU-hours together" in tables(overview).note
    exact, cells = map(int, re.findall(r"\d+", line_of_costs(overview))[:2])
    by_paper = re.findall(r"(\d+) of (\d+) in", tables(overview).note)
    assert [sum(map(int, column)) for column in zip(*by_paper, strict=True)] == [exact, cells]


def test_an_answer_that_depends_on_the_benchmark_is_said_on_the_first_screen(overview):
    (line,) = [text for text in first_screen(overview) if text.startswith("Depends on")]
    name = named(overview, "joint_beats_split")
    assert f"{name} (digits move two pixels in a frame instead of one, where 0 of 3 runs" in line
    assert named(overview, "joint_beats_factorized") not in line  # contradicted in both
    block = what_answers_depend_on(overview)
    assert any(
        item.startswith(f"{name}: another answer. Under `proxy_speed2` (digits move two pixels")
        and "): contradicted (−" in item
        and "; here: holds (+4.95 [" in item
        for item in map(plain, block.items)
    )


def what_answers_depend_on(overview):
    (block,) = [each for each in blocks(overview) if each.title == "What the answers depend on"]
    return block


def test_sensitivity_studies_are_on_the_first_screen_in_a_sentence(overview):
    (line,) = [text for text in first_screen(overview) if text.startswith("Sensitivity studies")]
    assert line == (
        "Sensitivity studies (digits move two pixels in a frame instead of one; 4 more not run "
        "yet): of 4 tests of accuracy there, 2 have the same answer, 2 have another answer."
    )
    (cells,) = what_answers_depend_on(overview).lines
    assert cells[-1].endswith(line.partition(" there, ")[2].rstrip("."))
    assert cells[-1].startswith("Of 4 claims of accuracy tested there, ")
    note = " Not run yet: `proxy_border`, `proxy_double`, `proxy_half`, `proxy_ratio1`."
    assert what_answers_depend_on(overview).note.endswith(note)


def test_claims_count_once_under_each_study(overview):
    (other,) = overview.elsewhere
    again = dataclasses.replace(overview, elsewhere=(other, other), not_run_yet=())
    (line,) = [text for text in first_screen(again) if text.startswith("Sensitivity studies")]
    assert "; digits move" in line and "): of 8 tests of accuracy there, 4 have the same" in line


def test_what_does_not_depend_on_training_is_not_tested_in_a_sensitivity_study(overview):
    """Claims at initialisation have seeds, too, and are the same under every protocol."""
    begins = dataclasses.replace(
        judgement(overview, "layers_of_mvit_begin_apart"), verdict="holds", seeds=(0, 1, 2, 3, 4)
    )
    (other,) = overview.elsewhere
    other = dataclasses.replace(other, judgements=(*other.judgements, begins))
    others = [j for j in overview.judgements if j.claim.id != begins.claim.id]
    again = dataclasses.replace(overview, judgements=(*others, begins), elsewhere=(other,))
    assert what_answers_depend_on(again) == what_answers_depend_on(overview)
    (line,) = [
        line
        for block in blocks(again)
        for line, claim in zip(block.lines, block.ids, strict=False)
        if claim == begins.claim.id
    ]
    assert line[-1] == ""


def test_an_effect_of_another_size_stands_beside_the_claim(overview):
    (other,) = overview.elsewhere
    found = other.of("joint_beats_factorized")
    (step,) = found.steps
    small = dataclasses.replace(step, interval=Interval(-0.4, -0.5, -0.3, 4))
    small = dataclasses.replace(found, steps=(small,), difference=-0.4, interval=small.interval)
    again = dataclasses.replace(other, judgements=(small,))
    again = dataclasses.replace(overview, elsewhere=(again,))
    contradicted = next(block for block in blocks(again) if block.tone == "contradicted")
    cell = contradicted.lines[contradicted.ids.index("joint_beats_factorized")][-1]
    assert cell == "the same in 1 of 1, `proxy_speed2`: contradicted, of another size"
    (item,) = map(plain, what_answers_depend_on(again).items)
    assert "of another size. joint − factorized, under `proxy_speed2`" in item
    assert "): −0.40 [−0.50, −0.30], n = 4" in item
    assert "; here: −2.10 [" in item


def test_a_variation_has_a_page_of_its_own_if_it_is_asked_for(overview):
    assert {protocol for _, protocol in reports_in(overview.results_dir)} == {"proxy"}
    found = reports_in(overview.results_dir, "proxy_speed2")
    assert ("table4", "proxy_speed2") in found


def test_what_was_made_a_second_time_is_said(overview, tmp_path):
    head = "called,protocol,same_curve,clips_that_differ,difference"
    lines = ["twice,proxy,False,0,+0.0000", "twice,proxy,True,3,-0.2500", "twice,paper,True,0,+9.0"]
    (tmp_path / "reproduced.csv").write_text("\n".join([head, *lines]) + "\n")
    again = dataclasses.replace(overview, results_dir=tmp_path)
    assert repeated(again).lines == [["twice", "2", "1", "1", "0.25"]]
    assert repeated_in_short(again) == (
        "Runs made a second time: 1 of 2 gave the same test answers, top-1 at most 0.25 points "
        "apart (twice)."
    )
    (tmp_path / "reproduced.csv").write_text("\n".join([head, "twice,proxy,True,0,+0.0000"]))
    assert repeated_in_short(again) == (
        "Runs made a second time: 1 of 1 came out the same, step by step and clip by clip (twice)."
    )
    assert not repeated_in_short(overview)
    (tmp_path / "reproduced.csv").write_text("called,protocol\ntwice,proxy\n")
    with pytest.raises(DamagedFileError, match=r"reproduced.csv lacks columns"):
        repeated(again)


def test_the_same_results_give_the_same_bytes(overview, files):
    before = [path.read_bytes() for path in vars(files).values()]
    for path in vars(files).values():
        path.unlink()
    assert [path.read_bytes() for path in vars(write_overview(overview)).values()] == before


def test_links_lead_to_the_reports_of_tables(overview):
    page = make_page(overview)
    texts = [text for block in page.blocks for line in block.lines for text in line]
    texts += [text for block in page.blocks for text in (*block.items, block.before, block.note)]
    found = {link[3] for text in texts for link in LINK.finditer(text) if not link[2]}
    assert found == {*PRINTED, *(study.name for study, _ in overview.own)}


def test_what_kinetics_would_cost_is_computed(tmp_path):
    """Table 8 by hand: two rows of 87.889 G, 30 epochs, 4×3 views, 15 % of 312 TFLOP/s."""
    clips = 3 * 30 * 246_534 + 12 * 19_906
    hours = 2 * 2 * 87.889e9 * clips / (0.15 * 312e12) / 3600
    found = bill(["table8"], tmp_path)
    assert found.gpu_hours == pytest.approx(hours, rel=1e-4)
    assert (found.runs, found.tables[0].done) == (2, 0)
    both = bill(["table8", "table9"], tmp_path)  # inflate is duplicate: the paper's default
    assert both.runs == 3
    assert both.gpu_hours == pytest.approx(1.5 * hours, rel=1e-4)


def test_printed_differences_within_the_sampling_error_are_named(overview):
    """Section 4.3: 0.2 points between windows of 8 and 4 are less than 20k videos can tell."""
    line = printed_in_short(overview)
    (block,) = [each for each in blocks(overview) if each.title.startswith("Printed differences")]
    assert block.before == line
    found = {line[0].split("`")[1]: line[2] for line in block.lines}
    assert found["longer_window_is_better"] == "not resolvable"
    assert found["joint_beats_split"] == "clear"
    different, of_them, once, within, equal, of_equal = map(int, re.findall(r"\d+", line))
    assert different == of_them + once + within
    assert different + equal == len(found)
    assert within + of_equal == list(found.values()).count("not resolvable")
    assert equal == 8  # an equality within the sampling error is no fault of the paper


def test_a_row_that_is_printed_twice_counts_once(overview):
    (line,) = [line for line in tables(overview).lines if "(table5)" in line[0]]
    assert line[1] == "10 of 10"  # five rows with two costs each; one of them stands there twice


@pytest.mark.parametrize(
    ("number", "text"),
    [(7.46, "+7.5"), (-0.31, "−0.3"), (-0.041, "−0.04"), (-0.001, "−0.001"), (-1e-9, "+0.0")],
)
def test_numbers_have_a_sign(number, text):
    assert signed(number, 1) == text


def test_html_shows_links_code_and_no_markup_of_markdown(files):
    text = files.html.read_text()
    assert '<a href="table4.html">Table 4</a>' in text
    assert "<code>joint_beats_split</code>" in text
    assert not re.search(r"\]\(table", text)
    assert "data:image/png;base64," in text
