"""Probe `signal` for Keras 3: what each layer does to the signal and the gradient, on one batch at step 0.

Standalone: it needs keras and numpy, on the torch, jax or tensorflow backend. Two ways to run it.

    from signal_probe_keras import measure, printed     # in your own script, with your data and loss
    print(printed(measure(model, batch, lambda output, target: loss(target, output), target)))

    KERAS_BACKEND=jax python signal_probe_keras.py --model my_package.nets:make_model --input 32x32x3 --batch 32

Without a loss the gradient of a random cotangent is measured: each output number gets an independent N(0, 1),
divided so that the squares sum to one per sample. One JSON document goes to stdout; paste it into a tool as
`measurements`. The pass is in train mode; weights, statistics and seeds are put back.

Rows are leaf layers, and a dense or convolution layer's `activation` has a row of its own after that of the layer,
which is then the layer without it. A recurrent layer is one row. `keras.ops` in call() of a subclass are not seen.

Per layer, in order of execution:
  second_moment   E[x^2] of its output            mean, max       E[x], max |x|
  gradient        E[(dL/dx)^2] of its output      gradient_sum    sum over the output per sample, mean over samples
  gradient_max, weight_grad_norm, weight_norm, weight_std, fan_in (where it has a weight)
  cosine          mean cosine between the outputs of two samples
  zero, dead      fraction of outputs that are 0, and of units that are 0 for the whole batch
  saturated       fraction of tanh/sigmoid outputs within 2 % of their limits
  half_zero, half_subnormal (weight_half_... for the weight's gradient; with a loss only): fraction of the gradient's
                  nonzero numbers below 6e-8 and below 6.1e-5 once they are multiplied by `loss_scale`
  nonfinite, gradient_nonfinite   numbers that are nan or inf
Of the whole model: `gradient_norm`, `first_nonfinite` (the first tensor that is nan or inf, and `after`, the last
that was not), and parameters by name: `frozen`, `zero_initialized` (biases aside), `no_gradient` (the loss does not
reach them; jax gives zeros instead) and `zero_gradient`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

VERSION = 2
ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU",
    "gelu": "GELU", "silu": "SiLU", "swish": "SiLU", "hard_silu": "Hardswish", "softplus": "Softplus", "tanh": "Tanh",
    "hard_tanh": "Hardtanh", "sigmoid": "Sigmoid", "hard_sigmoid": "Hardsigmoid", "mish": "Mish", "softmax": "Softmax",
}  # fmt: skip
SATURATING = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Hardtanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0)}
SATURATED_WITHIN = 0.02
MOST_PAIRS = 64
HALF_SMALLEST, HALF_NORMAL = 2.0**-24, 2.0**-14
WEIGHTS = ("kernel", "embeddings", "gamma")
STATE = ("moving_", "seed_generator", "count")
CLOSED = (keras.layers.RNN, keras.layers.TimeDistributed, keras.layers.Bidirectional)
PLAIN = (keras.layers.Dense, keras.layers.EinsumDense, *(
    getattr(keras.layers, f"{kind}{n}D") for n in (1, 2, 3)
    for kind in ("Conv", "DepthwiseConv", "SeparableConv") if hasattr(keras.layers, f"{kind}{n}D")
), *(getattr(keras.layers, f"Conv{n}DTranspose") for n in (1, 2, 3)))  # fmt: skip


def measure(
    model: keras.Model,
    batch: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    target: Any = None,
    seed: int = 0,
    loss_scale: float = 1.0,
) -> dict[str, Any]:
    """One forward and one backward pass in train mode; see the top of the file for what is returned.

    `batch` is what the model takes: an array, or a list or dict of arrays. A vector of losses is averaged.
    Raises ValueError when the output holds no tensor of floats.
    """
    batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
    if not model.built:
        model(batch)
    saved = [(v, keras.ops.copy(v.value)) for v in model.variables]
    trained = list(model.trainable_variables)

    def objective(output: Any) -> Any:
        return _objective(output, loss_fn, target, seed)

    try:
        passes = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[keras.backend.backend()]
        tape, value, output, grads = passes(model, batch, objective, trained)
    finally:
        for variable, old in saved:
            variable.assign(old)
    scale = loss_scale if loss_fn else None
    weight_grads = {v.path: _array(g) for v, g in zip(trained, grads[len(tape.values) :], strict=True) if g is not None}
    still = {v.path: v for layer in tape.layers if layer and not layer.trainable for v in _own(layer)}
    named = {v.path: _array(v.value) for v in (*trained, *still.values())}
    outputs, arrived, layers = [], [], []
    for row, layer, x, g in zip(tape.rows, tape.layers, tape.values, grads, strict=False):
        outputs.append(("forward", row["name"], "output", _array(x)))
        layers.append(row | _statistics(outputs[-1][-1], row["type"]))
        if g is not None:
            arrived.append(("backward", row["name"], "gradient of the output", _array(g)))
            layers[-1] |= _gradient(arrived[-1][-1], scale)
        if (weight := _weight(layer)) is not None:
            layers[-1] |= _weight_numbers(_array(weight.value), weight_grads.get(weight.path), scale)
            if row["type"] == "Dense" or (row["type"].startswith("Conv") and not row["type"].endswith("Transpose")):
                layers[-1]["fan_in"] = math.prod(weight.shape[:-1])
    return {
        "probe": "signal",
        "version": VERSION,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "model": type(model).__name__,
        "dtype": str(model.compute_dtype),
        "cotangent": "loss" if loss_fn else "random",
        "loss": _number(float(_array(value))) if loss_fn else None,
        "gradient_norm": _number(math.sqrt(sum(float((g**2).sum()) for g in weight_grads.values()))),
        "samples": len(keras.tree.flatten(batch)[0]),
        "parameters": sum(p.size for p in named.values()),
        "loss_scale": loss_scale,
        "frozen": list(still),
        "zero_initialized": [n for n, p in named.items() if not n.endswith(("bias", "beta")) and not p.any()],
        "no_gradient": [v.path for v in trained if v.path not in weight_grads],
        "zero_gradient": [n for n, g in weight_grads.items() if not g.any()],
        "first_nonfinite": _first_nonfinite(
            [
                *(("before the pass", name, "parameter", p) for name, p in named.items()),
                *(("forward", "(batch)", "input", _array(x)) for x in _floats(batch)),
                *outputs,
                *(("forward", "(model)", "output", _array(x)) for x in _floats(output)),
                ("forward", "(loss)", "output", _array(value)),
                *reversed(arrived),
                *(("backward", name, "gradient of the parameter", g) for name, g in weight_grads.items()),
            ]
        ),
        "layers": layers,
    }


class _Tape:
    """The outputs of leaf layers and activations in order; `mark` makes a tensor one that has a gradient."""

    def __init__(self, mark: Callable[[int, Any], Any], trace: Callable[[], Any] = lambda: None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.layers: list[Any] = []
        self.values: list[Any] = []
        self._mark = mark
        self._trace, self._outer = trace, trace()
        self._calls: Counter[str] = Counter()
        self._stack: list[str] = []
        self._closed = 0

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Every call of a layer, and of an operation of a functional model, recorded."""
        layer_call, operation_call = keras.Layer.__call__, keras.Operation.__call__
        try:
            keras.Layer.__call__ = lambda layer, *args, **kwargs: self._layer(
                layer, lambda: layer_call(layer, *args, **kwargs)
            )
            keras.Operation.__call__ = lambda operation, *args, **kwargs: self._operation(
                operation, operation_call(operation, *args, **kwargs)
            )
            yield
        finally:
            keras.Layer.__call__, keras.Operation.__call__ = layer_call, operation_call

    def _layer(self, layer: Any, run: Callable[[], Any]) -> Any:
        before, closed, function = len(self.rows), isinstance(layer, CLOSED), vars(layer).get("activation")
        self._stack.append(layer.name)
        name = "/".join(self._stack[1:]) or "(model)"
        self._closed += closed
        separate = isinstance(layer, PLAIN) and callable(function) and function is not keras.activations.linear
        try:
            if separate:
                vars(layer)["activation"] = lambda x: self._recorded(
                    f"{name}/{_called(function)}", _kind(function), None, function(
                        self._recorded(name, type(layer).__name__, layer, x)
                    )
                )  # fmt: skip
            output = run()
        finally:
            self._stack.pop()
            self._closed -= closed
            if separate:
                vars(layer)["activation"] = function
        if len(self.rows) > before:
            return output
        kind = _kind(function) if isinstance(layer, keras.layers.Activation) else type(layer).__name__
        return self._recorded(name, kind, layer, output)

    def _operation(self, operation: Any, output: Any) -> Any:
        kinds = {kind.lower(): kind for kind in ACTIVATIONS.values()}
        kind = kinds.get(type(operation).__name__.lower())
        if kind is None or isinstance(operation, keras.Layer):
            return output
        return self._recorded("/".join((*self._stack[1:], operation.name)), kind, None, output)

    def _recorded(self, name: str, kind: str, layer: Any, output: Any) -> Any:
        leaves = keras.tree.flatten(output)
        i = next((i for i, leaf in enumerate(leaves) if _is_float(leaf)), None)
        # A value of an inner trace of jax (scan, remat) cannot leave it.
        if self._closed or i is None or self._trace() != self._outer:
            return output
        leaves[i] = self._mark(len(self.values), leaves[i])
        self._calls[name] += 1
        shape = [int(n) for n in leaves[i].shape[1:]]
        self.rows.append({"name": name, "type": kind, "call": self._calls[name], "shape": shape})
        self.layers.append(layer)
        self.values.append(leaves[i])
        return keras.tree.pack_sequence_as(output, leaves)


