"""The engine against one torch forward and backward pass of the same network: ratios from one run.

    python benchmarks/engine_against_torch.py        (needs torch: make test-full installs it)

An MLP of width 256 at batch 128, L = 10, 50, 200; both are warmed up, and the best of several runs counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from kaiming_mcp.architecture.ir import Activation, Layer, Linear, Network, Repeat, Sequence, Shape
from kaiming_mcp.signal.initialization import HE
from kaiming_mcp.signal.trace import trace

WIDTH, BATCH, RUNS = 256, 128, 15


def best(work: Callable[[], object]) -> float:
    work()
    times = list[float]()
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    import torch  # pyright: ignore[reportMissingImports] - an extra

    nn = torch.nn
    print(f"width {WIDTH}, batch {BATCH}, tanh, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{'L':>5} {'engine ms':>10} {'torch ms':>10} {'ratio':>8}")
    for depth in (10, 50, 200):
        layer = Sequence((Layer(Linear(WIDTH, WIDTH)), Layer(Activation("tanh"))))
        network = Network("mlp", Repeat(depth, layer), Shape(WIDTH))
        model = nn.Sequential(*[m for _ in range(depth) for m in (nn.Linear(WIDTH, WIDTH), nn.Tanh())])
        x = torch.randn(BATCH, WIDTH)

        def once(model: object = model, x: object = x) -> None:
            model(x).sum().backward()  # type: ignore[operator]

        def followed(network: Network = network) -> None:
            trace(network, HE, BATCH)

        ours, theirs = best(followed), best(once)
        print(f"{depth:>5} {ours * 1e3:>10.2f} {theirs * 1e3:>10.2f} {theirs / ours:>8.1f}")


if __name__ == "__main__":
    main()
