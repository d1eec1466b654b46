"""Pooling attention as the text says it, and what cannot be built, loaded or run."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import vswin
from tests.peers import randomise_
from vswin.models.errors import ModelError, WeightsError
from vswin.models.mvit.geometry import blocks
from vswin.weights.checkpoint import checkpoint_of
from vswin.weights.files import to_layout

SMALL = {
    "depths": (1, 2, 1),
    "embed_dim": 8,
    "num_heads": 2,
    "frames": 4,
    "image_size": 20,
    "num_classes": 5,
    "kv_stride": (1, 2, 2),
    "head_dropout": 0.0,
    "drop_path": 0.0,
}


def small(**options):
    model = vswin.build_model("mvit_b_16x4", **(SMALL | options))
    return randomise_(model).double()


def clip_for(model, batch=2):
    config = model.config
    size = (batch, config.in_channels, config.frames, config.image_size, config.image_size)
    return torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


# The model once more, token by token, from the text.


def pool_by_hand(x, grid, pool, weight):
    """(1 + N, C) of one head, class first: each output reads its neighbourhood of the grid."""
    if pool is None:
        return x, grid
    cells = {at: x[1 + i] for i, at in enumerate(itertools.product(*map(range, grid)))}
    out_grid = tuple(
        (n + 2 * (k // 2) - k) // s + 1
        for n, k, s in zip(grid, pool.kernel, pool.stride, strict=True)
    )
    out = [x[0]]
    for at in itertools.product(*map(range, out_grid)):
        taps = []
        for tap in itertools.product(*map(range, pool.kernel)):
            place = tuple(
                a * s + t - k // 2
                for a, s, t, k in zip(at, pool.stride, tap, pool.kernel, strict=True)
            )
            if place in cells:
                value = cells[place]
                taps.append(
                    value if weight is None else weight[:, 0, tap[0], tap[1], tap[2]] * value
                )
        stacked = torch.stack(taps)
        out.append(stacked.amax(0) if weight is None else stacked.sum(0))
    return torch.stack(out), out_grid


def attend_by_hand(attn, x, grid):
    """(1 + N, C) -> (1 + queries, C), and the queries' grid."""
    heads, dim = attn.num_heads, x.shape[1]
    d = dim // heads
    qkv = (x @ attn.qkv.weight.T + attn.qkv.bias).view(-1, 3, heads, d)
    out, q_grid = [], grid
    for head in range(heads):
        three = []
        for i, (name, pool) in enumerate((("q", attn.q), ("k", attn.kv), ("v", attn.kv))):
            conv, norm = getattr(attn, f"pool_{name}"), getattr(attn, f"norm_{name}")
            weight = None if conv is None else conv.weight
            tokens, out_grid = pool_by_hand(qkv[:, i, head], grid, pool, weight)
            three.append(tokens if norm is None else norm(tokens))
            q_grid = out_grid if name == "q" else q_grid
        q, k, v = three
        scores = torch.stack([torch.stack([a @ b for b in k]) for a in q]) / math.sqrt(d)
        out.append(scores.softmax(-1) @ v)
    return torch.cat(out, dim=1) @ attn.proj.weight.T + attn.proj.bias, q_grid


def block_by_hand(block, x, grid):
    attended, q_grid = attend_by_hand(block.attn, block.norm1(x), grid)
    if block.plan.q is not None:
        kernel = tuple(s + 1 if s > 1 else 1 for s in block.plan.q.stride)
        pool = type(block.plan.q)(kernel, block.plan.q.stride)
        x, _ = pool_by_hand(x, grid, pool, None)
    x = x + attended
    z = block.norm2(x)
    hidden = F.gelu(z @ block.mlp.fc1.weight.T + block.mlp.fc1.bias)
    fed = hidden @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
    if block.plan.dim == block.plan.dim_out:
        return x + fed, q_grid
    if block.skip == "none":
        return fed, q_grid
    source = z if block.skip == "normalized" else x
    return source @ block.proj.weight.T + block.proj.bias + fed, q_grid