def _torch(model: Any, batch: Any, objective: Callable[[Any], Any], trained: list[Any]) -> Any:
    import torch

    tape = _Tape(lambda _, x: x if x.requires_grad else x.detach().requires_grad_())
    with torch.enable_grad(), tape.patched():
        output = model(batch, training=True)
        value = objective(output)
    wanted = [*tape.values, *(v.value for v in trained)]
    return tape, value, output, torch.autograd.grad(value, wanted, allow_unused=True)


def _tensorflow(model: Any, batch: Any, objective: Callable[[Any], Any], trained: list[Any]) -> Any:
    import tensorflow

    def mark(_: int, x: Any) -> Any:
        gradients.watch(x)
        return x

    tape = _Tape(mark)
    with tensorflow.GradientTape() as gradients, tape.patched():
        output = model(batch, training=True)
        value = objective(output)
    wanted = [*tape.values, *(v.value for v in trained)]
    return tape, value, output, gradients.gradient(value, wanted)


def _jax(model: Any, batch: Any, objective: Callable[[Any], Any], trained: list[Any]) -> Any:
    import jax

    try:
        from jax.extend.core import get_opaque_trace_state
    except ImportError:
        from jax.core import get_opaque_trace_state

    tapes: list[_Tape] = []

    def run(params: list[Any], added: list[Any]) -> Any:
        def mark(i: int, x: Any) -> Any:
            return x + added[i] if added else x

        tapes.append(_Tape(mark, lambda: get_opaque_trace_state(convention="flax")))
        with keras.StatelessScope(list(zip(trained, params, strict=True))), tapes[-1].patched():
            output = model(batch, training=True)
        return objective(output), (tapes[-1].values, output)

    params = [v.value for v in trained]
    _, (shapes, _) = jax.eval_shape(lambda p: run(p, []), params)
    zeros = [jax.numpy.zeros(s.shape, s.dtype) for s in shapes]
    differentiate = jax.jit(jax.value_and_grad(run, argnums=(0, 1), has_aux=True))
    (value, (values, output)), (weight_grads, grads) = differentiate(params, zeros)
    tapes[-1].values = values
    return tapes[-1], value, output, [*grads, *weight_grads]


