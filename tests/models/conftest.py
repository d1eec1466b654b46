"""The kernel variants of a block, to run a test on each."""

import pytest
import torch

from vswin.models.cpu import chunked
from vswin.models.swin import attention
from vswin.models.swin.cpu import attention as attention_cpu
from vswin.models.swin.cpu import inference as inference_cpu


def _refused(*args):
    raise AssertionError("this variant is not the one under test")


@pytest.fixture(params=["masked", "fused", "chunked"])
def variant(request, monkeypatch):
    """Forces one variant of attention and FFN, whatever the sizes; the others are refused."""
    if request.param == "masked":
        monkeypatch.setattr(attention, "SMALL_WINDOW", 10**9)
        monkeypatch.setattr(attention, "SMALL_BYTES", 10**12)
        monkeypatch.setattr(chunked, "CACHE_BYTES", 10**12)
        for module in (attention, attention_cpu):
            monkeypatch.setattr(module, "attention", _refused)
        return request.param
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(attention, "masked_attention", _refused)
    if request.param == "fused":  # as on a GPU, or under torch.compile
        monkeypatch.setattr(chunked, "possible", lambda *args: False)
        return request.param
    monkeypatch.setattr(chunked, "CHUNK", 3)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
    monkeypatch.setattr(attention_cpu, "CACHE_BYTES", 1)  # one window after the other
    monkeypatch.setattr(inference_cpu, "WINDOW_CHUNK", 1)
    fused = attention.attention

    def without_gradient_of_the_bias(*args):
        _, bias, _ = args
        assert not (torch.is_grad_enabled() and bias.requires_grad)
        return fused(*args)

    monkeypatch.setattr(attention, "attention", without_gradient_of_the_bias)
    return request.param
