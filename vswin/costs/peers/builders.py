"""Models of other works, built without weights from what libraries on PyPI have.

A builder takes the number of classes, that of frames and the side of a frame, and the options of
the model's entry in `vswin/paper/peers.yaml`. It gives the model and the input of one clip.
Everything is on the meta device but for what reads values, and nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vswin.costs.peers.libraries import module

Built = tuple[nn.Module, Any]
"""A model, and what it is called with: a tensor or a list of tensors."""


def _clip(frames: int, size: int) -> Tensor:
    """(1, 3, T, H, W)."""
    return torch.empty(1, 3, frames, size, size)


def x3d(classes: int, frames: int, size: int, width: float, depth: float) -> Built:
    """X3D as pytorchvideo builds it, by its factors of width and depth."""
    model = module("pytorchvideo.models.x3d").create_x3d(
        input_clip_length=frames,
        input_crop_size=size,
        model_num_class=classes,
        width_factor=width,
        depth_factor=depth,
    )
    return model, _clip(frames, size)


def slowfast_r101(
    classes: int,
    frames: int,
    size: int,
    nonlocal_res4: Sequence[int] = (),
    pool: Sequence[int] = (1, 2, 2),
) -> Built:
    """SlowFast R101 whose res4 convolves over time in its first six blocks, with alpha 4, beta 1/8.

    Args:
        classes: to tell apart.
        frames: of the fast pathway.
        size: of a frame.
        nonlocal_res4: the blocks of the slow pathway's res4 behind which there is a non-local one.
        pool: how many keys and values of a non-local block become one, by time, height and width.
    """
    in_time, not_in_time = (3, 1, 1), (1, 1, 1)
    res4 = (in_time,) * 6 + (not_in_time,) * 17
    model = module("pytorchvideo.models.slowfast").create_slowfast(
        model_depth=101,
        model_num_class=classes,
        slowfast_fusion_conv_kernel_size=(5, 1, 1),
        stage_conv_a_kernel_sizes=(
            (not_in_time, not_in_time, res4, in_time),
            (in_time, in_time, res4, in_time),
        ),
        head_pool_kernel_sizes=((frames // 4, 7, 7), (frames, 7, 7)),
    )
    slow = model.blocks[3].multipathway_blocks[0].res_blocks
    _add_nonlocal(slow, nonlocal_res4, 1024, pool)
    fast = _clip(frames, size)
    return model, [fast[:, :, ::4], fast]


def i3d_r101(
    classes: int,
    frames: int,
    size: int,
    nonlocal_res3: Sequence[int] = (),
    nonlocal_res4: Sequence[int] = (),
) -> Built:
    """I3D on ResNet-101: every other bottleneck convolves over time, and pooling halves it once."""
    three, one = (3, 1, 1), (1, 1, 1)
    model = module("pytorchvideo.models.resnet").create_resnet(
        model_depth=101,
        model_num_class=classes,
        stem_conv_kernel_size=(5, 7, 7),
        stage1_pool=nn.MaxPool3d,
        stage1_pool_kernel_size=(2, 1, 1),
        stage_conv_a_kernel_size=(
            three,
            (three, one) * 2,
            (three, one) * 11 + (three,),
            (one, three, one),
        ),
        stage_temporal_stride=(1, 1, 1, 1),
        head_pool_kernel_size=(frames // 2, 7, 7),
    )
    # The stem, res2, the pooling, res3, res4, res5 and the head.
    _add_nonlocal(model.blocks[3].res_blocks, nonlocal_res3, 512)
    _add_nonlocal(model.blocks[4].res_blocks, nonlocal_res4, 1024)
    return model, _clip(frames, size)


def _add_nonlocal(
    blocks: nn.ModuleList, places: Sequence[int], dim: int, pool: Sequence[int] = (1, 2, 2)
) -> None:
    """Puts a non-local block of half the width, with pooled keys, behind some blocks."""
    create = module("pytorchvideo.layers.nonlocal_net").create_nonlocal
    for place in places:
        added = create(dim_in=dim, dim_inner=dim // 2, pool_size=pool)
        blocks[place] = nn.Sequential(blocks[place], added)


def ip_csn_152(classes: int, frames: int, size: int) -> Built:
    """ip-CSN-152: torchvision's video ResNet with a 1x1x1 before each depthwise convolution."""
    video = module("torchvision.models.video.resnet")

    class Preserving(nn.Sequential):
        def __init__(self, dim: int, dim_out: int, middle: int, stride: int = 1) -> None:
            super().__init__(
                nn.Conv3d(dim, dim_out, 1, bias=False),
                nn.BatchNorm3d(dim_out),
                nn.Conv3d(dim_out, dim_out, 3, stride, 1, groups=dim_out, bias=False),
            )

        @staticmethod
        def get_downsample_stride(stride: int) -> tuple[int, int, int]:
            return stride, stride, stride

    def stem() -> nn.Module:
        return nn.Sequential(video.BasicStem(), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))

    model = video.VideoResNet(
        video.Bottleneck, [Preserving] * 4, [3, 8, 36, 3], stem, num_classes=classes
    )
    return model, _clip(frames, size)


