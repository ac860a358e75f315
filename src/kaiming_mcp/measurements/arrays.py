"""Printed tensors and arrays: what their digits say of the sizes of their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kaiming_mcp.measurements.value import Value, between


def sizes(values: Sequence[Value]) -> list[tuple[str, Value]]:
    """The greatest and the mean absolute value."""
    bad = next((v for v in values if not v.finite), None)
    if bad is not None:
        return [("max", bad), ("mean abs", bad)]
    spans = [v.size for v in values]
    most = between(max(s[0] for s in spans), max(s[1] for s in spans), "tensor")
    mean = between(sum(s[0] for s in spans) / len(spans), sum(s[1] for s in spans) / len(spans), "tensor")
    # The middle of the interval is no value of the tensor: the printed digits are.
    xs = [abs(v.x) for v in values]
    return [("max", replace(most, x=max(xs))), ("mean abs", replace(mean, x=sum(xs) / len(xs)))]
