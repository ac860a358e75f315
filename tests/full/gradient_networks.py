"""Small networks, data and a training loop for the runs of make_gradient_runs.py (torch)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

CE = nn.CrossEntropyLoss()


def mlp(
    depth: int, width: int, act: Any = nn.ReLU, inputs: int = 32, outputs: int = 10, bias: bool = True, std: float = 0
) -> nn.Sequential:
    """`depth` hidden layers, then a head; `std` 0 keeps torch's default, -1 is He's."""
    sizes = [inputs] + [width] * depth
    pieces = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b, bias=bias), act())]
    return started(nn.Sequential(*pieces, nn.Linear(width, outputs, bias=bias)), std)


def started(model: Any, std: float) -> Any:
    """Draw the weights again: std 0 leaves them, -1 is He's."""
    for m in model.modules():
        if isinstance(m, (nn.Linear, nn.Conv2d)) and std:
            fan_in = m.weight[0].numel()
            nn.init.normal_(m.weight, 0, math.sqrt(2 / fan_in) if std < 0 else std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return model


class Functional(nn.Module):
    """Layers with a functional activation: print(model) does not show it."""

    def __init__(self, depth: int, width: int, act: Any, inputs: int = 32, outputs: int = 10, std: float = 0) -> None:
        super().__init__()
        self.fc_in = nn.Linear(inputs, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth - 1)])
        self.out = nn.Linear(width, outputs)
        self.act = act
        started(self, std)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.fc_in(x))
        for layer in self.hidden:
            x = self.act(layer(x))
        return self.out(x)


class ConvNet(nn.Module):
    """A plain stack of convolutions."""

    def __init__(
        self, depth: int, width: int, norm: bool = False, std: float = 0, bias: bool = True, out: int = 10
    ) -> None:
        super().__init__()
        pieces: list[Any] = []
        for i in range(depth):
            pieces.append(nn.Conv2d(3 if i == 0 else width, width, 3, padding=1, bias=bias))
            pieces += [nn.BatchNorm2d(width)] if norm else []
            pieces.append(nn.ReLU())
        self.features = nn.Sequential(*pieces)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, out)
        started(self, std)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(x)).flatten(1))


class ResidualBlock(nn.Module):
    def __init__(self, width: int, norm: bool, zero: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.fc1 = nn.Linear(width, 2 * width)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(2 * width, width)
        started(self, -1)
        if zero:
            nn.init.zeros_(self.fc2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(self.act(self.fc1(self.norm(x))))


class ResidualMLP(nn.Module):
    def __init__(self, blocks: int, width: int, norm: bool, zero: bool = False, outputs: int = 10) -> None:
        super().__init__()
        self.stem = nn.Linear(32, width)
        self.blocks = nn.Sequential(*[ResidualBlock(width, norm, zero) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.stem(x))))


class BasicBlock(nn.Module):
    def __init__(self, width: int, zero: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if zero:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))


