"""What each block of a model sees and pools, from its configuration (no torch here)."""

from __future__ import annotations

import dataclasses
from typing import Any

from vswin.models.errors import ModelError
from vswin.models.mvit.config import MViTConfig, Triple


@dataclasses.dataclass(frozen=True)
class Pool:
    """How queries, or keys and values, are pooled."""

    kernel: Triple
    stride: Triple

    @staticmethod
    def by_maximum(stride: Triple) -> Pool:
        """Of s + 1 places where the stride s is above 1."""
        t, h, w = (s + 1 if s > 1 else 1 for s in stride)
        return Pool((t, h, w), stride)

    @property
    def padding(self) -> Triple:
        """Zeros (or, for the maximum, nothing) on each side."""
        t, h, w = self.kernel
        return t // 2, h // 2, w // 2

    def out(self, grid: Triple) -> Triple:
        """The grid of what comes out."""
        return _out(grid, self.kernel, self.stride, self.padding)

    def read(self, grid: Triple) -> tuple[tuple[int, ...], ...]:
        """On each axis of a grid, the places that it reads: all, or those around every stride-th.

        On the smaller grid that they make, `dense` gives the same.
        """
        axes = zip(grid, self.out(grid), self.kernel, self.stride, self.padding, strict=True)
        return tuple(
            tuple(range(n))
            if stride <= kernel
            else tuple(
                place
                for i in range(count)
                for place in range(i * stride - padding, i * stride - padding + kernel)
                if 0 <= place < n
            )
            for n, count, kernel, stride, padding in axes
        )

    @property
    def dense(self) -> Pool:
        """The same pool for a grid without what it does not read."""
        t, h, w = (min(pair) for pair in zip(self.kernel, self.stride, strict=True))
        return Pool(self.kernel, (t, h, w))


@dataclasses.dataclass(frozen=True)
class BlockPlan:
    """One block: channels, heads, pooling, and grids of tokens without the class token."""

    dim: int
    dim_out: int
    num_heads: int
    grid: Triple
    """(T', H', W') of its input."""
    q: Pool | None
    """None where queries are not pooled."""
    kv: Pool | None

    @property
    def q_grid(self) -> Triple:
        """Of queries, and of the block's output."""
        return self.grid if self.q is None else self.q.out(self.grid)

    @property
    def kv_grid(self) -> Triple:
        """Of keys and values."""
        return self.grid if self.kv is None else self.kv.out(self.grid)