def _called(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _kind(function: Any) -> str:
    return ACTIVATIONS.get(_called(function), _called(function))


def _own(layer: Any) -> list[Any]:
    return [v for v in layer.weights if not v.name.startswith(STATE)]


def _weight(layer: Any) -> Any:
    """The variable that stands for a layer's weight: by name, else the largest of its own."""
    named = {v.name: v for v in _own(layer)} if layer else {}
    largest = max(named.values(), key=lambda v: math.prod(v.shape), default=None)
    return next((named[name] for name in WEIGHTS if name in named), largest)


def _objective(output: Any, loss_fn: Callable[[Any, Any], Any] | None, target: Any, seed: int) -> Any:
    if loss_fn is not None:
        return keras.ops.mean(loss_fn(output, target))
    floats = _floats(output)
    if not floats:
        raise ValueError("the model's output holds no tensor of floats: give loss_fn")
    first = keras.ops.cast(floats[0], "float32")
    cotangent = np.random.default_rng(seed).standard_normal(first.shape) / math.sqrt(max(1, math.prod(first.shape[1:])))
    return keras.ops.sum(first * keras.ops.convert_to_tensor(cotangent.astype("float32")))


def _is_float(value: Any) -> bool:
    if not keras.ops.is_tensor(value) or isinstance(value, keras.KerasTensor) or not len(value.shape):
        return False
    return "float" in keras.backend.standardize_dtype(value.dtype)


def _floats(value: Any) -> list[Any]:
    return [leaf for leaf in keras.tree.flatten(value) if _is_float(leaf)]


def _array(value: Any) -> np.ndarray:
    value = keras.ops.cast(value, "float32")
    # Keras hands numpy the tensor of torch itself, of which numpy 2 complains.
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else keras.ops.convert_to_numpy(value)
    return np.asarray(value, np.float64)


def _statistics(x: np.ndarray, kind: str) -> dict[str, Any]:
    bad = int((~np.isfinite(x)).sum())
    x = np.where(np.isfinite(x), x, 0.0)
    flat = x.reshape(len(x), -1) if x.ndim > 1 else x.reshape(-1, 1)
    result: dict[str, Any] = {
        "second_moment": _number((x**2).mean()),
        "mean": _number(x.mean()),
        "max": _number(np.abs(x).max(initial=0.0)),
        "cosine": _cosine(flat[:MOST_PAIRS]),
        "zero": _number((flat == 0).mean()),
        "dead": _number((flat == 0).all(axis=0).mean()),
        "nonfinite": bad,
    }
    if kind in SATURATING:
        low, high = SATURATING[kind]
        edge = SATURATED_WITHIN * (high - low) / 2
        result["saturated"] = _number(((x < low + edge) | (x > high - edge)).mean())
    return result


def _cosine(some: np.ndarray) -> float | None:
    n = len(some)
    if n < 2:
        return None
    unit = some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-300)
    products = unit @ unit.T
    return _number((products.sum() - np.trace(products)) / (n * (n - 1)))


