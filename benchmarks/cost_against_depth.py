"""Cost of a trace against depth, up to 10,000 layers: time per layer relative to the shortest network.

    python benchmarks/cost_against_depth.py

A GELU stack with layer norm, and an un-normalised tanh stack of alternating widths.
"""

from __future__ import annotations

import time

from kaiming_mcp.architecture.ir import Activation, Layer, Linear, Network, Node, Norm, Repeat, Sequence, Shape
from kaiming_mcp.signal.initialization import HE, Initialization
from kaiming_mcp.signal.trace import trace

WIDTHS = (256, 192, 320, 128, 500)
DEPTHS = (100, 300, 1_000, 3_000, 10_000)


def gelu_stack(depth: int) -> Node:
    return Repeat(depth, Sequence((Layer(Linear(256, 256)), Layer(Norm("layer", 256)), Layer(Activation("gelu")))))


def tanh_stack(depth: int) -> Node:
    pairs = [(WIDTHS[i % 5], WIDTHS[(i + 1) % 5]) for i in range(depth)]
    return Sequence(tuple(layer for a, b in pairs for layer in (Layer(Linear(a, b)), Layer(Activation("tanh")))))


def milliseconds(network: Network, init: Initialization) -> float:
    trace(network, init, 128)
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        trace(network, init, 128)
        best = min(best, time.perf_counter() - begun)
    return best * 1e3


def main() -> None:
    for name, build, init in (
        ("GELU with layer norm", gelu_stack, HE),
        ("tanh, alternating widths", tanh_stack, Initialization("xavier", gain=1.1)),
    ):
        print(name)
        print(f"{'layers':>8} {'ms':>9} {'per layer against 100':>22}")
        first = 0.0
        for depth in DEPTHS:
            spent = milliseconds(Network("stack", build(depth), Shape(256)), init)
            first = first or spent / depth
            print(f"{depth:>8,} {spent:>9.2f} {spent / depth / first:>22.2f}")


if __name__ == "__main__":
    main()
