"""The section with every number of every test."""

import scipy.stats

from tests.report.claims.made_up import claim, with_results
from vswin.report import load_study
from vswin.report.claims import Studies, judge, with_holm
from vswin.report.tests_in_numbers import HEADER
from vswin.report.tests_in_numbers import tests_in_numbers as section_of


def test_each_step_has_its_line_and_each_claim_its_ps():
    study = with_results(
        load_study("table5", results_dir="/nowhere"),
        win4=[70.0, 70.0, 70.0, 70.0],
        win8=[71.0, 72.0, 73.0, 80.0],
        win16=[71.5, 72.5, 72.0, 81.0],
    )
    studies = Studies("proxy", "/nowhere", known=[study])
    claims = [
        claim("trend", ["win4", "win8", "win16"]),
        claim("greater", ["win8", "win4"]),
        claim("greater", ["dim8", "dim4"]),
        claim("greater", ["win16", "win8"], metric="flops"),
    ]
    judged = with_holm([judge(each, studies) for each in claims])
    first, second, third = (
        dict(zip(HEADER, line, strict=True)) for line in section_of(study, judged).lines
    )
    assert [line["comparison"] for line in (first, second, third)] == [
        "win8 − win4",
        "win16 − win8",
        "win8 − win4",
    ]
    assert first["interquartile mean"] == "+2.50"  # of 1, 2, 3, 10
    assert first["P(larger)"] == "1.00"
    assert second["P(larger)"] == "0.53"  # 71.5 beats one, 72.5 two, 72 one and a half, 81 four
    assert (first["tau"], second["tau"], third["tau"]) == ("0.83", "", "–")
    assert third["p"] == f"{judged[1].p:.4f}"
    assert third["Holm p"] == f"{judged[1].holm_p:.4f}"
    assert third["sign-flip p"] == "0.0625"
    of_step = [0.5, 0.5, -1.0, 1.0]  # mean 0.25, standard error 0.433; (1 - 0.25) / 0.433 = 1.732
    assert second["TOST p"] == f"{scipy.stats.t.sf((1 - 0.25) / scipy.stats.sem(of_step), 3):.4f}"
    assert third["seeds"] == "4"


def test_what_is_not_the_headline_is_named():
    rows = {"win4": [90.0, 91.0, 90.5], "win8": [95.0, 97.0, 95.5]}
    study = with_results(load_study("table5", results_dir="/nowhere"), "order", **rows)
    learnt = claim("greater", ["win8", "win4"], metric="order")
    judged = [judge(learnt, Studies("proxy", known=[study]))]
    ((comparison, *_),) = section_of(study, judged).lines
    assert comparison == "win8 − win4 (order)"


def test_nothing_tested_is_no_section():
    study = load_study("table5", results_dir="/nowhere")
    judged = [judge(claim("greater", ["win8", "win4"]), Studies("proxy", known=[study]))]
    assert section_of(study, judged).is_empty
