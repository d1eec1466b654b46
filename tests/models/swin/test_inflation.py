"""Section 3.4: what an inflated model computes, not only what shape it has."""

import math

import pytest
import torch
from torch import nn

import vswin
from tests.peers import randomise_
from vswin.models.swin.config import own_frame_share
from vswin.models.swin.inflation import (
    OTHER_FRAME_BIAS,
    crop_bias_table,
    inflate_bias_table,
    inflate_embedding,
    resize_bias_table,
)
from vswin.models.swin.model import VideoSwinBlock
from vswin.models.swin.windows import relative_position_index

TINY = {"embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "num_classes": 5}
IMAGE = TINY | {"patch_size": (1, 4, 4), "window_size": (1, 3, 3)}


def image_model():
    return randomise_(vswin.build_model("swin_t", **IMAGE))


def block_outputs(model, clip):
    """(B, T'*H'*W', C) after each block, and the final features."""
    outputs = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: outputs.append(out))
        for module in model.modules()
        if isinstance(module, VideoSwinBlock)
    ]
    features = model.forward_features(clip)
    for hook in hooks:
        hook.remove()
    return [*outputs, features.flatten(1, 3)]


@pytest.mark.parametrize(
    "video",
    [
        {"window_size": (2, 3, 3)},
        {"window_size": (4, 3, 3)},
        {"window_size": (8, 3, 3)},  # temporally global
        {"window_size": (2, 3, 3), "shift": "spatial"},
        {"window_size": (2, 3, 3), "patch_size": (4, 4, 4)},
        {"window_size": (4, 3, 3), "design": "factorized"},
    ],
    ids=str,
)
@pytest.mark.parametrize("embedding", ["inflate", "center"])
def test_equal_frames_give_the_2d_features_block_for_block(video, embedding):
    image = image_model()
    model = vswin.build_model("swin_t", **(TINY | video)).eval()
    vswin.load_weights(model, image.state_dict(), embedding=embedding, bias="duplicate")
    frame = torch.randn(2, 3, 1, 24, 24)
    with torch.inference_mode():
        wanted = block_outputs(image, frame)
        found = block_outputs(model, frame.expand(-1, -1, 16, -1, -1))
    assert len(found) == len(wanted) == 5
    for ours, theirs in zip(found, wanted, strict=True):
        batch, tokens, dim = theirs.shape
        frames = ours.view(batch, -1, tokens, dim)
        assert frames.shape[1] == 16 // model.config.patch_size[0]
        expected = theirs[:, None].expand_as(frames)
        torch.testing.assert_close(frames, expected, rtol=1e-4, atol=1e-4)


def test_split_from_2d_weights_keeps_the_backbone():
    image = image_model()
    model = vswin.build_model("swin_t", **TINY, design="split", window_size=(1, 3, 3)).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    report = vswin.load_weights(model, image.state_dict())
    assert {n.split(".")[0] for n in report.fresh} == {"temporal_layers", "head"}
    for name in report.fresh:
        assert torch.equal(model.state_dict()[name], before[name])
    frame = torch.randn(1, 3, 1, 24, 24)
    with torch.inference_mode():
        *blocks, _ = block_outputs(image, frame)
        *found, _ = block_outputs(model, frame.expand(-1, -1, 8, -1, -1))
    for ours, theirs in zip(found, blocks, strict=True):
        frames = ours.view(1, 4, *theirs.shape[1:])
        torch.testing.assert_close(frames, theirs[:, None].expand_as(frames), rtol=1e-4, atol=1e-4)


def test_center_embedding_looks_at_one_frame_only():
    weight = torch.randn(8, 3, 4, 4)
    for frames, middle in ((2, 1), (4, 2), (3, 1), (1, 0)):
        center = inflate_embedding(weight, frames, "center")
        assert torch.equal(center[:, :, middle], weight)
        others = [t for t in range(frames) if t != middle]
        assert not center[:, :, others].any()
        # "Keep the mean and variance of the output unchanged": equal frames embed as their frame.
        assert torch.allclose(
            inflate_embedding(weight, frames, "inflate").sum(2), weight, atol=1e-6
        )