def patch_padding(config: MViTConfig) -> Triple:
    """Pixels of padding: half the kernel, none where cubes do not overlap."""
    sizes = zip(config.patch_kernel, config.patch_stride, strict=True)
    t, h, w = (0 if kernel == stride else kernel // 2 for kernel, stride in sizes)
    return t, h, w


def patch_grid(config: MViTConfig, clip: Triple | None = None) -> Triple:
    """(T', H', W') of the tokens of a clip.

    Args:
        config: the model's.
        clip: (T, H, W) in pixels; None is the size that the configuration says.

    Raises:
        ModelError: if there is no token.
    """
    size = clip or (config.frames, config.image_size, config.image_size)
    grid = _out(size, config.patch_kernel, config.patch_stride, patch_padding(config))
    if min(grid) < 1:
        raise ModelError(
            f"a clip of (T, H, W) = {size} is smaller than patch_kernel={config.patch_kernel}; "
            "wanted a larger clip or a smaller kernel"
        )
    return grid


def blocks(config: MViTConfig, clip: Triple | None = None) -> tuple[BlockPlan, ...]:
    """The blocks of a model, for a clip of its own or another size.

    Raises:
        ModelError: if the clip is too small, or a stride does not shrink as it should.
    """
    firsts = [sum(config.depths[:stage]) for stage in range(len(config.depths))]
    q_pooled = firsts[1:] if config.q_pool_blocks is None else config.q_pool_blocks
    q_pool = _pool(config, config.q_stride)
    grid, kv_stride, is_whole = patch_grid(config, clip), config.kv_stride, True
    plans: list[BlockPlan] = []
    for stage, depth in enumerate(config.depths):
        dim, heads = config.embed_dim * 2**stage, config.num_heads * 2**stage
        for block in range(firsts[stage], firsts[stage] + depth):
            q = q_pool if block in q_pooled else None
            if q is not None and config.kv_adaptive:  # K, V keep their size where Q shrinks
                is_whole &= _divides(config.q_stride, kv_stride)
                kv_stride = _quotient(kv_stride, config.q_stride)
            grows = block + 1 in firsts
            kv = _kv_pool(config, stage, block, kv_stride)
            if kv is not None and not is_whole:
                raise ModelError(
                    f"kv_stride={config.kv_stride} cannot shrink by q_stride={config.q_stride} "
                    f"up to block {block}, so that keys and values would not keep their size; "
                    "wanted a stride that can be divided as often, or kv_adaptive=False"
                )
            plans.append(BlockPlan(dim, dim * (1 + grows), heads, grid, q, kv))
            _require_one_grid(config, plans[-1], block)
            grid = plans[-1].q_grid
    return tuple(plans)


def function_of(config: MViTConfig, clip: Triple) -> tuple[Any, ...]:
    """What a model computes of clips of a size: equal for all spellings of one architecture.

    Raises:
        ModelError: if the clip is too small.
    """
    plans = blocks(config, clip)
    convolves = config.pooling == "conv"
    return (
        plans,
        (config.in_channels, config.patch_kernel, config.patch_stride, config.positions),
        (convolves, convolves and config.pool_norm_eps) if pools(plans) else None,
        config.skip if grows(plans) else None,
    )


def pools(plans: tuple[BlockPlan, ...]) -> bool:
    """Whether any queries, keys or values are pooled."""
    return any(plan.q is not None or plan.kv is not None for plan in plans)


def grows(plans: tuple[BlockPlan, ...]) -> bool:
    """Whether channels change in any block, so that a skip connection has to be chosen."""
    return any(plan.dim != plan.dim_out for plan in plans)


def position_tables(config: MViTConfig) -> dict[str, int]:
    """The names of a model's position tables, each with its number of rows (Table A.3)."""
    time, height, width = patch_grid(config)
    space = {"pos_embed_spatial": height * width, "pos_embed_class": 1}
    tables: dict[str, dict[str, int]] = {
        "separate": space | {"pos_embed_temporal": time},
        "space": space,
        "joint": {"pos_embed": 1 + time * height * width},
        "none": {},
    }
    return tables[config.positions]


def _require_one_grid(config: MViTConfig, plan: BlockPlan, block: int) -> None:
    """Refuses queries that are pooled to another grid than the residual, by the maximum, is."""
    residual = plan.grid if plan.q is None else Pool.by_maximum(plan.q.stride).out(plan.grid)
    if plan.q_grid != residual:
        raise ModelError(
            f"pool_kernel={config.pool_kernel} and q_stride={config.q_stride} make {plan.q_grid} "
            f"queries of the {plan.grid} tokens of block {block}, but {residual} of its residual; "
            "wanted an odd kernel, and a stride of 1 or an even one"
        )


def _kv_pool(config: MViTConfig, stage: int, block: int, stride: Triple) -> Pool | None:
    is_last = stage == len(config.depths) - 1 and not config.kv_pool_last_stage
    never = config.kv_stride == (1, 1, 1)
    return None if is_last or never or block in config.kv_unpooled_blocks else _pool(config, stride)


def _pool(config: MViTConfig, stride: Triple) -> Pool | None:
    """None where nothing would change."""
    if config.pooling == "conv":
        return Pool(config.pool_kernel, stride)
    pool = Pool.by_maximum(stride)
    return pool if pool.kernel != (1, 1, 1) else None


def _divides(by: Triple, stride: Triple) -> bool:
    """Whether a stride can shrink by another; one that is no larger has nothing left to give."""
    return all(s % b == 0 or s <= b for s, b in zip(stride, by, strict=True))


def _quotient(stride: Triple, by: Triple) -> Triple:
    t, h, w = (max(1, s // b) for s, b in zip(stride, by, strict=True))
    return t, h, w


def _out(size: Triple, kernel: Triple, stride: Triple, padding: Triple) -> Triple:
    t, h, w = (
        (n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
    )
    return t, h, w
