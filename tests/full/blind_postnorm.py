"""Blind runs: post-norm transformers without warm-up."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import every, fairseq, jsonl, loop, nanogpt, trainer
from blind_run import Row, case, expect, fit, sequences
from torch import Tensor, nn
from torch.nn import functional


def _post_norm(
    seed: int, depth: int, lr: float, warm: int, steps: int = 200, vocabulary: int = 16
) -> tuple[nn.Module, list[Row]]:
    torch.manual_seed(seed)
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=False)
    net = nn.ModuleDict(
        {
            "emb": nn.Embedding(vocabulary, 32),
            "pos": nn.Embedding(12, 32),
            "encoder": nn.TransformerEncoder(layer, depth, enable_nested_tensor=False),
            "head": nn.Linear(32, vocabulary),
        }
    )
    for p in net["encoder"].parameters():
        if p.dim() > 1:
            nn.init.xavier_uniform_(p)
    mask = nn.Transformer.generate_square_subsequent_mask(11)

    def loss(step: int) -> Tensor:
        ids = sequences(32, 12, vocabulary, step)
        h = net["emb"](ids[:, :-1]) + net["pos"](torch.arange(11))
        return functional.cross_entropy(
            net["head"](net["encoder"](h, mask=mask, is_causal=True)).flatten(0, 1), ids[:, 1:].flatten()
        )

    rows = fit(
        net,
        loss,
        torch.optim.Adam(net.parameters(), lr),
        steps,
        lr=lambda s: lr * min(1, (s + 1) / warm) if warm else lr,
    )
    return net, rows


def _post_norm_truth(seed: int, depth: int, lr: float) -> tuple[nn.Module, list[Row]]:
    """Without warm-up it stays near chance; with warm-up the same network learns."""
    net, rows = _post_norm(seed, depth, lr, 0)
    _, warm = _post_norm(seed, depth, lr, 100)
    late, better = (sum(r.loss for r in k[-10:]) / 10 for k in (rows, warm))
    expect(late > 2.2 and better < 0.75 * late, (late, better))
    return net, rows


@case("post_norm_warmup")
def fairseq_lines() -> dict[str, Any]:
    _, rows = _post_norm_truth(1, 12, 5e-3)
    return {
        "symptom": "transformer does not train, vanishing gradients in the encoder?",
        "measurements": fairseq(every(rows, 20)),
        "architecture": "repeat 12 { residual { attention 32 heads 4 }; layernorm 32; residual { linear 32 64; relu; linear 64 32 }; layernorm 32 }",
        "training": "adam lr 5e-3, fixed lr, no warmup, vocabulary 16",
    }


@case("post_norm_warmup")
def printed_layer() -> dict[str, Any]:
    net, rows = _post_norm_truth(2, 14, 4e-3)
    g = {n: v for n, v in rows[0].grads.items() if "linear2" in n}
    expect(max(g.values()) / min(g.values()) > 1.2)
    return {
        "symptom": "loss plateaus at once, data bug?",
        "measurements": nanogpt(every(rows, 20)) + "\nfirst step:\n" + loop(g, "{n} grad {v:.4f}"),
        "architecture": str(net["encoder"]),
        "training": "torch nn.TransformerEncoder, norm_first=False, Adam lr 4e-3 constant from step 0",
    }


@case("post_norm_warmup")
def hf_lines() -> dict[str, Any]:
    _, rows = _post_norm_truth(3, 18, 3e-3)
    return {
        "symptom": "BERT-like model stuck, exploding?",
        "measurements": trainer(every(rows, 20)),
        "training": "post-LN (original BERT order, LayerNorm after each residual add), 18 layers, lr_scheduler constant, warmup_steps=0, lr 3e-3, vocab 16",
    }


@case("post_norm_warmup")
def json_lines() -> dict[str, Any]:
    _, rows = _post_norm_truth(4, 13, 5e-3)
    code = "class Block(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.attn = nn.MultiheadAttention(32, 4, batch_first=True)\n        self.ff = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))\n        self.n1, self.n2 = nn.LayerNorm(32), nn.LayerNorm(32)\n    def forward(self, x):\n        x = self.n1(x + self.attn(x, x, x)[0])\n        return self.n2(x + self.ff(x))\n\nmodel = nn.Sequential(*[Block() for _ in range(13)])\n"
    return {
        "symptom": "attention model is stuck; is the width too small?",
        "measurements": jsonl(
            [{"step": r.step, "loss": r.loss, "lr": r.lr, "grad_norm": r.norm} for r in every(rows, 18)]
        ),
        "architecture": code,
        "training": "Adam 5e-3 without warm-up; 16 tokens",
    }
