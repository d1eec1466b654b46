"""The text of a new experiment, to be changed by whoever asked for it."""

from __future__ import annotations

from vswin.data.data_file import Sources
from vswin.data.datasets import dataset as known_dataset

FINE_TUNING = """\
# Fine-tuning on {title}: docs/own_dataset.md. What else a row can say: experiments/README.md.
table: {name}
title: Fine-tuning on {title}
protocols: [finetune]
start: {{from: kinetics400}}
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


def experiment_text(name: str, dataset: str | None, preset: str, sources: Sources) -> str:
    """A file of a few lines that can be run as it is.

    Args:
        name: of the experiment.
        dataset: what a published model is fine-tuned on; None makes an ablation on Moving Digits.
        preset: of all rows.
        sources: what this machine has; without a validation split nothing is stopped early.

    Raises:
        UsageError: if there is no such dataset.
    """
    if dataset is None:
        return ABLATION.format(name=name, preset=preset)
    known = known_dataset(dataset)
    is_validated = sources.whole(dataset) is not None or "validation" in sources.splits(dataset)
    return FINE_TUNING.format(
        name=name,
        title=known.title,
        dataset=dataset,
        views="1x3" if known.sampling == "segments" else "4x3",
        preset=preset,
        usual="" if is_validated else ", recipe: {patience: null}",
        more="" if is_validated else ", patience: null",
    )