class SmallResNet(nn.Module):
    def __init__(self, blocks: int, width: int = 12, zero: bool = False, outputs: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(*[BasicBlock(width, zero) for _ in range(blocks)])
        self.fc = nn.Linear(width, outputs)
        started(self.conv1, -1)
        for block in self.layer1:
            started(block, -1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer1(torch.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


class Block(nn.Module):
    """A transformer block, pre- or post-norm, with a causal mask."""

    def __init__(self, width: int, pre: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, 4, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.pre = pre

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.triu(torch.full((x.shape[1], x.shape[1]), float("-inf"), dtype=x.dtype), 1)

        def attend(y: Tensor) -> Tensor:
            return self.attn(y, y, y, attn_mask=mask)[0]

        if self.pre:
            x = x + attend(self.ln_1(x))
            return x + self.mlp(self.ln_2(x))
        x = self.ln_1(x + attend(x))
        return self.ln_2(x + self.mlp(x))


class CharTransformer(nn.Module):
    def __init__(self, layers: int, width: int = 32, vocabulary: int = 27, pre: bool = True, length: int = 24) -> None:
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(length, width)
        self.h = nn.ModuleList([Block(width, pre) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.wte.weight, 0, 0.02)
        nn.init.normal_(self.wpe.weight, 0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x)).flatten(0, 1)


class LSTMClassifier(nn.Module):
    def __init__(self, width: int = 32, classes: int = 4, vocabulary: int = 40) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16)
        self.lstm = nn.LSTM(16, width, 2, batch_first=True)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(self.embedding(x))[0][:, -1])


def clusters(n: int = 512, inputs: int = 32, classes: int = 10, seed: int = 7) -> tuple[Tensor, Tensor]:
    """Gaussian clusters, inputs of unit variance."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, inputs, generator=g)
    y = torch.arange(n) % classes
    return (centres[y] + 0.6 * torch.randn(n, inputs, generator=g)) / 1.17, y


def images(n: int = 256, size: int = 12, classes: int = 10, seed: int = 8) -> tuple[Tensor, Tensor]:
    x, y = clusters(n, 3 * size * size, classes, seed)
    return x.reshape(n, 3, size, size), y


def characters(n: int = 128, length: int = 24, vocabulary: int = 27, seed: int = 9) -> tuple[Tensor, Tensor]:
    """A Markov chain whose next letter is one of three."""
    g = torch.Generator().manual_seed(seed)
    follow = torch.randint(0, vocabulary, (vocabulary, 3), generator=g)
    rows = [torch.randint(0, vocabulary, (n,), generator=g)]
    for _ in range(length):
        rows.append(follow[rows[-1], torch.randint(0, 3, (n,), generator=g)])
    text = torch.stack(rows, 1)
    return text[:, :-1], text[:, 1:]


def train(
    model: Any,
    x: Tensor,
    y: Tensor,
    steps: int,
    optimizer: Any,
    loss_fn: Callable[[Any, Any], Tensor] = CE,
    batch: int = 64,
    clip: float = 0,
    every: int = 1,
    before: Callable[[int], None] = lambda _: None,
    seed: int = 0,
) -> list[dict[str, float]]:
    """Train and log: step, loss, accuracy of the batch, gradient norm before clipping, learning rate."""
    g = torch.Generator().manual_seed(seed)
    log = []
    for step in range(steps):
        before(step)
        pick = torch.randint(0, len(x), (batch,), generator=g)
        out, target = model(x[pick]), y[pick]
        target = target.flatten() if target.dtype == torch.int64 else target
        loss = loss_fn(out, target)
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip or math.inf)
        optimizer.step()
        if step % every == 0 or step == steps - 1:
            right = (out.argmax(-1) == target).float().mean().item() if target.dtype == torch.int64 else math.nan
            rate = optimizer.param_groups[0]["lr"]
            log.append({"step": step, "loss": loss.item(), "acc": right, "grad_norm": norm.item(), "lr": rate})
    return log


def gradients(
    model: Any, x: Tensor, y: Tensor, loss_fn: Callable[[Any, Any], Tensor] = CE
) -> list[tuple[str, Tensor | None]]:
    """The gradient of every parameter on one batch."""
    model.zero_grad()
    loss_fn(model(x), y.flatten() if y.dtype == torch.int64 else y).backward()
    return [(name, None if p.grad is None else p.grad.clone()) for name, p in model.named_parameters()]


def outputs(model: Any, x: Tensor, kinds: Any = None) -> Iterator[tuple[str, Any, Tensor]]:
    """The output of every leaf module (of these kinds) on one batch."""
    found: list[tuple[str, Any, Tensor]] = []
    leaves = [(n, m) for n, m in model.named_modules() if not list(m.children())]
    handles = [
        m.register_forward_hook(lambda m, _, out, n=n: found.append((n, m, out.detach())))
        for n, m in leaves
        if kinds is None or isinstance(m, kinds)
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    yield from found


def cosine(x: Tensor) -> float:
    """Mean cosine between two samples."""
    unit = nn.functional.normalize(x.flatten(1).double(), dim=1, eps=1e-300)
    n = len(unit)
    return (((unit @ unit.T).sum() - n) / (n * (n - 1))).item()


def adam(m: Any, lr: float = 1e-3) -> Any:
    """The optimizer of most runs."""
    return torch.optim.Adam(m.parameters(), lr)


def sgd(m: Any, lr: float) -> Any:
    """Plain descent."""
    return torch.optim.SGD(m.parameters(), lr)
