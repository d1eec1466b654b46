"""Classification with one label for each clip: Kinetics, Something-Something, ImageNet."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

if TYPE_CHECKING:  # a task is plain data, too: planning runs has no use for torch
    from torch import Tensor

    from vswin.tasks.task import Kept

NO_CLASS = -1
"""Stands where a clip could not be read, or where there are fewer classes than wanted."""


@dataclasses.dataclass(frozen=True)
class SingleLabel:
    """Every clip has one label (n,), int64; fulfils `vswin.tasks.task.Task`.

    Kept are, for each clip: `label`, its class; `top1`, the class that was answered; `rank`, the
    number of classes scored at least as high as the right one, itself left out, so that 0 is a hit
    and < 5 a top-5 hit; and, if the best k classes are wanted, `top5` (k,) with their `score` (k,),
    the highest first.
    """

    kind: Literal["single_label"] = "single_label"
    VERSION: ClassVar[int] = 1
    """Raised by hand when a change of the code changes losses, scores or metrics."""
    METRICS: ClassVar[dict[str, str]] = {"top1": "top-1", "top5": "top-5"}

    def loss(self, logits: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
        """Cross-entropy."""
        from torch.nn import functional as F  # noqa: N812

        return F.cross_entropy(logits.float(), target, label_smoothing=label_smoothing)

    def hits(self, logits: Tensor, target: Tensor) -> Tensor:
        """Clips whose highest score is the right class's."""
        return (logits.argmax(dim=1) == target).sum()

    def scores(self, logits: Tensor) -> Tensor:
        """SoftMax."""
        return logits.float().softmax(dim=1)

    def keep(self, scores: Tensor, target: Tensor, best: int = 0) -> Kept:
        """See the class."""
        right = scores.gather(1, target[:, None])
        # A tie counts against the model, so that a constant one gets nothing for free.
        rank = (scores >= right).sum(dim=1) - 1
        found = {"label": target, "top1": scores.argmax(dim=1), "rank": rank}
        kept = {name: values.numpy().astype(np.int32) for name, values in found.items()}
        if not best:
            return kept
        highest = scores.topk(min(best, scores.shape[1]), dim=1)
        missing = ((0, 0), (0, best - highest.indices.shape[1]))
        top5 = np.pad(highest.indices.numpy(), missing, constant_values=NO_CLASS).astype(np.int32)
        score = np.pad(highest.values.numpy(), missing)
        return kept | {"top1": top5[:, 0], "top5": top5, "score": score}

    def keep_missing(self, target: Tensor, num_classes: int, best: int = 0) -> Kept:
        """No class, and the last rank."""
        label = target.numpy().astype(np.int32)
        kept = {
            "label": label,
            "top1": np.full_like(label, NO_CLASS),
            "rank": np.full_like(label, num_classes),
        }
        if not best:
            return kept
        shape = (len(label), best)
        return kept | {
            "top5": np.full(shape, NO_CLASS, dtype=np.int32),
            "score": np.zeros(shape, dtype=np.float32),
        }

    def metrics(self, kept: Kept) -> dict[str, float]:
        """Top-1 and top-5 accuracy."""
        rank = kept["rank"]
        return {"top1": float((rank == 0).mean()), "top5": float((rank < 5).mean())}
