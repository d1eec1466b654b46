"""Rule `fvcore` against fvcore's own counter, which walks a traced graph."""

import logging
import warnings

import pytest
import torch
from fvcore.nn import FlopCountAnalysis

import vswin

NAMES = {"linear": "linear", "layer_norm": "layer_norm"}
"""Operators that both count, by fvcore's name and ours."""


def by_fvcore(model, clip):
    logging.getLogger("fvcore").setLevel(logging.ERROR)  # it warns of what it does not count
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit.trace, which it is built on, is deprecated
        analysis = FlopCountAnalysis(model.eval(), (clip,)).uncalled_modules_warnings(False)
        return analysis.by_operator()


@pytest.mark.parametrize("frames", [8, 16])
def test_fvcore_counts_the_same_but_for_fused_attention(frames):
    """It has no count of fused attention; what it counts is equal to the last digit."""
    with torch.device("meta"):
        model = vswin.build_model("swin_t", depths=(1, 1), num_heads=(3, 6), window_size=(4, 7, 7))
    size = (3, frames, 56, 56)
    ours = vswin.cost(model, size, rule="fvcore").by_operator
    theirs = by_fvcore(model, torch.empty(1, *size, device="meta"))
    assert {n: theirs[n] for n in NAMES} == {n: ours[o] for n, o in NAMES.items()}
    assert set(theirs) - {n for n in theirs if not theirs[n]} == set(NAMES)
