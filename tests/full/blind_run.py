"""What every blind run shares: small data sets, a training loop that measures in float64, and the list of cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

torch.set_num_threads(1)
CASES: list[tuple[str, dict[str, Any], Callable[[], dict[str, Any]]]] = []


def case(mechanism: str, also: Sequence[str] = (), layers: Sequence[str] = ()) -> Callable[[Any], Any]:
    """Put a function that trains and logs one run on the list, with the truth it was built for."""

    def put(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        truth = {"mechanism": mechanism, "also": list(also), "layers": list(layers)}
        CASES.append((f"{mechanism}_{make.__name__}", truth, make))
        return make

    return put


def expect(holds: bool, why: object = "") -> None:
    """The truth of a run, measured directly; a run whose truth does not hold is not stored."""
    if not holds:
        raise AssertionError(f"the planted truth does not hold: {why}")


@dataclass(frozen=True)
class Row:
    """One logged step: the loss, the norm of the whole gradient before clipping, the norm of each parameter's."""

    step: int
    loss: float
    norm: float
    lr: float
    grads: dict[str, float]


def grads(model: nn.Module, weights_only: bool = True) -> dict[str, float]:
    """The norm of each parameter's gradient, in float64."""
    return {
        n: p.grad.double().norm().item()
        for n, p in model.named_parameters()
        if p.grad is not None and (p.dim() > 1 or not weights_only)
    }


def total(model: nn.Module) -> float:
    """The norm of the whole gradient, in float64."""
    return math.sqrt(sum(p.grad.double().pow(2).sum().item() for p in model.parameters() if p.grad is not None))


def fit(
    model: nn.Module,
    loss: Callable[[int], Tensor],
    opt: torch.optim.Optimizer,
    steps: int,
    clip: float = 0.0,
    lr: Callable[[int], float] | None = None,
) -> list[Row]:
    """Train, and keep every step."""
    rows = list[Row]()
    for step in range(steps):
        if lr is not None:
            opt.param_groups[0]["lr"] = lr(step)
        opt.zero_grad()
        value = loss(step)
        value.backward()
        rows.append(Row(step, value.item(), total(model), opt.param_groups[0]["lr"], grads(model)))
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        opt.step()
    return rows


def outputs(model: nn.Module, x: Tensor, kinds: tuple[type[nn.Module], ...]) -> dict[str, Tensor]:
    """What every module of these kinds put out, in the order it ran."""
    seen = dict[str, Tensor]()
    hooks = [
        m.register_forward_hook(lambda _m, _i, out, n=n: seen.__setitem__(n, out))
        for n, m in model.named_modules()
        if isinstance(m, kinds)
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    return seen


def likeness(h: Tensor) -> float:
    """Mean cosine between what different inputs became (rows), in float64."""
    unit = functional.normalize(h.detach().double().flatten(1), dim=1)
    n = len(unit)
    return ((unit @ unit.T).sum().item() - n) / (n * (n - 1))


def rate(values: Iterable[float]) -> float:
    """Geometric mean factor from one value to the next."""
    v = [x for x in values if x > 0]
    return (v[-1] / v[0]) ** (1 / (len(v) - 1))


def stack(sizes: Sequence[int], act: Callable[[], nn.Module], bias: bool = True) -> nn.Sequential:
    """Linear layers with an activation between them."""
    parts: list[nn.Module] = []
    for k, (a, b) in enumerate(pairwise(sizes)):
        parts += [nn.Linear(a, b, bias=bias)] + ([act()] if k < len(sizes) - 2 else [])
    return nn.Sequential(*parts)


def weights(model: nn.Module, draw: Callable[[Tensor], Any], bias: float | None = 0.0) -> nn.Module:
    """Draw every matrix anew; biases to a constant, or left alone."""
    for p in model.parameters():
        if p.dim() > 1:
            draw(p.data)
        elif bias is not None:
            p.data.fill_(bias)
    return model


class Block(nn.Module):
    """x + body(x), with an optional norm before or behind."""

    def __init__(self, body: nn.Module, pre: nn.Module | None = None, post: nn.Module | None = None) -> None:
        super().__init__()
        self.pre, self.body, self.post = pre or nn.Identity(), body, post or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.post(x + self.body(self.pre(x)))


class Attention(nn.Module):
    """Plain self-attention in one module; `scale` multiplies the scores."""

    def __init__(self, width: int, scale: float | None = None) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = width**-0.5 if scale is None else scale

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        self.scores = (q @ k.transpose(-1, -2)) * self.scale
        return self.proj(self.scores.softmax(-1) @ v)


def clusters(n: int, width: int, classes: int, seed: int = 0, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Gaussian clusters: a classification that can be learned."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=g)
    y = torch.randint(classes, (n,), generator=g)
    return centres[y] + spread * torch.randn(n, width, generator=g), y


def images(n: int, channels: int, size: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noisy pictures of one pattern per class."""
    x, y = clusters(n, channels * size * size, classes, seed)
    return x.view(n, channels, size, size), y


def sequences(n: int, length: int, vocabulary: int, seed: int = 0) -> Tensor:
    """Token sequences that count upwards with a step of their own: the next token is predictable."""
    g = torch.Generator().manual_seed(seed)
    start, step = torch.randint(vocabulary, (n, 1), generator=g), torch.randint(1, 4, (n, 1), generator=g)
    return (start + step * torch.arange(length)) % vocabulary


def cosine(n: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A smooth regression with targets of unit scale."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, width, generator=g)
    y = torch.cos(x @ torch.randn(width, 1, generator=g) / width**0.5 * 1.5)
    return x, (y - y.mean()) / y.std()


def classify(
    seed: int, sizes: list[int], act: Any, steps: int, lr: float, spread: float = 1.5, **more: Any
) -> tuple[nn.Sequential, list[Row]]:
    """A classifier of clusters that must learn: the loss falls below `to` times where it began."""
    torch.manual_seed(seed)
    net = stack(sizes, act)
    x, y = clusters(4000, sizes[0], sizes[-1], spread=spread)

    def loss(step: int) -> Tensor:
        part = torch.randint(4000, (64,), generator=torch.Generator().manual_seed(step))
        return functional.cross_entropy(net(x[part]), y[part], label_smoothing=more.get("smooth", 0.0)) * more.get(
            "weight", 1.0
        )

    rows = fit(
        net, loss, torch.optim.Adam(net.parameters(), lr), steps, clip=more.get("clip", 0.0), lr=more.get("schedule")
    )
    expect(sum(r.loss for r in rows[-20:]) / 20 < more.get("to", 0.7) * rows[0].loss, (rows[0].loss, rows[-1].loss))
    return net, rows
