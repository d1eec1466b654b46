"""What SlowFast networks can be built, by name, as plain data (no torch here)."""

from __future__ import annotations

import dataclasses

from vswin.models.fields import is_count, require

ALPHA = 4
"""Frames of the fast pathway for each one of the slow pathway, in the 8 x 8 models."""
BETA = 8
"""Channels of the slow pathway for each one of the fast pathway."""


@dataclasses.dataclass(frozen=True)
class SlowFastConfig:
    """Everything that determines the architecture of a SlowFast network, ALPHA and BETA aside."""

    depths: tuple[int, ...] = (3, 4, 6, 3)
    """Bottleneck blocks of each stage, res2 to res5."""
    width: int = 64
    """Channels of the slow pathway's stem; the first stage has four times as many, and every
    further one twice as many as the one before."""
    fusion_kernel: int = 7
    """Frames that a lateral convolution sees."""
    num_classes: int = 400
    in_channels: int = 3
    head_dropout: float = 0.5
    """Dropout before the classifier."""

    def __post_init__(self) -> None:
        """Refuse, by field name, what no model can be built from.

        Raises:
            ModelError: if a field is out of range.
        """
        if is_count(self.head_dropout) or self.head_dropout == 0:  # 0 and 0.0 are one configuration
            object.__setattr__(self, "head_dropout", float(self.head_dropout))
        for name in ("num_classes", "in_channels"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "an integer >= 1")
        depths, width, kernel, rate = self.depths, self.width, self.fusion_kernel, self.head_dropout
        ok = isinstance(depths, tuple) and len(depths) >= 1 and all(map(is_count, depths))
        require(ok, "depths", depths, "integers >= 1, one for each stage")
        require(is_count(width) and width % BETA == 0, "width", width, f"a multiple of {BETA}")
        require(is_count(kernel) and kernel % 2 == 1, "fusion_kernel", kernel, "an odd integer")
        ok = isinstance(rate, float) and 0 <= rate < 1
        require(ok, "head_dropout", rate, "a rate in [0, 1)")


PRESETS: dict[str, SlowFastConfig] = {
    "slowfast_r50_8x8": SlowFastConfig(),
    "slowfast_r101_8x8": SlowFastConfig(depths=(3, 4, 23, 3), fusion_kernel=5),
}
