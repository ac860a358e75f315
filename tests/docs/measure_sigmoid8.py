"""Write examples/sigmoid8_gradients.csv: weight gradient norms of that network at PyTorch's default."""

from __future__ import annotations

from pathlib import Path

import numpy as np

OUT = Path(__file__).parents[2] / "examples" / "sigmoid8_gradients.csv"
DEPTH, WIDTH, CLASSES, BATCH, SEED = 8, 64, 10, 64, 0


def gradient_norms() -> list[float]:
    """Of the weight of each layer, first to last, for cross-entropy on random labels."""
    draw = np.random.default_rng(SEED)
    bound = WIDTH**-0.5
    sizes = [WIDTH] * DEPTH + [CLASSES]
    layers = [(draw.uniform(-bound, bound, (n, WIDTH)), draw.uniform(-bound, bound, n)) for n in sizes]
    inputs = [draw.standard_normal((BATCH, WIDTH))]
    for weight, bias in layers[:-1]:
        inputs.append(1 / (1 + np.exp(-(inputs[-1] @ weight.T + bias))))
    logits = inputs[-1] @ layers[-1][0].T + layers[-1][1]
    softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    grad = (softmax - np.eye(CLASSES)[draw.integers(CLASSES, size=BATCH)]) / BATCH
    norms = list[float]()
    for (weight, _), x in zip(reversed(layers), reversed(inputs), strict=True):
        norms.append(float(np.linalg.norm(grad.T @ x)))
        grad = (grad @ weight) * x * (1 - x)
    return norms[::-1]


if __name__ == "__main__":
    rows = [f"fc{at}.weight,{norm:.3g}" for at, norm in enumerate(gradient_norms(), 1)]
    OUT.write_text("\n".join(["layer,grad_norm", *rows]) + "\n", encoding="utf-8")
