"""A measured course over depth: the most telling quantity, its ratio, and its factor per layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import LayerRow, PerLayer
from kaiming_mcp.measurements.trend import SQUARES, Trend, trend

GRADIENTS = ("activation gradient", "gradient", "weight gradient")
"""Kinds of gradients, the most telling first."""
STATISTICS = (
    "sum square", "norm", "rms", "mean square", "std", "variance", "mean abs", "unknown", "value", "median", "max", "mean",
)  # fmt: skip


def is_size(layers: PerLayer, quantity: Quantity) -> bool:
    """Whether the numbers are sizes; a mean with signs is none: its terms cancel, at the outputs of a softmax to 0."""
    signed = quantity.statistic == "mean" and quantity.kind in GRADIENTS
    return not (signed and any(r.values[quantity].x < 0 for r in layers.rows if quantity in r.values))


def best_trend(times: Sequence[PerLayer], kinds: Sequence[str]) -> Trend | None:
    """The trend of the most telling quantity: activation gradients before weight gradients, norms before means."""
    for kind in kinds:
        for layers in times:
            found = sorted(
                (q for q in layers.quantities if q.kind == kind and q.statistic in STATISTICS and is_size(layers, q)),
                key=lambda q: STATISTICS.index(q.statistic),
            )
            for quantity in found:
                if (result := trend(layers, quantity)) is not None:
                    return result
    return None


def log_ratio(shown: Trend) -> float:
    """ln of the amplitude at the first row over that at the last; by the line where printing cut an end off."""
    x = shown.ratio.x
    log = math.log(x) if math.isfinite(x) and x > 0 else -shown.rate * shown.places[-1]
    return log / 2 if shown.quantity.statistic in SQUARES else log


def layers_of(shown: Trend) -> int:
    """Layers from the first row to the last, both counted: more than rows where only some were printed."""
    return shown.places[-1] + 1


def layer_rate(shown: Trend) -> float:
    """ln of the amplitude's factor per layer in the direction of travel."""
    return -shown.amplitude_rate if shown.backward else shown.amplitude_rate


def layer_factor(shown: Trend) -> float:
    """Factor of the amplitude per layer in the direction of travel: below 1 decays, above 1 grows."""
    return math.exp(min(max(layer_rate(shown), -700.0), 700.0))


def rate_error(shown: Trend) -> float:
    """Standard error of the amplitude's rate per layer."""
    return shown.error / 2 if shown.quantity.statistic in SQUARES else shown.error


def per_layer_text(shown: Trend) -> str:
    """The factor per layer in the direction of travel, with its error."""
    factor, error = layer_factor(shown), rate_error(shown)
    doubt = f" ± {factor * error:.2g}" if math.isfinite(error) and error > 0 else ""
    return f"x{factor:.3g}{doubt} per layer"


def alike_from(rows: Iterable[tuple[LayerRow, Quantity]]) -> tuple[tuple[str, float], ...]:
    """Cosine m²/(m² + s²) between inputs by layer, from a spread s between them and a level m.

    The level is the activation of the row (a variance or std of all numbers holds the spread already), or the first spread.
    """
    held = [(row, row.values[q].size[1] ** (1 if q.statistic in SQUARES else 2)) for row, q in rows]
    if len(held) < 3 or not all(math.isfinite(square) for _, square in held) or not held[0][1]:
        return ()
    found = list[tuple[str, float]]()
    for row, square in held:
        of = next((q for q in row.values if q.kind == "activation" and q.statistic in STATISTICS), None)
        level = held[0][1] if of is None else abs(row.values[of].x) ** (1 if of.statistic in SQUARES else 2)
        total = level if of is not None and of.statistic in ("variance", "std") else level + square
        found.append((row.name, max(0.0, 1 - square / total) if total else 0.0))
    return tuple(found)