def _gradient(g: np.ndarray, loss_scale: float | None) -> dict[str, Any]:
    squares = g**2
    # Per sample of the loss as it was given: a mean over B samples makes it smaller by B^2.
    return {
        "gradient": _number(squares.mean()),
        "gradient_sum": _number(squares.sum() / max(1, len(g))),
        "gradient_max": _number(np.abs(g).max(initial=0.0)),
        "gradient_nonfinite": int((~np.isfinite(g)).sum()),
        **_half("", g, loss_scale),
    }


def _weight_numbers(weight: np.ndarray, gradient: np.ndarray | None, loss_scale: float | None) -> dict[str, Any]:
    result: dict[str, Any] = {"weight_norm": _number(np.linalg.norm(weight)), "weight_std": _number(weight.std())}
    if gradient is not None:
        result["weight_grad_norm"] = _number(np.linalg.norm(gradient))
        result.update(_half("weight_", gradient, loss_scale))
    return result


def _half(prefix: str, gradient: np.ndarray, loss_scale: float | None) -> dict[str, float | None]:
    """What float16 would lose; without a loss the size of a gradient means nothing."""
    sizes = np.abs(gradient[gradient != 0]) * (loss_scale or 1.0)
    if loss_scale is None:
        return {}
    limits = {"half_zero": HALF_SMALLEST, "half_subnormal": HALF_NORMAL}
    return {prefix + key: _number((sizes < limit).mean()) if sizes.size else None for key, limit in limits.items()}


def _first_nonfinite(seen: list[tuple[str, str, str, np.ndarray]]) -> dict[str, Any] | None:
    """Of tensors in the order in which they arose: pass, name, what it is, and its numbers."""
    after = None
    for when, name, what, x in seen:
        if not np.isfinite(x).all():
            value = "nan" if np.isnan(x).any() else "inf"
            return {"step": 0, "pass": when, "tensor": what, "name": name, "value": value, "after": after}
        after = after if when == "before the pass" else f"{what} of {name}"
    return None


def _number(x: float) -> float | None:
    return float(f"{x:.6g}") if math.isfinite(x) else None


def printed(document: dict[str, Any]) -> str:
    """The document as JSON, a layer a line."""

    def text(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n" + ",\n".join(text(item) for item in value) + "\n]"
        if isinstance(value, dict) and "layers" in value:
            return "{" + ",\n".join(f"{json.dumps(key)}: {text(item)}" for key, item in value.items()) + "}"
        return json.dumps(value, allow_nan=False)

    return text(document) + "\n"


def _loaded(text: str) -> Any:
    module, _, name = text.partition(":")
    if not module or not name:
        raise SystemExit("--model must read package.module:name, such as my_package.nets:make_model")
    sys.path.insert(0, str(Path.cwd()))
    return getattr(importlib.import_module(module), name)


def main(arguments: list[str] | None = None) -> None:
    """Measure a model named on the command line."""
    parser = argparse.ArgumentParser(description="Measure signal and gradient per layer of a Keras model.")
    parser.add_argument("--model", required=True, help="package.module:name of a model or a function that makes one")
    parser.add_argument("--input", required=True, help="size of one sample, such as 32x32x3, 784, or 64 tokens")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=0, help="vocabulary size: the input is token ids below it")
    parser.add_argument("--seed", type=int, default=0, help="of the input and, before it, of the model's weights")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    out, sys.stdout = sys.stdout, sys.stderr  # what the model prints must not mix with the JSON
    try:
        made = _loaded(options.model)
        model = made if isinstance(made, keras.Model) else made()
        size = (options.batch, *(int(n) for n in options.input.lower().split("x")))
        random = np.random.default_rng(options.seed)
        batch = random.integers(0, options.tokens, size) if options.tokens else random.standard_normal(size, "float32")
        result = measure(model, batch, seed=options.seed)
    finally:
        sys.stdout = out
    sys.stdout.write(printed(result))


if __name__ == "__main__":
    main()
