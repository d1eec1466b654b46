"""What a mode of torch's leaves behind in a model: nothing. And a model works in every mode."""

import copy
import itertools
import pickle
import warnings

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from tests.models.tiny import DESIGNS, step, tiny
from vswin.models.cpu import chunked
from vswin.models.swin import attention

SIDES = itertools.count(12, 2)


def new_clip(batch=1):
    """A clip of a size that no test has met, so that nothing is remembered of it."""
    side = next(SIDES)
    torch.manual_seed(side)
    return torch.randn(1, 3, 8, side, 20).expand(batch, -1, -1, -1, -1).clone()


def fake(model, clip):
    mode = FakeTensorMode()
    weights = {name: mode.from_tensor(p) for name, p in model.named_parameters()}
    with mode:
        out = torch.func.functional_call(model, weights, (mode.from_tensor(clip),))
    assert type(out).__name__ == "FakeTensor"


def beside_real_weights(model, clip):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert type(model(mode.from_tensor(clip))).__name__ == "FakeTensor"


def exported(model, clip, **options):
    torch.export.export(model, (clip,), **options)


def inferred(model, clip):
    with torch.inference_mode():
        model(clip)


def on_meta(model, clip):
    with torch.device("meta"):
        model(clip)
    copy.deepcopy(model).to("meta")(clip.to("meta"))


def autocast(model, clip):
    with torch.autocast("cpu", torch.bfloat16):
        model(clip)


def with_default_dtype(model, clip):
    torch.set_default_dtype(torch.float64)
    try:
        model(clip)
        copy.deepcopy(model).double()(clip.double())
    finally:
        torch.set_default_dtype(torch.float32)


def in_half_precision(model, clip):
    copy.deepcopy(model).bfloat16()(clip.bfloat16())


def mapped(model, clip):
    torch.func.vmap(model)(clip[None])


def differentiated(model, clip):
    torch.func.grad(lambda x: model(x).sum())(clip)


def traced(model, clip):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, clip, check_trace=False)


MODES = {
    "fake": fake,
    "fake beside real weights": beside_real_weights,
    "exported": exported,
    "exported strictly": lambda model, clip: exported(model, clip, strict=True),
    "exported for any batch": lambda model, clip: exported(
        model, clip, dynamic_shapes={"clip": {0: torch.export.Dim("batch")}}
    ),
    "inferred": inferred,
    "on meta": on_meta,
    "autocast": autocast,
    "default dtype": with_default_dtype,
    "half precision": in_half_precision,
    "vmap": mapped,
    "grad": differentiated,
    "jit": traced,
    "make_fx": lambda model, clip: make_fx(model)(clip),
    "make_fx, fake": lambda model, clip: make_fx(
        model, tracing_mode="fake", _allow_non_fake_inputs=True
    )(clip),
    "pickled": lambda model, clip: pickle.loads(pickle.dumps(model))(clip),
}


@pytest.fixture(params=["masked", "chunked"])
def sizes(request, monkeypatch):
    """Whether inputs count as small ones or as large ones."""
    if request.param == "chunked":
        monkeypatch.setattr(attention, "SMALL_BYTES", -1)
        monkeypatch.setattr(chunked, "CACHE_BYTES", -1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [True, False], ids=["first under it", "first without"])
def test_what_a_mode_leaves_behind(sizes, mode, first):
    """Logits and gradients afterwards are those of a model that was in no mode."""
    model, clip = tiny(**DESIGNS["joint"]), new_clip(2)
    # Twice the batch: nothing is remembered that a call with this one could use.
    expected, gradients = step(copy.deepcopy(model), torch.cat([clip, clip]))
    if not first:
        model(clip)
    MODES[mode](model, clip)
    found, others = step(model, clip)
    assert type(found) is torch.Tensor
    torch.testing.assert_close(found, expected[:2], rtol=1e-4, atol=1e-4)
    assert gradients.keys() == others.keys()
    assert all(gradient.isfinite().all() for gradient in others.values())
    with torch.inference_mode():
        torch.testing.assert_close(model(clip), expected[:2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
@pytest.mark.parametrize("grad", [True, False])
def test_vmap_is_a_loop(sizes, options, grad):
    model, clips = tiny(**options), torch.randn(3, 1, 3, 9, 20, 27)
    with torch.set_grad_enabled(grad):
        expected = torch.stack([model(clip) for clip in clips])
        found = torch.func.vmap(model)(clips)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_each_clip(sizes):
    """As in differentially private training: vmap over grad over functional_call."""
    model, clips = tiny(**DESIGNS["joint"]), torch.randn(2, 3, 8, 20, 28)
    weights = {name: p.detach() for name, p in model.named_parameters()}
    turn = torch.linspace(-1, 2, 5)

    def loss(weights, clip):
        return (torch.func.functional_call(model, weights, (clip[None],)) * turn).sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, clips)
    for number, clip in enumerate(clips):
        model.zero_grad()
        (model(clip[None]) * turn).sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(
                found[name][number], parameter.grad, rtol=1e-3, atol=1e-4, msg=name
            )


def test_directional_derivatives(sizes):
    model, clip = tiny(**DESIGNS["joint"]).double(), torch.randn(1, 3, 8, 20, 28).double()
    direction = torch.randn_like(clip)
    _, found = torch.func.jvp(model, (clip,), (direction,))
    model.requires_grad_(False)
    ahead, behind = (model(clip + sign * 1e-6 * direction) for sign in (1, -1))
    torch.testing.assert_close(found, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("what", ["threads", "dtype", "random state", "warnings", "matmul"])
def test_a_call_leaves_what_is_set_for_all(what, sizes):
    read = {
        "threads": torch.get_num_threads,
        "dtype": torch.get_default_dtype,
        "random state": lambda: torch.get_rng_state().sum().item(),
        "warnings": lambda: list(warnings.filters),
        "matmul": torch.get_float32_matmul_precision,
    }[what]
    model, clip = tiny(**DESIGNS["joint"]), new_clip()
    before = read()
    step(model, clip)
    with torch.no_grad():
        model.eval()(clip)
    assert read() == before
