"""Section 3.3, architecture variants: what can be built, by name, as plain data (no torch here)."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, get_args

from vswin.models.errors import ModelError
from vswin.models.fields import is_count, one_of, require

Triple = tuple[int, int, int]
Shift = Literal["3d", "spatial", "none"]
Design = Literal["joint", "split", "factorized"]
EmbeddingInit = Literal["inflate", "center"]
"""How 2D weights of the linear embedding become 3D ones (Table 8), see `inflation`."""
BiasInit = Literal["duplicate", "center"]
"""Likewise of the relative position biases (Table 9)."""
OTHER_FRAME_BIAS = -4.6
"""What the center initialisation gives to pairs of tokens in different frames (section 4.3): each
weighs e^-4.6, about 1 %, of what it would weigh without a bias."""
PAPER_FRAMES = 16
"""T' of the paper's clips: 32 frames, two to a token."""


@dataclasses.dataclass(frozen=True)
class VideoSwinConfig:
    """Everything that determines the architecture of a Video Swin Transformer."""

    embed_dim: int
    """C, the number of channels of the first stage."""
    depths: tuple[int, ...]
    """Blocks per stage ("layer numbers"); the channels double and H', W' halve between stages."""
    num_heads: tuple[int, ...]
    """Heads per stage; section 3.3 keeps d = 32 channels for each head."""
    num_classes: int = 400
    window_size: Triple = (8, 7, 7)
    """(P, M, M) in tokens; clipped to the token grid where that is smaller."""
    patch_size: Triple = (2, 4, 4)
    """(T, H, W) in pixels of one token."""
    in_channels: int = 3
    mlp_ratio: float = 4.0
    """alpha, the expansion of each MLP."""
    drop_path: float = 0.1
    """Stochastic depth rate of the last block; it rises linearly from 0 (section 4.1)."""
    head_dropout: float = 0.5
    """Dropout before the classifier. The paper is silent; the released code uses 0.5."""
    design: Design = "joint"
    """Spatiotemporal attention design of Table 4, see `vswin.models.swin.designs`."""
    shift: Shift = "3d"
    """Which axes the windows of every second block are shifted along (Table 6)."""
    initial_gate: float = 0.0
    """Weight that the factorized design's temporal attention starts with; the paper's is zero."""
    activation_checkpointing: bool = False
    """Recompute each block's activations in the backward pass: less memory, more time."""

    def __post_init__(self) -> None:
        """Refuse, by field name, what no model can be built from.

        Raises:
            ModelError: if a field is out of range or two fields contradict each other.
        """
        for name in (
            "mlp_ratio",
            "drop_path",
            "head_dropout",
            "initial_gate",
        ):  # 0 and 0.0 are one configuration
            if isinstance(value := getattr(self, name), int) and not isinstance(value, bool):
                object.__setattr__(self, name, float(value))
        for name in ("embed_dim", "num_classes", "in_channels"):
            require(is_count(getattr(self, name)), name, getattr(self, name), "an integer >= 1")
        for name in ("window_size", "patch_size"):
            value = getattr(self, name)
            ok = isinstance(value, tuple) and len(value) == 3 and all(map(is_count, value))
            require(ok, name, value, "three integers >= 1: (time, height, width)")
        for name in ("depths", "num_heads"):
            value = getattr(self, name)
            ok = isinstance(value, tuple) and len(value) >= 1 and all(map(is_count, value))
            require(ok, name, value, "integers >= 1, one for each stage")
        require(
            len(self.depths) == len(self.num_heads),
            "num_heads",
            self.num_heads,
            f"one entry for each of the {len(self.depths)} stages of depths {self.depths}",
        )
        for stage, heads in enumerate(self.num_heads):
            dim = self.embed_dim * 2**stage
            require(
                dim % heads == 0,
                "num_heads",
                self.num_heads,
                f"a divisor of the {dim} channels of stage {stage + 1}",
            )
        for name in ("drop_path", "head_dropout"):
            value = getattr(self, name)
            require(
                isinstance(value, (int, float)) and 0 <= value < 1, name, value, "a rate in [0, 1)"
            )
        require(
            isinstance(self.mlp_ratio, (int, float)) and self.mlp_ratio > 0,
            "mlp_ratio",
            self.mlp_ratio,
            "a number > 0",
        )
        require(self.design in get_args(Design), "design", self.design, one_of(Design))
        require(self.shift in get_args(Shift), "shift", self.shift, one_of(Shift))
        require(
            isinstance(self.initial_gate, float) and math.isfinite(self.initial_gate),
            "initial_gate",
            self.initial_gate,
            "a number",
        )
        if self.initial_gate and self.design != "factorized":
            raise ModelError(
                f"initial_gate={self.initial_gate:g} is for design='factorized', not "
                f"{self.design!r}, which has no gate"
            )
        if self.design == "split" and self.window_size[0] != 1:
            found, wanted = self.window_size, (1, *self.window_size[1:])
            raise ModelError(
                f"design='split' with the 3D window {found} is not possible; wanted a spatial "
                f"window (1, M, M), such as window_size={wanted}"
            )

    @property
    def num_features(self) -> int:
        """Channels of the last stage (8C with four stages)."""
        return self.embed_dim * 2 ** (len(self.depths) - 1)

    @property
    def spatial_window(self) -> Triple:
        """Window of the 3D (or, in the split and factorized designs, spatial-only) attention."""
        return self.window_size if self.design == "joint" else (1, *self.window_size[1:])

    @property
    def temporal_window(self) -> Triple:
        """Window of the factorized design's temporal-only attention: (P, 1, 1).

        A purely spatial `window_size` (1, M, M) leaves P open; it is the paper's whole clip then.
        """
        frames = self.window_size[0]
        return (frames if frames > 1 else PAPER_FRAMES, 1, 1)

    @property
    def is_image_model(self) -> bool:
        """Whether this is the 2D Swin Transformer: its tokens and its windows know no time."""
        return self.design == "joint" and self.window_size[0] == self.patch_size[0] == 1


PRESETS: dict[str, VideoSwinConfig] = {
    # C, layer numbers: section 3.3. Heads follow from d = 32. Stochastic depth: section 4.1, which
    # gives none for Swin-L; 0.4 is what mmaction2 trains it with.
    "swin_t": VideoSwinConfig(96, (2, 2, 6, 2), (3, 6, 12, 24), drop_path=0.1),
    "swin_s": VideoSwinConfig(96, (2, 2, 18, 2), (3, 6, 12, 24), drop_path=0.2),
    "swin_b": VideoSwinConfig(128, (2, 2, 18, 2), (4, 8, 16, 32), drop_path=0.3),
    "swin_l": VideoSwinConfig(192, (2, 2, 18, 2), (6, 12, 24, 48), drop_path=0.4),
}


def own_frame_share(frames: int, how: BiasInit) -> float:
    """What a token gives of its attention to its own frame before the first step (Table 9).

    Args:
        frames: P, those of a window.
        how: as in `inflation.inflate_bias_table`.

    Returns:
        The share, if queries and keys tell no tokens apart and the 2D biases are the same in all
        frames: "duplicate" spreads it over the frames evenly.
    """
    other = math.exp(OTHER_FRAME_BIAS) if how == "center" else 1.0
    return 1 / (1 + (frames - 1) * other)
