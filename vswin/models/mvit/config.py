"""What Multiscale Vision Transformers can be built, by name, as plain data (no torch here)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal, get_args

from vswin.models.fields import is_count, one_of, require

Triple = tuple[int, int, int]
Pooling = Literal["conv", "max"]
Positions = Literal["separate", "joint", "space", "none"]
Skip = Literal["normalized", "unnormalized", "none"]


@dataclasses.dataclass(frozen=True)
class MViTConfig:
    """Everything that determines the architecture of a Multiscale Vision Transformer.

    Channels and heads double from stage to stage: channels in the last block of a stage, heads in
    the first block of the next.
    """

    depths: tuple[int, ...] = (1, 2, 11, 2)
    """Blocks per stage, [N2, N3, N4, N5] of Table A.5."""
    embed_dim: int = 96
    """Channels of the first stage (Table A.2)."""
    num_heads: int = 1
    """Heads of the first stage (Table A.2)."""
    frames: int = 16
    """T, frames of a clip (Tables A.1, A.4); 1 for images (Table A.9)."""
    image_size: int = 224
    """Height and width of a clip in pixels."""
    num_classes: int = 400
    """Logits: 700 in Table A.1, 1000 in Table A.9, 400 in the others."""
    in_channels: int = 3
    """Colours of a clip."""
    patch_kernel: Triple = (3, 7, 7)
    """c_T x c_H x c_W of the layer that projects space-time cubes (Table A.4)."""
    patch_stride: Triple = (2, 4, 4)
    """s_T x s_H x s_W of that layer (Table A.4)."""
    pooling: Pooling = "conv"
    """What pools queries, keys and values: a depthwise convolution and LN, or the maximum, as in
    the ablations of Tables A.3 to A.6 and A.9."""
    pool_kernel: Triple = (3, 3, 3)
    """Of the convolutions; the maximum is over s + 1 where the stride s is above 1."""
    q_pool_blocks: tuple[int, ...] | None = None
    """Blocks whose queries are pooled, from 0; None is the first block of each stage but the first
    (Tables A.2 and A.5)."""
    q_stride: Triple = (1, 2, 2)
    """By which they are pooled (Tables A.2 and A.5)."""
    kv_stride: Triple = (1, 8, 8)
    """By which keys and values are pooled (Tables A.6 and A.9); (1, 1, 1) is not at all."""
    kv_adaptive: bool = True
    """Whether `kv_stride` is that of the first stage and shrinks where queries are pooled
    (Table A.6)."""
    kv_pool_last_stage: bool = False
    """Whether keys and values of the last stage are pooled, too. Tables A.1 and A.3 to A.6 want
    False; True is what today's public code builds, and Table A.9 wants."""
    kv_unpooled_blocks: tuple[int, ...] = ()
    """Further blocks whose keys and values are not pooled (Table A.2 has one)."""
    positions: Positions = "separate"
    """Position tables: of space and of time, of both jointly, of space only, none (Table A.3)."""
    skip: Skip = "normalized"
    """What goes around the MLP where the channels change (Table A.7, Figure A.5)."""
    drop_path: float = 0.2
    """Stochastic depth rate of the last block; it rises linearly from 0 (section D.1)."""
    head_dropout: float = 0.5
    """Dropout before the classifier (section D.1)."""
    pool_norm_eps: float = 1e-6
    """Epsilon of the LNs after pooling. The public code had 1e-5 when the published weights were
    trained, and PyTorchVideo 0.1.5 still has; SlowFast's and torchvision's run them with 1e-6."""
    activation_checkpointing: bool = False
    """Recompute each block's activations in the backward pass: less memory, more time, and no
    table's."""

    def __post_init__(self) -> None:
        """Refuse, by field name, what no model can be built from.

        Raises:
            ModelError: if a field is out of range or two fields contradict each other.
        """
        for name in ("drop_path", "head_dropout"):  # 0 and 0.0 are one configuration
            if is_count(value := getattr(self, name)) or value == 0:
                object.__setattr__(self, name, float(value))
        for name in (
            "embed_dim",
            "num_heads",
            "frames",
            "image_size",
            "num_classes",
            "in_channels",
        ):
            require(is_count(getattr(self, name)), name, getattr(self, name), "an integer >= 1")
        for name in ("patch_kernel", "patch_stride", "pool_kernel", "q_stride", "kv_stride"):
            value = getattr(self, name)
            ok = isinstance(value, tuple) and len(value) == 3 and all(map(is_count, value))
            require(ok, name, value, "three integers >= 1: (time, height, width)")
        depths = self.depths
        ok = isinstance(depths, tuple) and len(depths) >= 1 and all(map(is_count, depths))
        require(ok, "depths", depths, "integers >= 1, one for each stage")
        require(
            self.embed_dim % self.num_heads == 0,
            "num_heads",
            self.num_heads,
            f"a divisor of the {self.embed_dim} channels of the first stage (embed_dim)",
        )
        for name in ("drop_path", "head_dropout"):
            value = getattr(self, name)
            require(isinstance(value, float) and 0 <= value < 1, name, value, "a rate in [0, 1)")
        eps = self.pool_norm_eps
        ok = isinstance(eps, float) and 0 < eps < math.inf
        require(ok, "pool_norm_eps", eps, "a finite number > 0")
        for name, literal in (("pooling", Pooling), ("positions", Positions), ("skip", Skip)):
            value = getattr(self, name)
            require(value in get_args(literal), name, value, one_of(literal))
        for name in ("kv_adaptive", "kv_pool_last_stage", "activation_checkpointing"):
            value = getattr(self, name)
            require(isinstance(value, bool), name, value, "True or False")
        self._require_blocks()
        self._require_strides()

    def _require_blocks(self) -> None:
        count = sum(self.depths)
        for name in ("q_pool_blocks", "kv_unpooled_blocks"):
            value = getattr(self, name)
            if value is not None:
                ok = isinstance(value, tuple) and all(
                    type(block) is int and 0 <= block < count for block in value
                )
                wanted = f"numbers of the {count} blocks, 0 to {count - 1}"
                require(ok, name, value, f"a tuple of {wanted}")
                require(len({*value}) == len(value), name, value, f"{wanted}, each once")

    def _require_strides(self) -> None:
        if self.pooling == "max":
            return  # its kernel follows from the stride
        for name in ("q_stride", "kv_stride"):
            strides = getattr(self, name)
            for stride, kernel in zip(strides, self.pool_kernel, strict=True):
                require(
                    stride == 1 or kernel > 1,
                    name,
                    strides,
                    f"stride 1 where the kernel is 1 (pool_kernel={self.pool_kernel})",
                )

    @property
    def num_features(self) -> int:
        """Channels of the last stage."""
        return self.embed_dim * 2 ** (len(self.depths) - 1)

    @property
    def is_image_model(self) -> bool:
        """Whether clips are single frames."""
        return self.frames == 1


