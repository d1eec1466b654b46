"""Attention in windows to compute twice: by a fused kernel, and plainly in fp64."""

import math

import torch

from vswin.models.swin import attention as plain
from vswin.models.swin.windows import window_layout


def inputs(grid, window, shift, batch, heads, dtype, width=16, device="cpu"):
    """Windows, their queries, keys and values, a bias table, and a gradient of what comes out."""
    device = torch.device(device)
    layout = window_layout(grid, window, shift, device, batch=batch)
    tokens, rows = len(layout.index), math.prod(2 * n - 1 for n in window)
    torch.manual_seed(0)
    qkv = torch.randn(tokens, 3 * heads * width, device=device).to(dtype).requires_grad_()
    table = torch.randn(rows, heads, device=device, requires_grad=True)
    return layout, qkv, table, torch.randn(tokens, heads * width, device=device).to(dtype)


def differentiate(out, qkv, table, grad):
    """What attention gives, and gradients of queries, keys, values and table."""
    gradients = torch.autograd.grad(out, (qkv, table), grad)
    q, k, v = gradients[0].chunk(3, dim=1)
    return {"out": out.detach(), "q": q, "k": k, "v": v, "table": gradients[1]}


def expected(layout, qkv, table, grad):
    """The same of the present path, in fp64."""
    qkv, table = (x.detach().double().requires_grad_() for x in (qkv, table))
    rows = table.t().index_select(1, layout.bias_rows)
    return differentiate(plain.attention(qkv, rows, layout), qkv, table, grad.double())


def errors(found, wanted):
    """Relative, in norm; not a number where nothing was written."""
    return {
        name: ((found[name] - value).norm() / value.norm()).item() for name, value in wanted.items()
    }


def norm_inputs(tokens, channels, dtype, device="cpu"):
    """Tokens, factors, summands, and gradients of what comes out."""
    torch.manual_seed(0)
    x = (3 + 2 * torch.randn(tokens, channels, device=device)).to(dtype).requires_grad_()
    weights = torch.randn(2, channels, device=device).unbind()
    return x, *(weight.requires_grad_() for weight in weights)


def norm_results(x, weight, bias, index, grad, normalise):
    """LN and its gradients."""
    out = normalise(x, weight, bias, index)
    gradients = torch.autograd.grad(out, (x, weight, bias), grad)
    return dict(zip(("out", "x", "weight", "bias"), (out.detach(), *gradients), strict=True))


def plain_norm(x, weight, bias, index):
    """By torch; index `len(x)` is zeros."""
    normed = torch.nn.functional.layer_norm(x, weight.shape, weight, bias, 1e-5)
    if index is None:
        return normed
    return torch.cat((normed, normed.new_zeros(1, len(weight)))).index_select(0, index)


def expected_norm(x, weight, bias, index, grad):
    """The same in fp64."""
    doubles = (value.detach().double().requires_grad_() for value in (x, weight, bias))
    return norm_results(*doubles, index, grad.double(), plain_norm)
