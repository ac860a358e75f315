import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.trend import Trend, trend


def printed(values: list[float], form: str = "{:.3e}", name: str = "layer{}.weight", shuffle: int | None = None) -> str:
    lines = [f"{name.format(i + 1)} grad norm {form.format(v)}" for i, v in enumerate(values)]
    if shuffle is not None:
        random.Random(shuffle).shuffle(lines)
    return "\n".join(lines)


def fitted(text: str, kind: str = "weight gradient") -> Trend:
    found = read_measurements(text).layers(kind)
    assert found is not None
    result = trend(*found)
    assert result is not None
    return result


def geometric(n: int, rate: float, noise: float = 0.0, seed: int = 0, start: float = 1e-3) -> list[float]:
    draw = random.Random(seed)
    return [start * math.exp(rate * i + draw.gauss(0, noise)) for i in range(n)]


def test_a_clean_geometric_decay_has_its_rate_and_no_break() -> None:
    result = fitted(printed(geometric(12, 0.7), "{:.9e}"))
    assert result.rate == pytest.approx(0.7, abs=1e-7)
    assert result.travel_factor == pytest.approx(math.exp(-0.7), rel=1e-6)
    assert result.break_ is None
    assert result.significant
    assert result.ratio.x == pytest.approx(math.exp(-0.7 * 11), rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_error_of_the_rate_covers_noise(seed: int) -> None:
    result = fitted(printed(geometric(24, 0.3, noise=0.2, seed=seed)))
    assert abs(result.rate - 0.3) < 4 * result.error
    assert 0.1 < result.scatter < 0.35
    assert result.break_ is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(-1.0, 1.0), st.integers(7, 30))
def test_order_names_and_precision_change_nothing_beyond_the_error(seed: int, rate: float, n: int) -> None:
    values = geometric(n, rate, noise=0.1, seed=seed)
    base = fitted(printed(values, "{:.6e}"))
    shuffled = fitted(printed(values, "{:.6e}", shuffle=seed))
    assert (shuffled.rate, shuffled.break_) == (base.rate, base.break_)
    renamed = fitted(printed(values, "{:.6e}", name="net.blocks.{}.fc.weight", shuffle=seed))
    assert renamed.rate == base.rate
    coarse = fitted(printed(values, "{:.1e}"))
    assert abs(coarse.rate - base.rate) <= 3 * math.hypot(coarse.error, base.error) + 1e-9


def test_zeros_of_the_print_are_bounds_and_the_line_goes_on() -> None:
    values = geometric(14, 1.0, start=1e-7)
    result = fitted(printed(values, "{:.4f}"))
    assert result.break_ is None
    assert result.rate == pytest.approx(1.0, abs=0.15)
    assert len(result.cut) >= 5
    name, estimate = result.extrapolated[0]
    assert name == "layer1.weight"
    assert math.log(estimate) == pytest.approx(math.log(values[0]), abs=2.0)
    assert result.ratio.low == 0
    assert result.extrapolated_ratio == pytest.approx(math.exp(-13), rel=2)


@pytest.mark.parametrize("form", ["{:.6e}", "{:.2e}"])
def test_a_change_of_slope_is_found_at_its_layer(form: str) -> None:
    values = [1e-2 * math.exp(-0.05 * i) for i in range(10)]
    values += [values[-1] * math.exp(1.0 * (i + 1)) for i in range(10)]
    result = fitted(printed(values, form))
    assert result.break_ is not None
    assert result.break_.kind == "slope"
    # Gradients travel from the last layer: the first of the flat stretch is where the decay ends.
    assert abs(result.break_.index - 9) <= 1
    assert result.break_.before == pytest.approx(1.0, abs=0.05)


def test_a_jump_is_found() -> None:
    values = [1.0] * 8 + [1e3] * 8
    noise = geometric(16, 0.0, noise=0.05, start=1.0)
    result = fitted(printed([a * b for a, b in zip(values, noise, strict=True)]))
    assert result.break_ is not None
    assert (result.break_.kind, result.break_.index) == ("jump", 7)


def test_exact_zeros_and_nan_break_the_sequence_in_the_direction_of_travel() -> None:
    lines = [f"layer{i}.weight grad norm {x}" for i, x in enumerate(["0", "0", "1.0e-3", "1.2e-3", "1.1e-3"])]
    result = fitted("\n".join(lines))
    assert result.break_ is not None
    assert (result.break_.kind, result.break_.name) == ("zero", "layer1.weight")
    forward = fitted(
        "\n".join(f"layer{i} activation std {x}" for i, x in enumerate(["1.0", "2.0", "nan", "nan"])), "activation"
    )
    assert forward.break_ is not None
    assert (forward.break_.kind, forward.break_.name) == ("nan", "layer2")


def test_a_value_far_below_the_line_is_a_drop_and_not_a_cut_off() -> None:
    values = geometric(10, 0.05, start=1.0)
    result = fitted(printed([0.0, 0.0, *values], "{:.4f}"))
    assert result.break_ is not None
    assert (result.break_.kind, result.break_.index) == ("drop", 1)


def test_second_moments_count_half() -> None:
    text = "\n".join(f"layer{i} activation second moment {math.exp(-0.4 * i):.6e}" for i in range(8))
    result = fitted(text, "activation")
    assert result.quantity == Quantity("activation", "mean square")
    assert result.amplitude_rate == pytest.approx(-0.2, abs=1e-5)
    assert result.travel_factor < 1


def test_biases_and_norms_stay_out_of_the_line() -> None:
    lines: list[str] = []
    for i, value in enumerate(geometric(6, 0.5)):
        lines += [
            f"fc{i}.weight grad norm {value:.6e}",
            f"fc{i}.bias grad norm 5.0e+1",
            f"bn{i}.weight grad norm 7.0e-9",
        ]
    assert fitted("\n".join(lines)).rate == pytest.approx(0.5, abs=1e-4)


def test_two_layers_give_a_rate_with_the_error_of_the_print() -> None:
    result = fitted("layer1.weight grad norm 1e-6\nlayer5.weight grad norm 1e-2")
    assert result.rate == pytest.approx(math.log(1e4))
    assert 0.1 < result.error < 2