_IMAGES: dict[str, Any] = {
    "frames": 1,
    "num_classes": 1000,
    "patch_kernel": (1, 7, 7),
    "patch_stride": (1, 4, 4),
    "pool_kernel": (1, 3, 3),
    "kv_stride": (1, 4, 4),
    "kv_pool_last_stage": True,
    "positions": "joint",
    "head_dropout": 0.0,
}
PRESETS: dict[str, MViTConfig] = {
    "mvit_b_16x4": MViTConfig(),
    "mvit_b_32x3": MViTConfig(frames=32),
    "mvit_b_64x3": MViTConfig(frames=64),
    "mvit_b_24_32x3": MViTConfig(depths=(2, 3, 16, 3), frames=32, drop_path=0.3),
    # Section D.5: a stochastic depth rate of 0.1, and 0.3 for deeper models.
    "mvit_b_16_imagenet": MViTConfig(**_IMAGES, drop_path=0.1),
    "mvit_b_24_imagenet": MViTConfig(**_IMAGES, depths=(2, 3, 16, 3), drop_path=0.3),
    # The ViT-B of Table A.2: one scale, no pooling.
    "vit_b_8x8": MViTConfig(
        depths=(12,),
        embed_dim=768,
        num_heads=12,
        frames=8,
        patch_kernel=(1, 16, 16),
        patch_stride=(1, 16, 16),
        kv_stride=(1, 1, 1),
        positions="joint",
        drop_path=0.0,
    ),
}
