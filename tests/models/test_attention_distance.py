"""Mean attention distances against the definition, written out token by token."""

import dataclasses
import itertools
import math

import pytest
import torch

import vswin
from tests.models.mvit.test_model import clip_for, pool_by_hand, small
from tests.models.swin.test_attention_reference import windows_of
from tests.models.tiny import DESIGNS, tiny
from vswin.models import attention_distance as module
from vswin.models.attention_distance import MEASURES, attention_distance, attention_distances
from vswin.models.errors import ModelError
from vswin.models.registry import family
from vswin.models.swin.designs import frame_encoding
from vswin.models.swin.partition import clip_window, half_window
from vswin.models.swin.windows import from_windows, to_windows


def steps(grid, measure):
    """How far a step along each axis is, if the longest distance on the grid is 1."""
    along = {
        "grid": (1, 1, 1),
        "frame": (0, 1, 1),
        "cube": [1 / (n - 1) if n > 1 else 0 for n in grid],
    }[measure]
    longest = math.hypot(*(s * (n - 1) for s, n in zip(along, grid, strict=True)))
    return [s / longest for s in along]


def distance(a, b, along):
    return math.hypot(*(s * (x - y) for s, x, y in zip(along, a, b, strict=True)))


def mean_distance(q, k, q_places, k_places, along, bias=None):
    """Of one head: q (Q, d), k (K, d); a place that is None is none."""
    total, count = 0.0, 0
    for i, here in enumerate(q_places):
        if here is None:
            continue
        scores = torch.stack([q[i] @ key for key in k]) / math.sqrt(q.shape[1])
        weights = (scores if bias is None else scores + bias[i]).softmax(dim=0).tolist()
        total += sum(
            w * distance(here, there, along)
            for w, there in zip(weights, k_places, strict=True)
            if there is not None
        )
        count += 1
    return total, count


# MViT


