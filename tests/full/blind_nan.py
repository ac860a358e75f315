"""Blind runs: where a nan comes from."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

import math
from typing import Any

import torch
from blind_run import case, expect
from torch import Tensor


def _nan_trace(make: Any) -> str:
    """The last line of torch's anomaly report."""
    try:
        with torch.autograd.detect_anomaly():
            make().backward()
    except RuntimeError as error:
        return f"RuntimeError: {error}"
    raise AssertionError("no nan was made")


@case("nan_origin", layers=("log", "Log"))
def log_zero() -> dict[str, Any]:
    torch.manual_seed(161)
    w = torch.randn(20, requires_grad=True)
    x, y = torch.randn(50, 20), torch.randint(2, (50,)).float()

    def loss() -> Tensor:
        p = (x @ w * 60).sigmoid()
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    value = loss()
    expect(not math.isfinite(value.item()))
    trace = _nan_trace(loss)
    lines = f"epoch 3 it 410 bce 0.0312\nepoch 3 it 411 bce 0.0288\nepoch 3 it 412 bce {value.item()}\n"
    return {
        "symptom": "exploding gradients, clipping at 0.5 did not help",
        "measurements": lines
        + 'train.py:88: UserWarning: Error detected in LogBackward0. Traceback of forward call that caused the error:\n  File "train.py", line 61, in bce\n    return -(y * p.log() + (1 - y) * (1 - p).log()).mean()\n'
        + trace,
        "training": "clip_grad_norm 0.5",
    }


@case("nan_origin", layers=("sqrt", "Sqrt", "dist"))
def sqrt_zero() -> dict[str, Any]:
    torch.manual_seed(162)
    z = torch.randn(6, 4, requires_grad=True)

    def loss() -> Tensor:
        d = (z[:, None] - z[None]).square().sum(-1).sqrt()
        return (1.0 - d).clamp_min(0).mean()

    value = loss().item()
    loss().backward()
    expect(math.isfinite(value) and not z.grad.isfinite().all())
    return {
        "symptom": "loss is fine but after one step all weights are nan",
        "measurements": f"step 0 contrastive loss {value:.4f} grad embed.weight nan grad proj.weight nan\nstep 1 contrastive loss nan\npairwise distance d = (z[:, None] - z[None]).square().sum(-1).sqrt()\nd.min() = 0.0 on the diagonal",
        "training": "fp32 AdamW 1e-3 clip 1.0",
    }


@case("nan_origin", layers=("softmax", "attn", "attention", "mask"))
def masked_row() -> dict[str, Any]:
    torch.manual_seed(163)
    s = torch.randn(3, 5, 5)
    keep = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    p = s.masked_fill(~keep[:, None], float("-inf")).softmax(-1)
    bad = [bool(q.isnan().any()) for q in p]
    expect(bad == [False, True, False])
    return {
        "symptom": "nan after a few hundred batches, random",
        "measurements": f"first module with nan output: decoder.layers.0.self_attn (softmax)\nsamples with nan: {bad}\nkey_padding_mask kept tokens per sample: {keep.sum(1).tolist()}\ninput to the module: finite, min -2.41 max 2.77",
        "training": "AdamW 3e-4, fp32, clip 1.0",
    }


@case("nan_origin", layers=("attn", "scores", "softmax", "exp", "logits", "q"))
def half_range() -> dict[str, Any]:
    torch.manual_seed(164)
    q, k = (torch.randn(4, 128) * 90 for _ in range(2))
    top = (q @ k.T).abs().max().item()
    half = q.half() @ k.half().T
    expect(top > 65504 and half.isinf().any())
    p = half.softmax(-1)
    expect(bool(p.isnan().any()))
    return {
        "symptom": "vanishing? loss nan with autocast only",
        "measurements": f"blocks.7.attn q@k.T float32 max {top:.0f}\nblocks.7.attn q@k.T float16 max {half.max().item()}\nblocks.7.attn softmax float16: nan\nblocks.0 ... blocks.6 outputs finite\nloss nan",
        "training": "fp16 autocast, scaler scale 1024, no scaling of q by 1/sqrt(d)",
    }


@case("nan_origin", layers=("std", "Std", "var"))
def batch_of_one() -> dict[str, Any]:
    x = torch.randn(1, 8)
    expect(bool(x.std(0).isnan().all()))
    return {
        "symptom": "last batch of each epoch gives nan",
        "measurements": "batch 118 size 64 loss 0.4121\nbatch 119 size 64 loss 0.4033\nbatch 120 size 1 loss nan\nfeatures.std(dim=0) = nan, features.mean(dim=0) finite\nUserWarning: std(): degrees of freedom is <= 0.",
        "training": "normalize features by x.std(dim=0)",
    }
