"""The text of a new experiment, to be changed by whoever asked for it."""

from __future__ import annotations

from typing import get_args

import yaml

from vswin.data.data_file import Sources
from vswin.data.datasets import dataset as known_dataset
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.recipes import PretrainedOn
from vswin.experiments.videos import VideoProtocol
from vswin.models.registry import presets

FINE_TUNING = """\
# Fine-tuning on {dataset}: docs/own_dataset.md. What else a row can say: experiments/README.md.
table: {name}
title: {title}
protocols: [finetune]
start: {{from: {start}}}
videos: {{dataset: {dataset}, views: {views}}}
rows:
  - {{id: all, preset: {preset}{usual}}}
  - {{id: head, preset: {preset}, recipe: {{trains: head{more}}}}}
"""
ABLATION = """\
# An ablation on Moving Digits. What else a row can say: experiments/README.md.
table: {name}
title: Windows in time
protocols: [smoke, proxy]
rows:
  - {{id: short, preset: {preset}, model: {{window_size: [4, 7, 7]}}}}
  - {{id: long, preset: {preset}, model: {{window_size: [16, 7, 7]}}}}
"""


def experiment_text(
    name: str, dataset: str | None, preset: str, sources: Sources, library: Library
) -> str:
    """A file of a few lines that can be run as it is.

    Args:
        name: of the experiment.
        dataset: what a published model is fine-tuned on; None makes an ablation on Moving Digits.
        preset: of all rows.
        sources: what this machine has; without a validation split nothing is stopped early.
        library: its protocol `finetune` names the checkpoints that there are to start from.

    Raises:
        UsageError: if there is no such dataset, no checkpoint of the preset, or the ablation is
            not for it.
    """
    if dataset is None:
        if presets()[preset].name != "swin":
            raise UsageError(
                f"--preset {preset}: the ablation that is written is about Swin's windows; name a "
                "preset of Swin, or a --dataset to fine-tune on"
            )
        return ABLATION.format(name=name, preset=preset)
    known = known_dataset(dataset)
    start = _best_start(preset, library)
    is_validated = sources.whole(dataset) is not None or "validation" in sources.splits(dataset)
    return FINE_TUNING.format(
        name=name,
        title=_plain_or_quoted(f"Fine-tuning on {known.title}"),
        dataset=dataset,
        start=start,
        views="1x3" if known.sampling == "segments" else "4x3",
        preset=preset,
        usual="" if is_validated else ", recipe: {patience: null}",
        more="" if is_validated else ", patience: null",
    )


def _best_start(preset: str, library: Library) -> PretrainedOn:
    """What the checkpoint of a preset was trained on: videos, or else as many images as possible.

    Raises:
        UsageError: if there is none; names the presets that have one.
    """
    protocol = library.protocol("finetune")
    assert isinstance(protocol, VideoProtocol)
    weights = protocol.weights
    starts: tuple[PretrainedOn, ...] = get_args(PretrainedOn)
    found = [start for start in starts if preset in weights.get(start, {})]
    if not found:
        there = sorted({name for of_start in weights.values() for name in of_start})
        raise UsageError(
            f"--preset {preset}: there is no published checkpoint of it to fine-tune; wanted one "
            f"of {', '.join(there)}"
        )
    return found[-1]


def _plain_or_quoted(text: str) -> str:
    """A text as YAML has it in one line."""
    return yaml.safe_dump(text, allow_unicode=True, width=10**6).splitlines()[0]
