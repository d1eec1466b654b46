"""Multiscale Vision Transformers: blocks of pooling attention, few channels first, many last."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vswin.models.cpu import chunked
from vswin.models.errors import ModelError
from vswin.models.layers import MLP, DropPath
from vswin.models.modes import require_dtype
from vswin.models.mvit.attention import PoolingAttention, max_pool
from vswin.models.mvit.config import MViTConfig, Skip, Triple
from vswin.models.mvit.cpu import block as block_cpu
from vswin.models.mvit.cpu import mlp as mlp_cpu
from vswin.models.mvit.geometry import (
    BlockPlan,
    Pool,
    blocks,
    patch_grid,
    patch_padding,
    position_tables,
)

EPS = 1e-6
"""Of all LNs but those after pooling."""


class MultiscaleViT(nn.Module):
    """A classifier of clips of one size (Table 2 of the paper, section A of its appendix)."""

    pos_embed: Tensor
    pos_embed_spatial: Tensor
    pos_embed_temporal: Tensor
    pos_embed_class: Tensor

    def __init__(self, config: MViTConfig) -> None:
        super().__init__()
        self.config = config
        self.class_token_only = True
        """Whether the last block computes only what the classifier reads; the same logits."""
        self.plans = plans = blocks(config)
        rates = [config.drop_path * i / max(1, len(plans) - 1) for i in range(len(plans))]
        self.patch_embed = PatchEmbed(config)
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.embed_dim))
        for name, length in position_tables(config).items():
            self.register_parameter(name, nn.Parameter(torch.empty(1, length, config.embed_dim)))
        self.blocks = nn.ModuleList(
            MultiscaleBlock(plan, config, rate) for plan, rate in zip(plans, rates, strict=True)
        )
        self.norm = nn.LayerNorm(config.num_features, eps=EPS)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.num_features, config.num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        """Clips (B, in_channels, T, H, W), float -> logits (B, num_classes).

        Raises:
            ModelError: if the clip has another shape.
        """
        x, grid = self._embed(clip)
        for block in self.blocks[:-1]:
            x, grid = self._run(block, x, grid)
        # Where queries are pooled, their weights would have no gradient, which DDP does not allow.
        class_only = self.class_token_only and self.plans[-1].q is None
        x, _ = self._run(self.blocks[-1], x, grid, class_only)
        return self.head(self.dropout(self.norm(x[:, 0])))

    def forward_features(self, clip: Tensor) -> Tensor:
        """Clips (B, in_channels, T, H, W) -> tokens (B, T', H', W', C) after the final LN.

        The class token is not among them.

        Raises:
            ModelError: if the clip has another shape.
        """
        x, grid = self._embed(clip)
        for block in self.blocks:
            x, grid = self._run(block, x, grid)
        return self.norm(x[:, 1:]).unflatten(1, grid)

    def _run(
        self, block: nn.Module, x: Tensor, grid: Triple, class_only: bool = False
    ) -> tuple[Tensor, Triple]:
        if self.config.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, grid, class_only, use_reentrant=False)
        return block(x, grid, class_only)

    def _embed(self, clip: Tensor) -> tuple[Tensor, Triple]:
        """(B, 1 + T'*H'*W', C) tokens with positions, class first, and (T', H', W')."""
        self._check(clip)
        size = clip.shape[2], clip.shape[3], clip.shape[4]
        grid = patch_grid(self.config, size)
        patches = self.patch_embed(clip)
        x = torch.cat((self.cls_token.expand(clip.shape[0], -1, -1), patches), dim=1)
        positions = self._positions(grid)
        return (x if positions is None else x + positions), grid

    def _positions(self, grid: Triple) -> Tensor | None:
        """(1, 1 + T'*H'*W', C), or None."""
        kind = self.config.positions
        if kind == "none":
            return None
        if kind == "joint":
            return self.pos_embed
        table = self.pos_embed_spatial.expand(grid[0], -1, -1)
        if kind == "separate":
            table = table + self.pos_embed_temporal.transpose(0, 1)
        return torch.cat((self.pos_embed_class, table.flatten(0, 1)[None]), dim=1)

    def _check(self, clip: Tensor) -> None:
        config = self.config
        wanted = (
            f"(B, {config.in_channels}, {config.frames}, {config.image_size}, {config.image_size})"
        )
        if not isinstance(clip, Tensor):
            raise ModelError(f"clip is a {type(clip).__name__}, wanted a torch.Tensor {wanted}")
        shape = tuple(clip.shape)
        size = (config.in_channels, config.frames, config.image_size, config.image_size)
        if len(shape) != 5 or shape[1:] != size:
            raise ModelError(
                f"clip has shape {shape}, wanted {wanted}, the size that the model was built for; "
                "another one is built with frames=T, image_size=H"
            )
        if not clip.is_floating_point():
            raise ModelError(f"clip is {clip.dtype}, wanted normalised floating point {wanted}")
        require_dtype(clip, self.cls_token.dtype)
        if shape[0] < 1:
            raise ModelError(f"clip has shape {shape}: every size must be at least 1")


class PatchEmbed(nn.Module):
    """cube_1: a convolution that projects overlapping space-time cubes (Table A.4)."""

    def __init__(self, config: MViTConfig) -> None:
        super().__init__()
        self.proj = nn.Conv3d(
            config.in_channels,
            config.embed_dim,
            config.patch_kernel,
            config.patch_stride,
            patch_padding(config),
        )

    def forward(self, clip: Tensor) -> Tensor:
        """(B, in_channels, T, H, W) -> (B, T'*H'*W', C)."""
        return self.proj(clip).flatten(2).transpose(1, 2)


class MultiscaleBlock(nn.Module):
    """Pooling attention and MLP, each with LN and residual, the first of which is pooled, too."""

    def __init__(self, plan: BlockPlan, config: MViTConfig, rate: float) -> None:
        super().__init__()
        self.plan = plan
        self.norm1 = nn.LayerNorm(plan.dim, eps=EPS)
        self.attn = PoolingAttention(plan, config.pooling, config.pool_norm_eps)
        self.norm2 = nn.LayerNorm(plan.dim, eps=EPS)
        self.mlp = MLP(plan.dim, 4 * plan.dim, plan.dim_out)
        self.drop_path = DropPath(rate)
        self.skip: Skip = "normalized"
        self.proj: nn.Linear | None = None
        if plan.dim != plan.dim_out:
            self.skip = config.skip
            if config.skip != "none":
                self.proj = nn.Linear(plan.dim, plan.dim_out)

    def forward(self, x: Tensor, grid: Triple, class_only: bool = False) -> tuple[Tensor, Triple]:
        """(B, 1 + T'*H'*W', C) -> (B, 1 + fewer, C'), and the grid of those.

        Args:
            x: tokens, class first.
            grid: (T', H', W') of the others.
            class_only: whether only the class token is wanted, for (B, 1, C').
        """
        pool = self.plan.q
        if pool is not None:
            return self._run(x, pooled_skip(x, grid, pool), grid, class_only), pool.out(grid)
        return self._run(x, x[:, :1] if class_only else x, grid, class_only), grid

    def _run(self, x: Tensor, skip: Tensor, grid: Triple, class_only: bool) -> Tensor:
        """Both halves; `skip` is the residual of the first."""
        if block_cpu.infer_serves(x, self):
            return block_cpu.infer(x, skip, self, grid)
        if block_cpu.attend_serves(x, self.norm1, self.attn):
            attended = block_cpu.attend(x, self.norm1, self.attn, grid, class_only)
        else:
            attended = self.attn(self.norm1(x), grid, class_only)
        return self.feed_forward(skip + self.drop_path(attended))

    def feed_forward(self, x: Tensor) -> Tensor:
        """MLP and its residual connection: (B, N, C) -> (B, N, C')."""
        norm, mlp, proj, normed = self.norm2, self.mlp, self.proj, self.skip == "normalized"
        in_parts = block_cpu.trains(x, norm, mlp.fc1, mlp.fc2) and not chunked.has_listeners(mlp)
        if in_parts and normed and proj and not self.drop_path.active and block_cpu.trains(x, proj):
            return mlp_cpu.feed_forward(x, norm, mlp.fc1, mlp.fc2, proj)
        z = x if in_parts else norm(x)
        fed = mlp_cpu.feed_forward(x, norm, mlp.fc1, mlp.fc2) if in_parts else mlp(z)
        if self.plan.dim == self.plan.dim_out:
            return x + self.drop_path(fed)
        if proj is None:  # a dropped sample would be nothing at all
            return fed
        source = (norm(x) if in_parts else z) if normed else x
        return proj(source) + self.drop_path(fed)


def pooled_skip(x: Tensor, grid: Triple, pool: Pool) -> Tensor:
    """The residual of an attention that pools its queries: (B, N, C) -> (B, fewer, C).

    It is pooled by the maximum, also where queries are pooled by a convolution, and the class token
    is kept.
    """
    rest = x[:, 1:].unflatten(1, grid).permute(0, 4, 1, 2, 3)
    rest = max_pool(rest, Pool.by_maximum(pool.stride)).permute(0, 2, 3, 4, 1).flatten(1, 3)
    return torch.cat((x[:, :1], rest), dim=1)