def by_hand(model, clip):
    config = model.config
    out = []
    for one in clip:
        volume = model.patch_embed.proj(one[None])[0]
        grid = tuple(volume.shape[1:])
        tokens = [model.cls_token[0, 0]]
        positions = {"none": None}.get(config.positions, True)
        if positions and config.positions != "joint":
            tokens[0] = tokens[0] + model.pos_embed_class[0, 0]
        for i, (t, h, w) in enumerate(itertools.product(*map(range, grid))):
            token = volume[:, t, h, w]
            if config.positions == "joint":
                token = token + model.pos_embed[0, 1 + i]
            elif positions:
                token = token + model.pos_embed_spatial[0, h * grid[2] + w]
                if config.positions == "separate":
                    token = token + model.pos_embed_temporal[0, t]
            tokens.append(token)
        if config.positions == "joint":
            tokens[0] = tokens[0] + model.pos_embed[0, 0]
        x = torch.stack(tokens)
        for block in model.blocks:
            x, grid = block_by_hand(block, x, grid)
        x = model.norm(x)
        out.append(x[0] @ model.head.weight.T + model.head.bias)
    return torch.stack(out)


@pytest.mark.parametrize(
    "options",
    [
        {},  # odd maps, 5 x 5 and 3 x 3
        {"kv_pool_last_stage": True},
        {"pooling": "max", "kv_stride": (2, 2, 2)},
        {"positions": "joint", "skip": "unnormalized"},
        {"positions": "space", "skip": "none"},
        {"positions": "none", "kv_stride": (1, 1, 1)},
        {"q_pool_blocks": (0, 2), "q_stride": (2, 2, 2), "frames": 8},
    ],
    ids=str,
)
def test_the_model_is_what_the_text_says(options):
    model = small(**options)
    clip = clip_for(model, batch=1)
    found, wanted = model(clip), by_hand(model, clip)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)
    names = [name for name, _ in model.named_parameters()]
    ours = torch.autograd.grad(found.square().sum(), list(model.parameters()))
    theirs = torch.autograd.grad(wanted.square().sum(), list(model.parameters()))
    for name, mine, yours in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(mine, yours, rtol=1e-8, atol=1e-9, msg=name)


def test_the_class_token_alone_in_the_last_block_changes_nothing():
    for options in ({}, {"q_pool_blocks": (3,)}, {"kv_pool_last_stage": True}):
        model = small(**options, depths=(1, 1, 2))
        clip = clip_for(model)
        alone = model(clip)
        alone.sum().backward()
        assert all(p.grad is not None for p in model.parameters())
        model.class_token_only = False
        torch.testing.assert_close(alone, model(clip), rtol=0, atol=1e-12)


def test_features_are_the_tokens_without_the_class():
    model = small()
    found = model.forward_features(clip_for(model))
    assert found.shape == (2, *blocks(model.config)[-1].q_grid, model.config.num_features)


def test_a_dropped_sample_keeps_what_has_no_skip():
    """Without a skip around the MLP, dropping it would leave nothing (Table A.7c)."""
    model = small(skip="none", drop_path=0.9).train()
    torch.manual_seed(0)
    logits = model(clip_for(model, batch=16))
    assert (logits.std(dim=0) > 1e-6).all()


