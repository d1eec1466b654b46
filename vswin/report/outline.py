"""A report from its first screen to its last line, in the order of a reproducibility report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vswin.report import digits, distances, published
from vswin.report.claims import Judgement
from vswin.report.data import Section
from vswin.report.experience import easy, hard
from vswin.report.first_screen import first_screen, negative
from vswin.report.inference import inference
from vswin.report.memory import memory
from vswin.report.pairing import pairing
from vswin.report.provenance import initialisations, origins, provenance
from vswin.report.sections import (
    accuracies,
    costs_apart,
    decisions,
    differences,
    other_systems,
    recipe,
    resources,
    scope,
    videos,
)
from vswin.report.sensitivity import Sensitivity, sensitivity
from vswin.report.study import Study
from vswin.report.sweep import sweep
from vswin.report.table import beside, the_table
from vswin.report.tests_in_numbers import tests_in_numbers
from vswin.report.tradeoff import tradeoff
from vswin.report.trained import trained


def all_sections(
    study: Study, judgements: Sequence[Judgement], variations: Sequence[Sensitivity]
) -> list[Section]:
    """What a page shows of a study, in order; sections without anything in them are left out."""
    return [
        *_present([first_screen(study, judgements, variations), negative(study, judgements)]),
        scope(study),
        *_part("Method", method(study, judgements)),
        *_part("Results", [*results(study), tests_in_numbers(study, judgements)]),
        *_present([sensitivity(study, judgements, variations)]),
        *_present([easy(study, judgements), hard(study, judgements)]),
        *_present([provenance(study), origins(study), initialisations(study), resources(study)]),
    ]


def method(study: Study, judgements: Sequence[Judgement]) -> list[Section]:
    """How rows were trained and tested, and how verdicts are made."""
    return [
        trained(study.all_rows),
        differences(study),
        decisions(study),
        _folded(pairing(study, [judgement.claim for judgement in judgements])),
        recipe(study),
    ]


def results(study: Study) -> list[Section]:
    """The table, then what stands behind it."""
    rows, runs = [*study.distinct_rows, *study.beside], study.runs
    every = [*rows, *study.controls_run]
    return [
        distances.ranges(study),
        distances.dependence(study),
        the_table(study),
        tradeoff(study),
        beside(study),
        costs_apart(study),
        inference(study),
        memory(study),
        published.section(study),
        accuracies(study),
        digits.success(rows, runs),
        sweep(study),
        digits.stills(rows, runs),
        digits.controls(study.control_intervals(), study.chance, study.all_rows, runs),
        Section(
            "Learning curves",
            text="Top-1 on the training clips of each epoch." if study.curves else "",
            picture="curves",
        ),
        other_systems(study),
        _folded(digits.difficulty(every, runs)),
        _folded(digits.checks(rows, runs)),
        videos(study),
    ]


def _part(title: str, sections: Sequence[Section]) -> list[Section]:
    """A heading above the sections that are not empty; nothing if all are."""
    found = _present(sections)
    return [Section(title, level=2), *found] if found else []


def _present(sections: Sequence[Section]) -> list[Section]:
    return [section for section in sections if not section.is_empty]


def _folded(section: Section) -> Section:
    return dataclasses.replace(section, is_folded=True)
