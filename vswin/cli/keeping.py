"""Keeping in the store what `vswin eval` found, so that reports show it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vswin.data.annotations import VideoList
from vswin.data.video_data import VideoData, ViewsTest
from vswin.evaluation.public import CheckpointEvaluation, ClipsAsked
from vswin.files import require_writable
from vswin.models.registry import families
from vswin.project import has_project, results_path
from vswin.report.collect import shown_in
from vswin.report.data import Shown
from vswin.runs.evaluated import (
    CheckpointTest,
    Evaluated,
    Evaluations,
    clips_content,
    model_content,
    versions_of,
)
from vswin.runs.provenance import now, provenance
from vswin.tasks import SINGLE_LABEL


class Kept(NamedTuple):
    """A test that was put into a results folder."""

    folder: Path
    shown_in: list[Shown]


@dataclasses.dataclass(frozen=True)
class Keeping:
    """A results folder that will hold a command's tests, and what is known when it begins."""

    store: Evaluations
    notes: Path
    """Where what was tested is noted until all is: the same command goes on from there."""
    precision: str
    origin: dict[str, Any]
    """Commit, versions and machine."""

    def add(self, weights: Path, listed: VideoList, evaluated: CheckpointEvaluation) -> list[Kept]:
        """Writes each test, then removes the notes.

        Raises:
            NotWritableError: if it cannot be written; the notes stay.
        """
        kept = []
        for test, outcome in evaluated.found.items():
            found = Evaluated(
                tested=self._tested(weights, listed, evaluated, test),
                layout=evaluated.checkpoint.layout,
                size=evaluated.checkpoint.found.size(),
                metrics=outcome.metrics,
                n=outcome.listed,
                present=outcome.present,
                provenance=self.origin | {"finished": now()},
            )
            folder = self.store.add(found, outcome.predictions)
            kept.append(Kept(folder, list(shown_in(found))))
        self.store.forget(self.notes)
        return kept

    def _tested(
        self, weights: Path, listed: VideoList, evaluated: CheckpointEvaluation, test: ViewsTest
    ) -> CheckpointTest:
        config, data = evaluated.config, evaluated.data
        return CheckpointTest(
            file=weights.name,
            digest=evaluated.checkpoint.digest,
            model=model_content(config),
            dataset=listed.dataset,
            split=listed.split,
            list_digest=listed.digest,
            clips=clips_content(data),
            views=str(test),
            precision=self.precision,
            versions=versions_of(config, data, test, SINGLE_LABEL),
        )


def open_keeping(
    results_dir: str | None,
    device: str,
    precision: str,
    weights: Path,
    listed: VideoList,
    asked: ClipsAsked,
    options: Mapping[str, Any],
) -> Keeping | None:
    """Proves that what will be found can be kept, before hours are spent on it.

    Args:
        results_dir: the store's folder; None keeps nothing.
        device: where it is computed.
        precision: of matrix products.
        weights: the checkpoint's file.
        listed: the videos.
        asked: how clips are cut.
        options: of the model.

    Raises:
        NotWritableError: if the folder cannot be written.
    """
    if results_dir is None:
        return None
    # Typed folders are absolute; what is tested where there is no project can be kept, too.
    store = Evaluations(results_path(results_dir) if has_project() else Path(results_dir))
    require_writable(store.folder, "--results-dir")
    notes = store.unfinished(
        weights=str(weights.expanduser().absolute()),
        videos=listed.digest,
        split=listed.split,
        asked=dataclasses.asdict(asked),
        options=dict(options),
        precision=precision,
        versions={family.name: family.version for family in families()}
        | {"videos": VideoData.VERSION, "views": ViewsTest.VERSION},
    )
    return Keeping(store, notes, precision, provenance(torch.device(device)))
