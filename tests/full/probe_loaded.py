"""The probes as modules, and models of every framework with the same weights, for the tests beside this file."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from typing import Any

import pytest

from kaiming_mcp.probes import file_name, probe_source

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
nnx = pytest.importorskip("flax.nnx")
keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
jnp, nn, layers = jax.numpy, torch.nn, keras.layers


@cache
def probe(name: str) -> Any:
    """A probe, loaded from its text."""
    spec = importlib.util.spec_from_loader(f"probe_{name.replace('-', '_')}", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    exec(compile(probe_source(name), file_name(name), "exec"), module.__dict__)
    return module


def same_weights() -> tuple[Any, Any, Any, Any]:
    """An MLP in torch, nnx and Keras with equal weights, and a batch."""
    random = np.random.default_rng(0)
    shapes = [(6, 8), (8, 8), (8, 3)]
    weights = [random.standard_normal(s).astype("float32") / s[0] ** 0.5 for s in shapes]
    torch_model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    nnx_model = nnx.Sequential(
        nnx.Linear(6, 8, rngs=nnx.Rngs(0)), nnx.tanh, nnx.Linear(8, 8, rngs=nnx.Rngs(0)), nnx.relu,
        nnx.Linear(8, 3, rngs=nnx.Rngs(0)),
    )  # fmt: skip
    keras_model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "tanh"), layers.Dense(8, "relu"), layers.Dense(3)]
    )
    for i, w in enumerate(weights):
        with torch.no_grad():
            torch_model[2 * i].weight.copy_(torch.tensor(w.T))
            torch_model[2 * i].bias.zero_()
        nnx_model.layers[2 * i].kernel[...] = jnp.array(w)
        keras_model.layers[i].kernel.assign(w)
    return torch_model, nnx_model, keras_model, random.standard_normal((16, 6)).astype("float32")


def same_convolutions() -> tuple[Any, Any, Any, Any]:
    """Convolutions, one of them with stride and groups, and a linear head; the batch is channels last."""
    random = np.random.default_rng(1)
    torch_model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    )  # fmt: skip
    rngs = nnx.Rngs(0)
    nnx_model = nnx.Sequential(
        nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.tanh,
        nnx.Conv(4, 6, (3, 3), strides=2, padding="VALID", feature_group_count=2, rngs=rngs), nnx.relu,
        lambda x: x.mean((1, 2)), nnx.Linear(6, 5, rngs=rngs),
    )  # fmt: skip
    keras_model = keras.Sequential([
        keras.Input((9, 9, 3)), layers.Conv2D(4, 3, padding="same", activation="tanh"),
        layers.Conv2D(6, 3, strides=2, groups=2), layers.ReLU(), layers.GlobalAveragePooling2D(), layers.Dense(5),
    ])  # fmt: skip
    weighted = [m for m in keras_model.layers if m.weights]
    rows = zip((0, 2, 6), (0, 2, 5), weighted, strict=True)
    for i, j, layer in rows:
        kernel = random.standard_normal(layer.kernel.shape).astype("float32") / 4
        bias = random.standard_normal(layer.bias.shape).astype("float32") / 4
        axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
        with torch.no_grad():
            torch_model[i].weight.copy_(torch.tensor(kernel.transpose(axes)))
            torch_model[i].bias.copy_(torch.tensor(bias))
        nnx_model.layers[j].kernel[...], nnx_model.layers[j].bias[...] = jnp.array(kernel), jnp.array(bias)
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    return torch_model, nnx_model, keras_model, random.standard_normal((16, 9, 9, 3)).astype("float32")
