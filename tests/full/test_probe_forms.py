"""The signal probe for Flax and Keras on real models: it agrees with the engine and with the probe for torch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from probe_loaded import probe, same_weights

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.signal.initialization import HE, Initialization
from kaiming_mcp.signal.trace import trace

os.environ.setdefault("KERAS_BACKEND", "torch")
pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
linen = pytest.importorskip("flax.linen")
nnx = pytest.importorskip("flax.nnx")
keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
jnp, nn, layers = jax.numpy, torch.nn, keras.layers
SEEDS = 6
BATCH = 32
TEXTS = {
    "tanh mlp": ("repeat 8 { linear 128 128 ; tanh } ; linear 128 16", Initialization("lecun"), (128,)),
    "relu cnn": ("input 64x8x8 ; repeat 5 { conv 64 64 k3 ; relu } ; globalpool ; linear 64 64", HE, (8, 8, 64)),
}
WEIGHTED = {"Linear", "Dense", "Conv", "Conv2d", "Conv2D"}


def _torch(kind: str, seed: int, batch: Any) -> dict[str, Any]:
    torch.manual_seed(seed)
    if kind == "tanh mlp":
        model = nn.Sequential(*[m for _ in range(8) for m in (nn.Linear(128, 128), nn.Tanh())], nn.Linear(128, 16))
    else:
        body = [m for _ in range(5) for m in (nn.Conv2d(64, 64, 3, padding=1), nn.ReLU())]
        model = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 64))
        batch = batch.transpose(0, 3, 1, 2)
    for m in model:
        if hasattr(m, "weight"):
            nn.init.kaiming_normal_(m.weight, nonlinearity="linear" if kind == "tanh mlp" else "relu")
            nn.init.zeros_(m.bias)
    return probe("signal").measure(model, torch.tensor(batch), seed=seed)


class Mlp(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        for _ in range(8):
            x = jnp.tanh(linen.Dense(128)(x))
        return linen.Dense(16)(x)


class Cnn(linen.Module):
    act: Callable[[Any], Any] = linen.relu

    @linen.compact
    def __call__(self, x: Any) -> Any:
        he = linen.initializers.he_normal()
        for _ in range(5):
            x = self.act(linen.Conv(64, (3, 3), kernel_init=he)(x))
        return linen.Dense(64, kernel_init=he)(x.mean((1, 2)))


def _linen(kind: str, seed: int, batch: Any) -> dict[str, Any]:
    return probe("signal-flax").measure(Mlp() if kind == "tanh mlp" else Cnn(), jnp.array(batch), seed=seed)


def _nnx(kind: str, seed: int, batch: Any) -> dict[str, Any]:
    rngs = nnx.Rngs(seed)
    if kind == "tanh mlp":
        pairs = [m for _ in range(8) for m in (nnx.Linear(128, 128, rngs=rngs), jnp.tanh)]
        model = nnx.Sequential(*pairs, nnx.Linear(128, 16, rngs=rngs))
    else:
        he = nnx.initializers.he_normal()
        pairs = [m for _ in range(5) for m in (nnx.Conv(64, 64, (3, 3), kernel_init=he, rngs=rngs), nnx.relu)]
        model = nnx.Sequential(*pairs, lambda x: x.mean((1, 2)), nnx.Linear(64, 64, kernel_init=he, rngs=rngs))
    return probe("signal-flax").measure(model, jnp.array(batch), seed=seed)


def _keras(kind: str, seed: int, batch: Any) -> dict[str, Any]:
    keras.utils.set_random_seed(seed)
    if kind == "tanh mlp":
        body = [layers.Dense(128, activation="tanh", kernel_initializer="lecun_normal") for _ in range(8)]
        model = keras.Sequential([*body, layers.Dense(16, kernel_initializer="lecun_normal")])
    else:
        body = [
            m
            for _ in range(5)
            for m in (layers.Conv2D(64, 3, padding="same", kernel_initializer="he_normal"), layers.ReLU())
        ]
        head = [layers.GlobalAveragePooling2D(), layers.Dense(64, kernel_initializer="he_normal")]
        model = keras.Sequential([keras.Input((8, 8, 64)), *body, *head])
    return probe("signal-keras").measure(model, batch, seed=seed)


FORMS = {"torch": _torch, "linen": _linen, "nnx": _nnx, "keras": _keras}


@cache
def _mean(form: str, kind: str) -> dict[str, list[dict[str, float]]]:
    """Means over seeds, per weighted layer and per activation."""
    runs = []
    for seed in range(SEEDS):
        batch = np.random.default_rng(seed).standard_normal((BATCH, *TEXTS[kind][2]), "float32")
        runs.append(FORMS[form](kind, seed, batch)["layers"])
    result = {}
    for name, types in (("weighted", WEIGHTED), ("activations", {"Tanh", "ReLU"})):
        rows = zip(*([row for row in run if row["type"] in types] for run in runs), strict=True)
        result[name] = [
            {
                "q": sum(row["second_moment"] for row in same) / SEEDS,
                "log_g": sum(math.log(row["gradient_sum"]) for row in same) / SEEDS,
                "log_w": sum(math.log(row.get("weight_grad_norm", 1.0)) for row in same) / SEEDS,
                "zero": sum(row["zero"] for row in same) / SEEDS,
            }
            for same in rows
        ]
    return result


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_agrees_with_the_engine(form: str, kind: str) -> None:
    text, init, _ = TEXTS[kind]
    stations = trace(read_notation(text).networks[0], init, BATCH).stations
    rows = _mean(form, kind)["weighted"]
    assert len(rows) == len(stations)
    for i, (station, row) in enumerate(zip(stations, rows, strict=True)):
        assert math.exp(station.state.log_q) == pytest.approx(row["q"], rel=0.25), i
        assert abs(station.log_g - row["log_g"]) < math.log(1.6), i
        assert station.log_w is not None
        assert abs(station.log_w / 2 + math.log(BATCH) / 2 - row["log_w"]) < math.log(1.6), i


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("form", ["linen", "nnx", "keras"])
def test_the_forms_agree_with_each_other_at_layers_and_activations(form: str, kind: str) -> None:
    own, other = _mean(form, kind), _mean("torch", kind)
    for part in ("weighted", "activations"):
        assert len(own[part]) == len(other[part]) > 0
        for i, (a, b) in enumerate(zip(own[part], other[part], strict=True)):
            # Two means of independent draws, each as near to the engine as the test above asks.
            assert abs(math.log(a["q"] / b["q"])) < math.log(1.25 / 0.75), (part, i)
            assert abs(a["log_g"] - b["log_g"]) < 2 * math.log(1.6), (part, i)
            assert a["zero"] == pytest.approx(b["zero"], abs=0.1), (part, i)


@pytest.mark.parametrize("form", ["signal-flax", "signal-keras"])
def test_the_documents_of_the_forms_are_read_as_measurements(form: str) -> None:
    _, b, c, batch = same_weights()
    script, model = probe(form), b if form == "signal-flax" else c
    found = read_measurements(script.printed(script.measure(model, jnp.array(batch) if model is b else batch)))
    (rows,) = found.per_layer
    assert rows.order == "probe order"
    assert [row.weighted for row in rows.rows] == [True, False, True, False, True]
    assert all(Quantity("activation gradient", "mean square") in row.values for row in rows.rows)
    assert found.not_understood == ()


def test_a_flax_model_is_put_back() -> None:
    class Net(nnx.Module):
        def __init__(self) -> None:
            rngs = nnx.Rngs(0)
            self.a, self.norm = nnx.Linear(6, 6, rngs=rngs), nnx.BatchNorm(6, rngs=rngs)
            self.drop, self.act = nnx.Dropout(0.5, rngs=rngs), nnx.relu

        def __call__(self, x: Any) -> Any:
            return nnx.tanh(self.drop(self.act(self.norm(self.a(x)))))

    model, functions = Net(), (linen.relu, jax.nn.relu, nnx.tanh, jnp.tanh, nnx.Linear.__call__)
    model.eval()
    state = jax.tree.leaves(nnx.state(model))
    before = [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in state]
    result = probe("signal-flax").measure(model, jnp.ones((4, 6)))
    assert [row["type"] for row in result["layers"]] == ["Linear", "BatchNorm", "ReLU", "Dropout", "Tanh"]
    state = jax.tree.leaves(nnx.state(model))
    after = [np.asarray(jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in state]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    assert model.act is nnx.relu
    assert model.drop.deterministic
    assert functions == (linen.relu, jax.nn.relu, nnx.tanh, jnp.tanh, nnx.Linear.__call__)


def test_a_keras_model_is_put_back_and_its_frozen_and_zero_weights_are_named() -> None:
    still = layers.Dense(6, activation="sigmoid", name="still")
    still.trainable = False
    head = layers.Dense(3, kernel_initializer="zeros", name="head")
    inner = [keras.Input((6,)), still, layers.BatchNormalization(), layers.Dropout(0.5), head]
    model = keras.Sequential(inner)
    before = [v.value.detach().clone() for v in model.variables]
    calls = keras.Layer.__call__, keras.Operation.__call__, still.activation
    result = probe("signal-keras").measure(model, np.ones((4, 6), "float32"))
    assert all(torch.equal(x, v.value) for x, v in zip(before, model.variables, strict=True))
    assert calls == (keras.Layer.__call__, keras.Operation.__call__, still.activation)
    assert [name.split("/", 1)[1] for name in result["frozen"]] == ["still/kernel", "still/bias"]
    assert [name.split("/", 1)[1] for name in result["zero_initialized"]] == ["head/kernel"]
    assert [row["type"] for row in result["layers"]][:2] == ["Dense", "Sigmoid"]


def test_layers_inside_remat_or_scan_count_as_part_of_what_holds_them() -> None:
    class Held(linen.Module):
        @linen.compact
        def __call__(self, x: Any) -> Any:
            x = linen.remat(Mlp)()(x)
            return linen.Dense(3)(linen.RNN(linen.LSTMCell(4))(x[:, :, None])[:, -1])

    rows = probe("signal-flax").measure(Held(), jnp.ones((4, 8)))["layers"]
    assert [row["type"] for row in rows] == ["RNN", "Dense"]


@pytest.mark.parametrize("form", ["signal-flax", "signal-keras"])
def test_the_first_nonfinite_tensor_is_located_in_every_form(form: str) -> None:
    _, b, c, batch = same_weights()
    if form == "signal-flax":
        b.layers[2].kernel[...] = jnp.full((8, 8), 3e38)
        first = probe(form).measure(b, jnp.array(batch) + 10)["first_nonfinite"]
        assert first["name"] == "layers/2"
    else:
        c.layers[1].kernel.assign(np.full((8, 8), 3e38, "float32"))
        first = probe(form).measure(c, batch + 10)["first_nonfinite"]
        assert first["name"] == c.layers[1].name
    assert (first["pass"], first["tensor"], first["step"]) == ("forward", "output", 0)
    assert first["after"].startswith("output of")