def test_activation_checkpointing_changes_no_gradient():
    model, again = small(), small(activation_checkpointing=True)
    for each in (model, again):
        each(clip_for(each)).square().sum().backward()
    for mine, yours in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, yours.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_heads": 5}, ["num_heads=5", "divisor of the 8 channels"]),
        ({"q_pool_blocks": (7,)}, ["q_pool_blocks=(7,)", "numbers of the 4 blocks, 0 to 3"]),
        ({"kv_stride": (1, 8)}, ["kv_stride=(1, 8)", "three integers"]),
        (
            {"pool_kernel": (1, 3, 3), "kv_stride": (2, 4, 4)},
            ["kv_stride=(2, 4, 4)", "kernel is 1"],
        ),
        ({"q_pool_blocks": (True,)}, ["q_pool_blocks=(True,)", "numbers of the 4 blocks"]),
        ({"q_pool_blocks": (1, 1)}, ["q_pool_blocks=(1, 1)", "each once"]),
        ({"pool_norm_eps": float("inf")}, ["pool_norm_eps=inf", "a finite number > 0"]),
        ({"kv_stride": (1, 7, 7)}, ["kv_stride=(1, 7, 7)", "q_stride=(1, 2, 2) up to block 1"]),
        ({"kv_unpooled_blocks": (4,)}, ["kv_unpooled_blocks=(4,)", "numbers of the 4 blocks"]),
        ({"kv_adaptive": 1}, ["kv_adaptive=1", "True or False"]),
        (
            {"pool_kernel": (3, 2, 2), "image_size": 24},
            ["pool_kernel=(3, 2, 2)", "(2, 4, 4) queries of the (2, 6, 6)", "an odd kernel"],
        ),
        (
            {"q_stride": (1, 3, 3), "image_size": 24},
            ["q_stride=(1, 3, 3)", "(2, 2, 2) queries", "(2, 3, 3) of its residual"],
        ),
        ({"positions": "both"}, ["positions='both'", "'separate', 'joint', 'space', 'none'"]),
        ({"pooling": "avg"}, ["pooling='avg'", "'conv', 'max'"]),
        ({"skip": True}, ["skip=True"]),
        ({"drop_path": 1}, ["drop_path=1.0", "a rate in [0, 1)"]),
        ({"image_size": 0}, ["image_size=0"]),
        (
            {"window_size": (8, 7, 7)},
            ["unknown model option 'window_size'", "family mvit; family swin has"],
        ),
        ({"patch_kernel": (2, 32, 32), "patch_stride": (2, 32, 32)}, ["smaller than patch_kernel"]),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_named(options, words):
    with pytest.raises(ModelError) as caught:
        vswin.build_model("mvit_b_16x4", **(SMALL | options))
    for word in words:
        assert word in str(caught.value)


def test_a_clip_of_another_size_is_refused_by_name():
    model = small()
    with pytest.raises(ModelError, match=r"shape \(2, 3, 4, 24, 24\), wanted \(B, 3, 4, 20, 20\)"):
        model(torch.zeros(2, 3, 4, 24, 24))
    with pytest.raises(ModelError, match="frames=T, image_size=H"):
        model(torch.zeros(2, 3, 8, 20, 20))
    with pytest.raises(ModelError, match="torch.int64, wanted normalised floating point"):
        model(torch.zeros(2, 3, 4, 20, 20, dtype=torch.int64))
    with pytest.raises(
        ModelError, match="clip is torch.float16, and the model's weights are torch"
    ):
        model(torch.zeros(2, 3, 4, 20, 20, dtype=torch.float16))


@pytest.mark.parametrize(
    "option",
    [
        {"kv_pool_last_stage": True},
        {"positions": "joint"},
        {"positions": "none"},
        {"pool_kernel": (1, 3, 3)},
        {"q_pool_blocks": (1,)},
        {"image_size": 28},
        {"frames": 8},
        {"kv_unpooled_blocks": (0,)},
    ],
    ids=str,
)
def test_a_checkpoint_of_another_version_says_which_keyword_to_change(option):
    found, wanted = small(), small(**option)
    (name,) = option
    for source, target in ((found, wanted), (wanted, found)):
        # The public layout, which says nothing that the shapes do not say.
        state = to_layout(checkpoint_of(source), LAYOUT)
        value = getattr(source.config, name)
        with pytest.raises(WeightsError, match=f"build it with .*{name}=") as caught:
            vswin.load_weights(target, state)
        assert repr(value) in str(caught.value) or value is None


def test_other_families_and_versions_are_told_apart(tmp_path):
    mvit = small()
    swin = vswin.build_model("swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2))
    with pytest.raises(WeightsError, match="family mvit .*of family swin"):
        vswin.load_weights(swin, mvit.state_dict())
    with pytest.raises(WeightsError, match="MViTv2"):
        vswin.load_weights(mvit, mvit.state_dict() | {"blocks.0.attn.rel_pos_h": torch.ones(1)})


def _layout():
    from vswin.models.mvit.layouts import LAYOUTS

    return LAYOUTS["slowfast"]


LAYOUT = _layout()
