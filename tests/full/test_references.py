"""Independent references: the C- and Q-maps of `dks`, and derived code that is run."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.initialization import derive_text
from kaiming_mcp.signal.moments import moments, pair_distance, pair_slope
from kaiming_mcp.signal.scales import slope_at

pytestmark = pytest.mark.full
SMOOTH = ["tanh", "softplus", "sigmoid", "silu", "gelu_tanh", "elu", "selu", "softsign"]
DKS_NAMES = {"silu": "swish", "gelu_tanh": "gelu"}


@pytest.fixture(scope="module")
def dks() -> Any:
    # Here and below inside of the test: without the extra this file is collected, and not run.
    from dks.base import activation_getter, activation_transform

    return activation_getter, activation_transform


@pytest.mark.parametrize("name", SMOOTH)
def test_c_maps_and_q_map_slopes_are_those_of_dks(dks: Any, name: str) -> None:
    getter, transform = dks
    act = getter.get_activation_function(DKS_NAMES.get(name, name))
    ours = moments(name, None, 0.0, 0.0)
    second = math.exp(ours.log_second)
    at_zero = 1 - math.exp(pair_distance(name, None, 0.0, 0.0, 1.0)) / second
    assert at_zero == pytest.approx(float(transform._calc_c_map(act, c=0.0)), abs=2e-5)
    assert math.exp(ours.log_slope) / second == pytest.approx(float(transform._calc_c_slope(act, c=1.0)), rel=2e-5)
    zero_slope = pair_slope(name, None, 0.0, 0.0, 1.0) * math.exp(ours.log_slope) / second
    assert zero_slope == pytest.approx(float(transform._calc_c_slope(act, c=0.0)), abs=2e-5)
    # dks gives dq'/dq = E[phi phi' x] at q = 1; ours is d ln q' / d ln q.
    assert slope_at(name, None, 1.0, 0.0, 1.0) * second == pytest.approx(
        float(transform._calc_q_slope_1(act)), rel=2e-5
    )


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")  # its quadrature asks for too many digits
def test_a_c_map_between_its_ends_is_that_of_dks(dks: Any) -> None:
    getter, transform = dks
    second = math.exp(moments("tanh", None, 0.0, 0.0).log_second)
    ours = 1 - math.exp(pair_distance("tanh", None, 0.0, 0.0, 0.5)) / second
    theirs = transform._calc_c_map(getter.get_activation_function("tanh"), c=0.5)
    assert ours == pytest.approx(float(theirs), abs=1e-6)


LAYERS = ["linear 64 32", "conv 8 64 k3 s2", "depthwise 64 k3 nobias", "convtranspose 64 32 k4 s2 p1"]


def _made(framework: Any, layer: str) -> tuple[Any, float]:
    scaffold = derive_text(library(), activation="relu", layer=layer, framework=framework)
    names: dict[str, Any] = {}
    exec(compile(scaffold.code, "derived", "exec"), names)
    std = next(f.value for f in scaffold.established if f.unit == "std")
    assert std is not None
    return names["layer"], std


@pytest.mark.parametrize("layer", LAYERS)
def test_the_torch_code_runs_and_draws_the_derived_std(layer: str) -> None:
    import torch

    torch.manual_seed(0)
    made, std = _made("pytorch", layer)
    assert float(made.weight.detach().std()) == pytest.approx(std, rel=0.15)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_keras_code_runs_and_draws_the_derived_std(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(0)
    made, std = _made("keras", layer)
    into = 8 if layer.startswith("conv 8") else 64
    made.build((None, into) if layer.startswith("linear") else (None, 16, 16, into))
    assert float(made.kernel.value.detach().std()) == pytest.approx(std, rel=0.15)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_flax_code_runs_and_draws_the_derived_std(layer: str) -> None:
    import jax

    made, std = _made("flax", layer)
    into = 8 if layer.startswith("conv 8") else 64
    x = jax.numpy.zeros((1, into) if layer.startswith("linear") else (1, 16, 16, into))
    kernel = made.init(jax.random.PRNGKey(0), x)["params"]["kernel"]
    assert float(kernel.std()) == pytest.approx(std, rel=0.15)