def r2plus1d_34(classes: int, frames: int, size: int) -> Built:
    """R(2+1)D-34: torchvision's video ResNet, each convolution with a middle width of its own."""
    video = module("torchvision.models.video.resnet")

    class Separable(video.Conv2Plus1D):  # type: ignore[name-defined]
        def __init__(self, dim: int, dim_out: int, middle: int, stride: int = 1) -> None:
            middle = dim * dim_out * 27 // (dim * 9 + 3 * dim_out)
            super().__init__(dim, dim_out, middle, stride)

    model = video.VideoResNet(
        video.BasicBlock, [Separable] * 4, [3, 4, 6, 3], video.R2Plus1dStem, num_classes=classes
    )
    return model, _clip(frames, size)


def resnet_101_by_frame(classes: int, frames: int, size: int) -> Built:
    """ResNet-101 on each frame: TSM, whose shifts are free."""
    model = module("torchvision.models").resnet101(num_classes=classes)
    return model, torch.empty(frames, 3, size, size)


def timesformer(classes: int, frames: int, size: int) -> Built:
    """TimeSformer of ViT-B/16 with divided attention."""
    library = module("transformers")
    config = library.TimesformerConfig(num_frames=frames, image_size=size, num_labels=classes)
    return library.TimesformerForVideoClassification(config), _frames_first(frames, size)


def vivit(classes: int, frames: int, size: int, dim: int, layers: int, heads: int) -> Built:
    """ViViT with joint attention over tubelets of 2 x 16 x 16."""
    library = module("transformers")
    config = library.VivitConfig(
        num_frames=frames,
        image_size=size,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * dim,
        num_labels=classes,
    )
    return library.VivitForVideoClassification(config), _frames_first(frames, size)


def _frames_first(frames: int, size: int) -> Tensor:
    """(1, T, 3, H, W), as transformers takes clips."""
    return torch.empty(1, frames, 3, size, size)


def vit_b_vtn(classes: int, frames: int, size: int, window: int) -> Built:
    """ViT-B-VTN: ViT-B/16 on each frame, and three Longformer layers over the frames."""
    backbone = module("timm").create_model("vit_base_patch16_224", num_classes=0)
    longformer, dim = module("transformers"), backbone.num_features
    head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, classes))
    config = longformer.LongformerConfig(
        num_hidden_layers=3,
        attention_window=[window] * 3,
        max_position_embeddings=288,
        pad_token_id=0,
    )
    with torch.device("cpu"):  # which tokens are global it reads from a mask's values
        encoder = longformer.LongformerModel(config, add_pooling_layer=False)
    encoder.embeddings.word_embeddings = None
    return _VTN(backbone, encoder, head, window), torch.empty(frames, 3, size, size)


class _VTN(nn.Module):
    def __init__(self, backbone: nn.Module, encoder: Any, head: nn.Module, window: int) -> None:
        super().__init__()
        self.backbone, self.encoder, self.head, self.window = backbone, encoder, head, window
        self.class_token = nn.Parameter(torch.empty(1, 1, encoder.config.hidden_size))

    def forward(self, clip: Tensor) -> Tensor:
        features = self.backbone(clip)
        frames, dim = features.shape
        length = -(-(1 + frames) // self.window) * self.window
        with torch.device("cpu"):
            tokens = torch.zeros(1, length, dim)
            only_class_token = torch.zeros(1, length, dtype=torch.long)
            only_class_token[0, 0] = 1
            places = torch.arange(length)[None]
        found = self.encoder(
            inputs_embeds=tokens, global_attention_mask=only_class_token, position_ids=places
        )
        return self.head(found[0][:, 0].to("meta"))
