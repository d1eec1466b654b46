"""torchvision's models of any configuration."""

from __future__ import annotations

import functools

from torch import nn

from vswin.costs.peers.libraries import import_torchvision
from vswin.models.mvit.config import MViTConfig
from vswin.models.mvit.geometry import blocks
from vswin.models.swin.config import VideoSwinConfig


def swin_peer(config: VideoSwinConfig) -> nn.Module:
    """The same Video Swin Transformer, without dropout and stochastic depth.

    Raises:
        ModuleNotFoundError: if torchvision is not installed.
    """
    swin3d = import_torchvision().models.video.swin_transformer
    return swin3d.SwinTransformer3d(
        patch_size=list(config.patch_size),
        embed_dim=config.embed_dim,
        depths=list(config.depths),
        num_heads=list(config.num_heads),
        window_size=list(config.window_size),
        stochastic_depth_prob=0.0,
        num_classes=config.num_classes,
        patch_embed=functools.partial(swin3d.PatchEmbed3d, in_channels=config.in_channels),
    )


def mvit_peer(config: MViTConfig) -> nn.Module:
    """The same MViT, if it has separate positions and pools by convolutions, without new code.

    Raises:
        ModuleNotFoundError: if torchvision is not installed.
    """
    video = import_torchvision().models.video
    setting = [
        video.mvit.MSBlockConfig(
            num_heads=plan.num_heads,
            input_channels=plan.dim,
            output_channels=plan.dim_out,
            kernel_q=list(plan.q.kernel) if plan.q else [],
            kernel_kv=list(plan.kv.kernel) if plan.kv else [],
            stride_q=list(plan.q.stride) if plan.q else [],
            stride_kv=list(plan.kv.stride) if plan.kv else [],
        )
        for plan in blocks(config)
    ]
    return video.MViT(
        spatial_size=(config.image_size, config.image_size),
        temporal_size=config.frames,
        block_setting=setting,
        residual_pool=False,
        residual_with_cls_embed=False,
        rel_pos_embed=False,
        proj_after_attn=False,
        num_classes=config.num_classes,
        dropout=config.head_dropout,
        stochastic_depth_prob=config.drop_path,
    )