@pytest.mark.parametrize("window", [(4, 3, 3), (8, 3, 3)])
def test_with_the_center_bias_attention_stays_in_the_frame_to_within_e_to_the_minus_4_6(window):
    """On a clip of equal frames, where content tells no frame from another."""
    image = image_model()
    model = vswin.build_model("swin_t", **(TINY | {"window_size": window})).eval()
    vswin.load_weights(model, image.state_dict(), bias="center")
    clip = torch.randn(1, 3, 1, 24, 24).expand(-1, -1, 16, -1, -1)
    seen = []
    attention = model.layers[0].blocks[0].attn
    attention.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    with torch.inference_mode():
        model(clip)
    ((windows, layout),) = seen
    windows, count = windows.clone(), math.prod(layout.window)
    q, k, _ = attention.qkv(windows[:count]).view(count, 3, -1).unbind(1)
    bias = attention.relative_position_bias_table[relative_position_index(window, window), 0]
    probability = (q @ k.t() / math.sqrt(q.shape[1]) + bias).softmax(-1).detach()
    table_2d = image.layers[0].blocks[0].attn.relative_position_bias_table
    in_frame = table_2d[relative_position_index((1, 3, 3), (1, 3, 3)), 0].detach()
    area = window[1] * window[2]
    by_frame = probability.view(window[0], area, window[0], area)
    for t in range(window[0]):
        own = by_frame[t, :, t]
        for other in set(range(window[0])) - {t}:
            # A key in another frame has e^-4.6 of the weight that it has without a bias.
            expected = own * torch.exp(OTHER_FRAME_BIAS - in_frame)
            torch.testing.assert_close(by_frame[t, :, other], expected)


def test_center_bias_table_is_the_2d_table_within_the_frame_and_minus_4_6_elsewhere():
    table = torch.randn(25, 2)
    inflated = inflate_bias_table(table, (3, 3, 3), "center").view(5, 25, 2)
    assert torch.equal(inflated[2], table)
    assert (inflated[[0, 1, 3, 4]] == -4.6).all()
    duplicated = inflate_bias_table(table, (3, 3, 3), "duplicate").view(5, 25, 2)
    assert (duplicated == table).all()


def cubic(x, a=-0.75):
    """Keys' cubic convolution kernel with the parameter that image libraries use."""
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


@pytest.mark.parametrize(("old", "new"), [(13, 23), (23, 13), (5, 13)])
def test_a_2d_table_is_resized_like_an_image(old, new):
    table = torch.randn(old * old, 2, dtype=torch.float64).float()
    weights = torch.zeros(new, old)
    for i in range(new):
        place = (i + 0.5) * old / new - 0.5
        for j in range(math.floor(place) - 1, math.floor(place) + 3):
            weights[i, min(max(j, 0), old - 1)] += cubic(place - j)
    wanted = torch.einsum("ia,jb,abh->ijh", weights, weights, table.view(old, old, 2))
    torch.testing.assert_close(
        resize_bias_table(table, (new, new)).view(new, new, 2), wanted, rtol=1e-4, atol=1e-5
    )
    assert torch.equal(resize_bias_table(table, (old, old)), table)


def test_a_cropped_table_gives_every_offset_the_bias_it_had():
    table = torch.randn(7 * 9 * 9, 2)
    cropped = crop_bias_table(table, (4, 5, 5), (2, 3, 3))
    small = relative_position_index((2, 3, 3), (2, 3, 3))
    # The same pairs, looked up in the large table.
    large = relative_position_index((2, 3, 3), (4, 5, 5))
    assert torch.equal(cropped[small], table[large])


def test_inflated_weights_keep_the_output_of_any_patch_of_equal_frames():
    conv2d = nn.Conv2d(3, 8, 4, stride=4)
    conv3d = nn.Conv3d(3, 8, (2, 4, 4), stride=(2, 4, 4))
    image = torch.randn(1, 3, 8, 8)
    for how in ("inflate", "center"):
        with torch.no_grad():
            conv3d.weight.copy_(inflate_embedding(conv2d.weight, 2, how))
            conv3d.bias.copy_(conv2d.bias)
        found = conv3d(image[:, :, None].expand(-1, -1, 2, -1, -1))[:, :, 0]
        torch.testing.assert_close(found, conv2d(image))


@pytest.mark.parametrize("how", ["duplicate", "center"])
@pytest.mark.parametrize("frames", [8, 16])
def test_share_of_a_token_s_own_frame_is_that_of_a_softmax(frames, how):
    """Of equal scores, with the biases that the table gives a whole window."""
    window = (frames, 7, 7)
    table = inflate_bias_table(torch.zeros(13 * 13, 1), window, how)
    biases = table[relative_position_index(window, window)].view(frames * 49, frames * 49)
    own = biases.softmax(-1).view(frames, 49, frames, 49).diagonal(dim1=0, dim2=2).sum(1)
    assert torch.allclose(own, torch.tensor(own_frame_share(frames, how)), atol=1e-5)
