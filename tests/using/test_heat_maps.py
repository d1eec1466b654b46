"""Heat maps against their definitions, and what `vswin explain` writes."""

import itertools

import av
import numpy as np
import torch
from PIL import Image

import vswin
from tests.command import vswin as command
from tests.peers import randomise_
from tests.using.test_exporting import MVIT, SWIN, saved
from tests.videos import numbered, write_video
from vswin.models.mvit.attention import pooled
from vswin.models.mvit.geometry import Pool
from vswin.using.heat_maps import attention_rollout, grad_cam


def means(grid, pool):
    """(1 + pooled, 1 + tokens): each row the mean over a kernel, by a loop over all places."""
    size = int(np.prod(grid))
    if pool is None:
        return torch.eye(1 + size)
    rows = []
    for place in itertools.product(*map(range, pool.out(grid))):
        row = torch.zeros(grid)
        for offset in itertools.product(*map(range, pool.kernel)):
            at = tuple(np.multiply(place, pool.stride) + offset - np.array(pool.padding))
            if all(0 <= i < n for i, n in zip(at, grid, strict=True)):
                row[at] = 1
        rows.append(row.flatten() / row.sum())
    return torch.block_diag(torch.ones(1, 1), torch.stack(rows))


def test_rollout_is_the_product_of_all_layers():
    """Against matrices of all tokens by all tokens."""
    torch.manual_seed(0)
    model = randomise_(vswin.build_model("mvit_b_16x4", num_classes=5, **MVIT)).eval()
    clip = torch.randn(1, 3, 4, 40, 40)
    inputs = []
    for block in model.blocks:
        block.register_forward_pre_hook(lambda _, args: inputs.append(args[:2]))
    model.forward_features(clip)
    total = None
    for block, (x, grid) in zip(model.blocks, inputs, strict=True):
        attn, plan = block.attn, block.plan
        q, k, _ = attn.qkv(block.norm1(x)).unflatten(2, (3, attn.num_heads, -1)).unbind(2)
        q = pooled(q, grid, attn.q, attn.pool_q, attn.norm_q)[0].transpose(0, 1)
        k = pooled(k, grid, attn.kv, attn.pool_k, attn.norm_k)[0].transpose(0, 1)
        attention = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1).mean(0) @ means(grid, plan.kv)
        residual = means(grid, plan.q and Pool.by_maximum(plan.q.stride))
        layer = 0.5 * attention + 0.5 * residual
        total = layer if total is None else layer @ total
    found = attention_rollout(model, clip)
    assert found.shape == model.plans[0].grid
    torch.testing.assert_close(found.flatten(), total[0, 1:], rtol=1e-4, atol=1e-7)
    assert 0 < found.sum() < 1
    assert found.std() > 0.01 * found.mean()


def test_grad_cam_is_the_gradient_through_the_model_itself():
    torch.manual_seed(0)
    model = randomise_(vswin.build_model("swin_t", num_classes=5, **SWIN)).eval()
    clip, last = torch.randn(1, 3, 4, 36, 36), []
    handle = model.layers[-1].register_forward_hook(lambda _, args, out: last.append(out))
    logit = model(clip)[0, 3]
    handle.remove()
    (gradient,) = torch.autograd.grad(logit, last[0])
    weights = gradient.mean(dim=(0, 1, 2, 3))
    expected = torch.einsum("thwc,c->thw", last[0][0], weights).clamp(min=0)
    found = grad_cam(model, clip, 3)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-6)
    assert found.max() > 0
    assert not torch.equal(found, grad_cam(model, clip, 2))


def test_explain_writes_a_picture_and_what_moves(tmp_path):
    saved(tmp_path / "swin.pth", "swin_t", **SWIN)
    saved(tmp_path / "mvit.pth", "mvit_b_16x4", **MVIT)
    video = write_video(tmp_path / "video.mp4", numbered(20))
    (tmp_path / "names.txt").write_text("run\nsit\nwalk\njump\nfall\n")
    args = ("explain", video, "--classes", tmp_path / "names.txt")
    done = command(
        *(*args, "-w", tmp_path / "swin.pth", "--frames", 4, "--size", 32, "--class", "walk"),
        *("--out", tmp_path / "swin"),
    )
    assert done.returncode == 0, done.stderr
    assert "Grad-CAM on the last stage for walk, of one clip of 4 frames" in done.stdout
    with Image.open(tmp_path / "swin.gif") as moving:
        assert (moving.n_frames, moving.size) == (4, (64, 32))
    with Image.open(tmp_path / "swin.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    done = command(
        *(*args, "-w", tmp_path / "mvit.pth", "--out", tmp_path / "mvit", "--movie", "mp4")
    )
    assert done.returncode == 0, done.stderr
    assert "attention rollout, of one clip of 4 frames" in done.stdout
    with av.open(str(tmp_path / "mvit.mp4")) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert np.stack(frames).shape == (4, 40, 80, 3)
    done = command(*args, "-w", tmp_path / "mvit.pth", "--class", "walk")
    assert done.returncode == 2
    assert "attention rollout asks about no class" in done.stderr