@dataclasses.dataclass
class Places:
    """Where the tokens of a map are: the first one, and the steps between two, along each axis."""

    grid: tuple[int, ...]
    first: tuple[float, ...] = (0, 0, 0)
    step: tuple[float, ...] = (1, 1, 1)

    def pooled(self, pool):
        """In the middle of what each kernel reads, inside the map or not."""
        if pool is None:
            return self
        k, s = pool.kernel, pool.stride
        read = [[i - k[axis] // 2 for i in range(k[axis])] for axis in range(3)]  # by the first
        middle = [sum(taps) / len(taps) for taps in read]
        return Places(
            tuple((self.grid[a] + 2 * (k[a] // 2) - k[a]) // s[a] + 1 for a in range(3)),
            tuple(self.first[a] + self.step[a] * middle[a] for a in range(3)),
            tuple(self.step[a] * s[a] for a in range(3)),
        )

    def all(self):
        return [
            tuple(f + d * i for f, d, i in zip(self.first, self.step, at, strict=True))
            for at in itertools.product(*map(range, self.grid))
        ]


def mvit_by_hand(model, clips, measure):
    """{layer: distances of its heads}, over all clips."""
    found = {}
    for clip in clips:
        x, grid = model._embed(clip[None])
        along = steps(grid, measure)
        places = Places(grid)
        for number, block in enumerate(model.blocks):
            attn, normed = block.attn, block.norm1(x)[0]
            qkv = attn.qkv(normed).unflatten(1, (3, attn.num_heads, -1))
            for head in range(attn.num_heads):
                q, _ = pool_by_hand(qkv[:, 0, head], grid, attn.q, weight_of(attn.pool_q))
                k, _ = pool_by_hand(qkv[:, 1, head], grid, attn.kv, weight_of(attn.pool_k))
                q = q if attn.norm_q is None else attn.norm_q(q)
                k = k if attn.norm_k is None else attn.norm_k(k)
                q_places = [None, *places.pooled(attn.q).all()]
                k_places = [None, *places.pooled(attn.kv).all()]
                one = mean_distance(q, k, q_places, k_places, along)
                found.setdefault(f"blocks.{number}", {}).setdefault(head, []).append(one)
            places = places.pooled(attn.q)
            x, grid = block(x, grid)
    return summed(found)


def weight_of(conv):
    return None if conv is None else conv.weight


def summed(found):
    return {
        name: [sum(t for t, _ in parts) / sum(n for _, n in parts) for parts in heads.values()]
        for name, heads in found.items()
    }


def require_equal(found, expected):
    assert list(found) == list(expected)
    for name, heads in expected.items():
        assert found[name].tolist() == pytest.approx(heads, rel=1e-9), name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pooling": "max", "image_size": 28},  # 7 x 7 tokens, then 4 x 4, then 2 x 2
        {"pooling": "max", "kv_stride": (1, 3, 3), "kv_adaptive": False},  # an even kernel
        {"kv_stride": (2, 3, 2), "kv_adaptive": False, "image_size": 26, "frames": 5},
        {"kv_stride": (1, 1, 1), "positions": "joint"},
        {"depths": (2,), "kv_stride": (1, 1, 1), "num_heads": 4},  # ViT
        {"frames": 1, "patch_kernel": (1, 7, 7), "patch_stride": (1, 4, 4)},  # images
        {"q_pool_blocks": (0, 2), "q_stride": (2, 2, 2), "kv_pool_last_stage": True},
    ],
    ids=["conv", "max", "max_odd", "odd", "unpooled", "vit", "images", "early_q"],
)
def test_mvit_is_measured_as_defined(options):
    model = small(**({"depths": (1, 1, 1)} | options))
    clips = clip_for(model)
    with torch.no_grad():
        expected = mvit_by_hand(model, clips, "grid")
    require_equal(attention_distance(model, clips), expected)


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_are_as_defined(measure):
    model = small(depths=(1, 1))
    clips = clip_for(model)
    with torch.no_grad():
        expected = mvit_by_hand(model, clips, measure)
    require_equal(attention_distance(model, clips, measure), expected)
    require_equal(attention_distances(model, clips)[measure], expected)


def test_what_goes_to_the_class_token_goes_nowhere():
    """Equal weights for all 1 + 18 keys: 18/19 of the mean distance between two places."""
    model = small(depths=(1,), kv_stride=(1, 1, 1), image_size=12)
    with torch.no_grad():
        model.blocks[0].attn.qkv.weight.zero_()
    places = list(itertools.product(range(2), range(3), range(3)))
    pairs = [math.dist(a, b) / 3 for a in places for b in places]
    found = attention_distance(model, clip_for(model))["blocks.0"]
    assert found.tolist() == pytest.approx([18 / 19 * sum(pairs) / len(pairs)] * 2)


def test_attention_to_the_farthest_token_alone_is_at_distance_one():
    q = torch.zeros(1, 1, 2, 1, dtype=torch.float64)
    k = torch.zeros(1, 1, 2, 1, dtype=torch.float64)
    places = torch.tensor([[0.0, 0, 0], [3, 4, 0]])
    far = torch.tensor([[[False, True], [True, False]]])
    attention = module.Attention(q, k, places, places, allowed=far)
    sums, queries = module.weighted_distances(attention, torch.full((1, 3), 1 / 5))
    assert sums.tolist() == [[pytest.approx(2.0)]]
    assert queries == 2


# Swin


def window_distances(attn, x, window_size, shift_size, step, along):
    """Equation 2's weights on (T', H', W', C), window by window: a pair for each head."""
    grid = tuple(x.shape[:3])
    window, shift = clip_window(grid, window_size, shift_size)
    padded = tuple(math.ceil(g / w) * w for g, w in zip(grid, window, strict=True))
    full = x.new_zeros(*padded, x.shape[-1])
    full[: grid[0], : grid[1], : grid[2]] = x
    q, k, _ = attn.qkv(full).view(*padded, 3, attn.num_heads, -1).unbind(3)
    table = attn.relative_position_bias_table.view(*(2 * s - 1 for s in window_size), -1)

    def place(token):
        inside = all(i < n for i, n in zip(token, grid, strict=True))
        return (token[0], step * token[1], step * token[2]) if inside else None

    def bias(query, key):
        offset = (a - b + s - 1 for a, b, s in zip(query, key, window_size, strict=True))
        return table[tuple(offset)]

    totals = [(0.0, 0)] * attn.num_heads
    for members in windows_of(padded, window, shift):
        places = [place(token) for token in members]
        biases = torch.stack([torch.stack([bias(i, j) for j in members]) for i in members])
        queries, keys = (torch.stack([y[token] for token in members]) for y in (q, k))
        for head in range(attn.num_heads):
            parts = queries[:, head], keys[:, head], places, places, along, biases[..., head]
            total, count = mean_distance(*parts)
            totals[head] = totals[head][0] + total, totals[head][1] + count
    return totals


def over_time(layer, x, along):
    """The split design's temporal attention: all frames at each position."""
    frames, heads = x.shape[1], layer.attn.num_heads
    normed = layer.norm1(x) + frame_encoding(frames, x.shape[-1]).to(x)[:, None, None]
    q, k, _ = layer.attn.qkv(normed)[0].flatten(1, 2).unflatten(2, (3, heads, -1)).unbind(2)
    places = [(t, 0, 0) for t in range(frames)]
    totals = []
    for head in range(heads):
        parts = [
            mean_distance(q[:, at, head], k[:, at, head], places, places, along)
            for at in range(q.shape[1])
        ]
        totals.append((sum(t for t, _ in parts), sum(n for _, n in parts)))
    return totals


def swin_by_hand(model, clips):
    """{layer: distances of its heads}, over all clips."""
    found, config = {}, model.config

    def note(name, totals):
        for head, one in enumerate(totals):
            found.setdefault(name, {}).setdefault(head, []).append(one)

    for clip in clips:
        x = model.patch_embed(clip[None])
        along = steps(x.shape[1:4], "grid")
        for number, stage in enumerate(model.layers):
            grid = tuple(x.shape[1:4])
            for place, block in enumerate(stage.blocks):
                name = f"layers.{number}.blocks.{place}"
                axes = "3d" if place % 2 else "none"
                window = config.spatial_window
                shift = half_window(window, axes)
                normed = block.norm1(x)
                note(name, window_distances(block.attn, normed[0], window, shift, 2**number, along))
                if block.temporal is not None:
                    layout = block.attn.layout(x.flatten(1, 3), grid, shift)
                    attended = block.attn(to_windows(normed.flatten(1, 3), layout), layout)
                    seen = block.temporal.norm(x + from_windows(attended, layout).view_as(x))
                    window = config.temporal_window
                    shift = half_window(window, axes)
                    totals = window_distances(
                        block.temporal.attn, seen[0], window, shift, 2**number, along
                    )
                    note(f"{name}.temporal", totals)
                x = block(x.flatten(1, 3), grid).view_as(x)
            x = x if stage.downsample is None else stage.downsample(x)
        for number, layer in enumerate(model.temporal_layers):
            note(f"temporal_layers.{number}", over_time(layer, x, along))
            x = layer(x)
    return summed(found)


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("size", [(8, 24, 24), (6, 20, 28)], ids=["whole", "padded"])
def test_swin_is_measured_as_defined(design, size, variant):
    """On shifted and regular windows, with masks and without, whole and padded ones."""
    model = tiny(**DESIGNS[design]).double()
    clips = torch.randn(1, 3, *size, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = swin_by_hand(model, clips)
    require_equal(attention_distance(model, clips), expected)


# Any model


@pytest.mark.parametrize(
    "make", [lambda: small(drop_path=0.5), lambda: tiny(window_size=(2, 3, 3))]
)
def test_some_scores_at_a_time_change_nothing(make, monkeypatch):
    model = make().double()
    clips = torch.randn(2, 3, 4, 20, 20, dtype=torch.double)
    whole = attention_distances(model, clips)
    for chunk in (1, 100, 1000):
        monkeypatch.setattr(module, "CHUNK", chunk)
        for measure, layers in attention_distances(model, clips).items():
            for name, heads in layers.items():
                torch.testing.assert_close(heads, whole[measure][name], rtol=1e-12, atol=0)


def test_a_model_is_left_as_it_was_and_measured_as_it_is_tested():
    model = small(drop_path=0.5, head_dropout=0.5).train()
    model.norm.eval()
    clips = clip_for(model)
    modes = [each.training for each in model.modules()]
    found = attention_distance(model, clips)
    assert [each.training for each in model.modules()] == modes
    assert not any(each._forward_pre_hooks for each in model.modules())
    require_equal(
        attention_distance(model.eval(), clips), {k: v.tolist() for k, v in found.items()}
    )


def test_single_precision_is_enough():
    model = small(image_size=44)
    clips = clip_for(model)
    exact = attention_distance(model, clips)
    for name, heads in attention_distance(model.float(), clips.float()).items():
        assert heads.dtype == torch.float64
        torch.testing.assert_close(heads, exact[name], rtol=1e-5, atol=0)


def test_clips_count_alike():
    model = small()
    clips = clip_for(model)
    both = attention_distance(model, clips)["blocks.1"]
    each = [attention_distance(model, clip[None])["blocks.1"] for clip in clips]
    torch.testing.assert_close(both, sum(each) / 2)


def test_what_cannot_be_measured_is_refused(monkeypatch):
    model = small()
    clips = clip_for(model)
    with pytest.raises(ModelError, match="measure='miles' is not possible; wanted one of"):
        attention_distance(model, clips, "miles")
    with pytest.raises(ModelError, match=r"clips are \(3, 4, 20, 20\), wanted at least one"):
        attention_distance(model, clips[0])
    with pytest.raises(ModelError, match=r"wanted \(B, 3, 4, 20, 20\)"):
        attention_distance(model, clips[..., :16])
    none = dataclasses.replace(family("mvit"), attention=None)
    monkeypatch.setattr(module, "family_of", lambda model: none)
    with pytest.raises(ModelError, match="family mvit has no attention"):
        attention_distance(model, clips)


def test_it_is_public():
    assert vswin.attention_distance is attention_distance
