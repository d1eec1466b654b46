"""Printed differences against the sampling error of the videos that they were measured on."""

import math

import pytest

from vswin.paper.claims import paper_claims
from vswin.report.claims.printed import (
    DISCORDANCE,
    TESTED_VIDEOS,
    assumptions,
    printed_evidence,
    printed_in_words,
)

FOUND = printed_evidence("video_swin")
CLEAR, SINGLE, NOT = "clear", "by a single test only", "not resolvable"


@pytest.mark.parametrize(
    ("claim", "differences", "zs", "resolution"),
    [
        ("joint_beats_split", [2.4], [9.2], CLEAR),
        ("factorized_beats_split", [2.1], [8.1], CLEAR),
        ("joint_beats_factorized", [0.3], [1.2], NOT),
        ("larger_pretraining_helps", [2.0], [7.7], CLEAR),
        ("longer_is_better", [1.8, 0.6], [6.9, 2.3], SINGLE),  # as clear as its weaker step
        ("longer_window_is_better", [0.2, 0.3], [0.8, 1.2], NOT),
        ("small_drop", [-0.3], [-1.2], NOT),
        ("shifted_windows_help", [0.7], [2.7], SINGLE),
        ("temporal_shift_helps", [0.3], [1.2], NOT),
        ("spatial_shift_helps", [0.4], [1.5], NOT),
        ("lower_backbone_lr_helps_1k", [0.4], [1.5], NOT),
        ("lower_backbone_lr_helps_21k", [0.6], [2.3], SINGLE),
        ("larger_pretraining_gains_more_from_the_ratio", [0.2], [0.5], NOT),
        ("embeddings_begin_equally_well", [0.0], [0.0], NOT),
        ("biases_begin_equally_well", [0.0], [0.0], NOT),
        ("large_beats_vivit_l", [3.3], [8.7], CLEAR),
        ("large_beats_vivit_h", [0.1], [0.3], NOT),
        ("large_beats_vivit_l_on_600", [2.9], [9.4], CLEAR),
        ("large_beats_vivit_h_on_600", [0.3], [1.0], NOT),
        ("base_beats_mvit_on_ssv2", [0.9], [2.2], SINGLE),
        ("small_beats_mvit", [0.4], [1.0], NOT),
        ("small_beats_x3d", [0.2], [0.5], NOT),
    ],
)
def test_which_printed_differences_are_clear(claim, differences, zs, resolution):
    steps = FOUND[claim].steps
    assert [round(step.difference, 1) + 0.0 for step in steps] == differences
    assert [round(step.z, 1) + 0.0 for step in steps] == zs
    assert FOUND[claim].resolution == resolution


def test_every_claim_about_printed_accuracies_is_there_and_no_other():
    missing = {c.id for c in paper_claims("video_swin") if c.metric == "top1"} - FOUND.keys()
    assert missing == {
        "level_on_kinetics_400",
        "level_on_kinetics_600",
        "level_on_ssv2",
        "zero_gate_helps",
        "ratio_and_not_rate_helps_1k",
        "ratio_and_not_rate_helps_21k",
        "single_frame_tells_nothing",
        "shuffled_frames_tell_half",
    }
    assert {found.claim.metric for found in FOUND.values()} == {"top1"}


def test_error_of_two_models_on_the_same_videos():
    """By hand: sqrt(0.13 / 19,796) is 0.256 points; two cells rounded to 0.1 add 0.041."""
    (step,) = FOUND["joint_beats_split"].steps
    assert step.is_paired
    assert step.videos == 19_796
    assert step.error == pytest.approx(math.hypot(0.25626, 0.04082), abs=1e-4)


def test_error_of_two_systems_on_videos_of_their_own():
    """By hand: sqrt((0.846 * 0.154 + 0.813 * 0.187) / 19,796) is 0.378 points."""
    (step,) = FOUND["large_beats_vivit_l"].steps
    assert not step.is_paired
    assert step.error == pytest.approx(math.hypot(0.37765, 0.04082), abs=1e-4)


def test_an_interaction_has_the_error_of_two_differences():
    (step,) = FOUND["larger_pretraining_gains_more_from_the_ratio"].steps
    (half,) = FOUND["lower_backbone_lr_helps_1k"].steps
    assert step.error == pytest.approx(math.sqrt(2) * half.error)
    assert len(step.rows) == 4


def test_a_difference_that_two_claims_speak_of_is_one_test():
    """Holm multiplies the smallest p by the number of different tests."""
    steps = [step for found in FOUND.values() for step in found.steps]
    tests = {frozenset(step.rows) for step in steps}
    assert len(tests) < len(steps)
    smallest = min(steps, key=lambda step: step.p)
    assert smallest.holm_p == pytest.approx(len(tests) * smallest.p)
    drop, joint = FOUND["small_drop"].steps[0], FOUND["longer_window_is_better"].steps[1]
    assert drop.difference == pytest.approx(-joint.difference)
    assert drop.holm_p == joint.holm_p


def test_more_discordance_makes_fewer_differences_clear():
    def resolutions(discordance):
        return [f.resolution for f in printed_evidence("video_swin", discordance).values()]

    counts = [resolutions(d).count(NOT) for d in (0.05, DISCORDANCE, 0.33)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_p_is_that_of_a_normal_distribution():
    (step,) = FOUND["shifted_windows_help"].steps
    from scipy import stats

    assert step.p == pytest.approx(2 * stats.norm.sf(step.z))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("joint_beats_split", "+2.4 (z +9.2), clear"),
        ("longer_window_is_better", "+0.2 (z +0.8), +0.3 (z +1.2), not resolvable"),
        ("embeddings_begin_equally_well", "+0.0 (z +0.0), not resolvable"),
        ("saves_17_percent", "0.830 times"),
        ("model_is_three_times_smaller", "3.24 times"),
        ("level_on_ssv2", "69.6 %"),
        ("zero_gate_helps", ""),
        ("more_frames_save_more", ""),
        ("tokens_begin_inside_their_frame", ""),
    ],
)
def test_what_a_page_shows_of_a_claim(name, words):
    (claim,) = [claim for claim in paper_claims("video_swin") if claim.id == name]
    assert printed_in_words(claim) == words


def test_lines_and_assumptions_are_readable():
    assert FOUND["joint_beats_split"].line == "joint − split +2.4 points (z +9.2): clear"
    assert FOUND["longer_is_better"].line == (
        "dim8 − dim4 +1.8 points (z +6.9); dim16 − dim8 +0.6 points (z +2.3): by a single test only"
    )
    assert FOUND["embeddings_begin_equally_well"].line.startswith("center − inflate +0.0 points")
    for videos in TESTED_VIDEOS.values():
        assert f"{videos:,}" in assumptions(["video_swin", "mvit"])
    assert "13 %" in assumptions(["video_swin"])
    assert "ImageNet" not in assumptions(["video_swin"])
