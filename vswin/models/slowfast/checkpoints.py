"""Checkpoints of SlowFast networks: two public layouts, as tables of names, and ours.

Our names are SlowFast's, with `head` for the classifier. Running means and variances of batch
normalisation count as weights; its counters do not.

============ ===== ================================================================
layout       kind  where it comes from
============ ===== ================================================================
slowfast     video facebookresearch/SlowFast: model_state, head.projection
pytorchvideo video facebookresearch/pytorchvideo: multipathway_blocks, res_blocks
vswin        video ours
============ ===== ================================================================
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vswin.models.errors import ModelError, WeightsError
from vswin.models.layouts import CheckpointCode, Kind, Layout
from vswin.models.slowfast.config import PRESETS, SlowFastConfig

_BLOCK, _THEIRS = "s{i+1}.pathway{j}_res{k}.", "blocks.{i}.multipathway_blocks.{j}.res_blocks.{k}."
_CONVOLUTIONS = {
    "s{i}.pathway{j}_stem.conv": "bn",
    "s{i}_fuse.conv_f2s": "bn",
    "s{i}.pathway{j}_res{k}.branch1": "branch1_bn",
    **{f"s{{i}}.pathway{{j}}_res{{k}}.branch2.{c}": f"{c}_bn" for c in "abc"},
}
"""Each with the name of the normalisation beside it."""
WEIGHTS = (
    *(f"{convolution}.weight" for convolution in _CONVOLUTIONS),
    *(
        f"{convolution.rpartition('.')[0]}.{norm}.{part}"
        for convolution, norm in _CONVOLUTIONS.items()
        for part in ("{p}", "running_mean", "running_var")
    ),
    "head.{p}",
)
_PYTORCHVIDEO = (
    ("s{i+1}.pathway{j}_stem.conv.", "blocks.{i}.multipathway_blocks.{j}.conv."),
    ("s{i+1}.pathway{j}_stem.bn.", "blocks.{i}.multipathway_blocks.{j}.norm."),
    ("s{i+1}_fuse.conv_f2s.", "blocks.{i}.multipathway_fusion.conv_fast_to_slow."),
    ("s{i+1}_fuse.bn.", "blocks.{i}.multipathway_fusion.norm."),
    (f"{_BLOCK}branch1.", f"{_THEIRS}branch1_conv."),
    (f"{_BLOCK}branch1_bn.", f"{_THEIRS}branch1_norm."),
    *((f"{_BLOCK}branch2.{c}.", f"{_THEIRS}branch2.conv_{c}.") for c in "abc"),
    *((f"{_BLOCK}branch2.{c}_bn.", f"{_THEIRS}branch2.norm_{c}.") for c in "abc"),
    ("head.", "blocks.6.proj."),
)
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout("slowfast", "video", WEIGHTS, (("head.", "head.projection."),), "model_state"),
        Layout("pytorchvideo", "video", WEIGHTS, _PYTORCHVIDEO, "model_state"),
        Layout("vswin", None, WEIGHTS),
    )
}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a checkpoint's shapes say: everything that matters in a test."""

    config: SlowFastConfig
    has_head: bool
    kind: Kind = "video"
    is_certain: bool = True

    @property
    def num_classes(self) -> int | None:
        """None without a classifier."""
        return self.config.num_classes if self.has_head else None

    @property
    def base(self) -> str:
        """The preset that `options` are to be laid over."""
        return min(PRESETS, key=lambda name: len(self._differences(PRESETS[name])))

    @property
    def open(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def options(self) -> dict[str, Any]:
        """What `build_model(base, ...)` is to be told besides what it assumes."""
        return self._differences(PRESETS[self.base])

    def size(self) -> str:
        """Preset, channels and depths, in words."""
        depths = "-".join(map(str, self.config.depths))
        return f"{self.base} (C={self.config.width}, depths {depths})"

    def facts(self) -> dict[str, Any]:
        """What a user may want to know besides size and classes."""
        return {"fusion_kernel": self.config.fusion_kernel}

    def _differences(self, base: SlowFastConfig) -> dict[str, Any]:
        said = dataclasses.asdict(self.config)
        return {name: said[name] for name in said if said[name] != getattr(base, name)}


def recognise(tensors: Mapping[str, Tensor], source: str) -> Layout | None:
    """Says which layout a checkpoint has, by its keys; None if it is of no SlowFast network."""
    del source
    if "blocks.0.multipathway_blocks.1.conv.weight" in tensors:
        return LAYOUTS["pytorchvideo"]
    if "s1.pathway1_stem.conv.weight" in tensors:
        return LAYOUTS["slowfast" if "head.projection.weight" in tensors else "vswin"]
    return None


def read(
    weights: dict[str, Tensor], entries: Mapping[str, Tensor], layout: Layout, source: str
) -> tuple[dict[str, Tensor], Architecture]:
    """The weights, and their model.

    Args:
        weights: under our names.
        entries: all that the checkpoint holds, under its own names.
        layout: the checkpoint's.
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if weights are missing, or it is of a model that is not built here.
    """
    del entries
    stem, fusion = "s1.pathway0_stem.conv.weight", "s1_fuse.conv_f2s.weight"
    for name in (stem, fusion):
        if name not in weights:
            raise WeightsError(f"{source} lacks {name}")
        if weights[name].ndim != 5:
            shape = tuple(weights[name].shape)
            raise WeightsError(f"{source}: {name} has shape {shape}, wanted 5 dimensions")
    blocks = [re.match(r"s(\d+)\.pathway0_res(\d+)\.branch2\.a\.weight", name) for name in weights]
    stages = [int(block[1]) for block in blocks if block]
    found: dict[str, Any] = {
        "depths": tuple(stages.count(stage) for stage in sorted(set(stages))),
        "width": len(weights[stem]),
        "in_channels": weights[stem].shape[1],
        "fusion_kernel": weights[fusion].shape[2],
    }
    has_head = "head.weight" in weights
    if has_head:
        found["num_classes"] = len(weights["head.weight"])
    try:
        config = SlowFastConfig(**found)
    except ModelError as error:
        raise WeightsError(f"{source} is of no model that can be built: {error}") from error
    _require_8x8(config, layout, source)
    return weights, Architecture(config, has_head)


def _require_8x8(config: SlowFastConfig, layout: Layout, source: str) -> None:
    """Refuses public weights of other pathways, which shapes alone do not tell.

    Raises:
        WeightsError: if no 8 x 8 model has such lateral connections.
    """
    kernels = {preset.depths: preset.fusion_kernel for preset in PRESETS.values()}
    if layout.kind is not None and kernels.get(config.depths) not in (None, config.fusion_kernel):
        raise WeightsError(
            f"{source} has lateral convolutions over {config.fusion_kernel} frames, as SlowFast "
            f"4×16 has; wanted SlowFast 8×8, which has {kernels[config.depths]}"
        )


CHECKPOINTS = CheckpointCode(LAYOUTS, recognise, read)
