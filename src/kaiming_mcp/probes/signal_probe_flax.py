"""Probe `signal` for Flax (linen and nnx): what each layer does to the signal and the gradient, on one batch, step 0.

Standalone: it needs jax, flax and numpy. Two ways to run it.

    from signal_probe_flax import measure, printed      # in your own script, with your data and loss
    print(printed(measure(model, batch, loss_fn, target, variables=variables, train=True)))    # linen
    print(printed(measure(model, batch, loss_fn, target)))                                     # nnx, in train mode

    python signal_probe_flax.py --model my_package.nets:make_model --input 32x32x3 --batch 32

Without a loss the gradient of a random cotangent is measured: each output number gets an independent N(0, 1),
divided so that the squares sum to one per sample. One JSON document goes to stdout; paste it into a tool as
`measurements`. The model and its variables are only read: the passes work on copies.

Rows are leaf modules and the activation functions of jax.nn, flax and jnp that are called through their module
(`nn.relu(x)`) or held by a module (`act=nn.relu`, Sequential). A layer inside scan, remat or jit counts as part of it.

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
that was not), and parameters by name: `zero_initialized` (biases aside) and `zero_gradient`.
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

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

try:
    from jax.extend.core import get_opaque_trace_state
except ImportError:
    from jax.core import get_opaque_trace_state

VERSION = 2
ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU",
    "gelu": "GELU", "silu": "SiLU", "swish": "SiLU", "hard_silu": "Hardswish", "hard_swish": "Hardswish",
    "softplus": "Softplus", "tanh": "Tanh", "hard_tanh": "Hardtanh", "sigmoid": "Sigmoid",
    "hard_sigmoid": "Hardsigmoid", "mish": "Mish", "squareplus": "Squareplus",
}  # fmt: skip
SATURATING = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Hardtanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0)}
SATURATED_WITHIN = 0.02
MOST_PAIRS = 64
HALF_SMALLEST, HALF_NORMAL = 2.0**-24, 2.0**-14
WEIGHTS = ("kernel", "embedding", "scale")


def measure(
    model: Any,
    batch: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    target: Any = None,
    seed: int = 0,
    loss_scale: float = 1.0,
    variables: Any = None,
    **call: Any,
) -> dict[str, Any]:
    """One forward and one backward pass; see the top of the file for what is returned.

    `batch` is an array or a tuple of arguments, `call` are keyword arguments of the model such as train=True.
    `variables` are those of a linen model (default: its own initialization).
    Raises ValueError when the output holds no array of floats.
    """
    arguments = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
    parts = _nnx(model, arguments, call) if isinstance(model, nnx.Module) else None
    params, run, pure = parts or _linen(model, variables, arguments, call, seed)

    def objective(params: Any, added: list[Any]) -> tuple[Any, tuple[list[Any], Any]]:
        tape = _Tape(added)
        with tape.patched():
            output = run(params, tape)
        rows[:] = tape.rows
        return _objective(output, loss_fn, target, seed), (tape.values, output)

    rows: list[dict[str, Any]] = []
    _, (shapes, _) = jax.eval_shape(lambda p: objective(p, []), params)
    zeros = [jnp.zeros(s.shape, s.dtype) for s in shapes]
    differentiate = jax.jit(jax.value_and_grad(objective, argnums=(0, 1), has_aux=True))
    (value, (values, output)), (weight_grads, grads) = differentiate(params, zeros)
    scale = loss_scale if loss_fn else None
    named = {name: _array(p) for name, p in _flat(pure(params)).items()}
    named_grads = {name: _array(g) for name, g in _flat(pure(weight_grads)).items()}
    outputs = [("forward", row["name"], "output", _array(x)) for row, x in zip(rows, values, strict=True)]
    arrived = [
        ("backward", row["name"], "gradient of the output", _array(g)) for row, g in zip(rows, grads, strict=True)
    ]
    layers = []
    for row, (*_, x), (*_, g) in zip(rows, outputs, arrived, strict=True):
        layers.append(row | _statistics(x, row["type"]) | _gradient(g, scale))
        if weight := _weight(row["name"], named):
            layers[-1] |= _weight_numbers(named[weight], named_grads[weight], scale)
            if row["type"] in ("Dense", "Linear", "Conv", "ConvTranspose"):
                layers[-1]["fan_in"] = named[weight].size // named[weight].shape[-1]
    return {
        "probe": "signal",
        "version": VERSION,
        "jax": jax.__version__,
        "flax": flax.__version__,
        "model": type(model).__name__,
        "dtype": str(next((p.dtype for p in jax.tree.leaves(params)), "float32")),
        "cotangent": "loss" if loss_fn else "random",
        "loss": _number(float(value)) if loss_fn else None,
        "gradient_norm": _number(math.sqrt(sum(float((g**2).sum()) for g in named_grads.values()))),
        "samples": len(arguments[0]),
        "parameters": sum(p.size for p in named.values()),
        "loss_scale": loss_scale,
        "zero_initialized": [n for n, p in named.items() if not n.endswith("bias") and not p.any()],
        "zero_gradient": [n for n, g in named_grads.items() if not g.any()],
        "first_nonfinite": _first_nonfinite(
            [
                *(("before the pass", name, "parameter", p) for name, p in named.items()),
                *(("forward", "(batch)", "input", _array(x)) for x in _floats(arguments)),
                *outputs,
                *(("forward", "(model)", "output", _array(x)) for x in _floats(output)),
                ("forward", "(loss)", "output", _array(value)),
                *reversed(arrived),
                *(("backward", name, "gradient of the parameter", g) for name, g in named_grads.items()),
            ]
        ),
        "layers": layers,
    }


class _Tape:
    """The outputs of leaf modules and activations in order; what is `added` to them carries their gradients."""

    def __init__(self, added: list[Any]) -> None:
        self.added = added
        self.rows: list[dict[str, Any]] = []
        self.values: list[Any] = []
        self._calls: Counter[str] = Counter()
        self._stack: list[str] = []
        self._closed = 0
        self._trace = _trace()

    def module(self, name: str, kind: str, run: Callable[[], Any]) -> Any:
        """Run a module's call; it is a leaf when nothing inside it was recorded."""
        before = len(self.rows)
        self._stack.append(name)
        try:
            output = run()
        finally:
            self._stack.pop()
        return output if len(self.rows) > before else self._recorded(name or "(model)", kind, output)

    def activation(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its outputs recorded, those of what it calls aside."""

        def recorded(*args: Any, **kwargs: Any) -> Any:
            self._closed += 1
            try:
                output = function(*args, **kwargs)
            finally:
                self._closed -= 1
            place = "/".join(part for part in (*self._stack[-1:], name) if part)
            return self._recorded(place, ACTIVATIONS[name], output) if self._stack else output

        return recorded

    def held(self, value: Any) -> Any:
        """What a module holds, with its activation functions recorded."""
        if callable(value) and id(value) in KNOWN:
            return self.activation(KNOWN[id(value)], value)
        if type(value) in (list, tuple) and any(id(item) in KNOWN for item in value):
            return type(value)(self.held(item) for item in value)
        return value

    @contextmanager
    def patched(self) -> Iterator[None]:
        """The modules' activation functions recorded while the model runs."""
        originals = [(m, name, getattr(m, name)) for m in HOMES for name in ACTIVATIONS if hasattr(m, name)]
        try:
            for home, name, function in originals:
                setattr(home, name, self.activation(name, function))
            yield
        finally:
            for home, name, function in originals:
                setattr(home, name, function)

    def _recorded(self, name: str, kind: str, output: Any) -> Any:
        leaves, tree = jax.tree.flatten(output)
        i = next((i for i, leaf in enumerate(leaves) if _is_float(leaf)), None)
        # A value of an inner trace (scan, remat, jit) cannot leave it.
        if self._closed or i is None or _trace() != self._trace:
            return output
        if self.added:
            leaves[i] = leaves[i] + self.added[len(self.values)]
        self._calls[name] += 1
        shape = list(leaves[i].shape[1:])
        self.rows.append({"name": name, "type": kind, "call": self._calls[name], "shape": shape})
        self.values.append(leaves[i])
        return jax.tree.unflatten(tree, leaves)


HOMES = (jax.nn, linen, nnx, jnp)
KNOWN = {id(getattr(home, name)): name for home in HOMES for name in ACTIVATIONS if hasattr(home, name)}


def _linen(model: linen.Module, variables: Any, arguments: tuple[Any, ...], call: dict[str, Any], seed: int) -> Any:
    """Parameters, how to run the model on them, and how to name them."""
    key = jax.random.key(seed)
    rngs = {"params": key, "dropout": jax.random.fold_in(key, 1)}
    variables = dict(model.init(rngs, *arguments, **call) if variables is None else variables)
    params = variables.pop("params", {})

    def run(params: Any, tape: _Tape) -> Any:
        def intercept(inner: Any, args: Any, kwargs: Any, context: Any) -> Any:
            module = context.module
            if context.method_name != "__call__":
                return inner(*args, **kwargs)
            own = dict(vars(module))
            changed = {k: new for k, old in own.items() if (new := tape.held(old)) is not old}
            try:
                vars(module).update(changed)
                return tape.module("/".join(module.path), type(module).__name__, lambda: inner(*args, **kwargs))
            finally:
                vars(module).update({k: own[k] for k in changed})

        with linen.intercept_methods(intercept):
            everything = {"params": params, **variables}
            return model.apply(everything, *arguments, rngs=rngs, mutable=[*variables, "intermediates"], **call)[0]

    return params, run, lambda tree: tree


def _nnx(model: nnx.Module, arguments: tuple[Any, ...], call: dict[str, Any]) -> Any:
    """Parameters, how to run the model on them, and how to name them."""
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def run(params: Any, tape: _Tape) -> Any:
        # New variables: those of `rest` belong to the user's model.
        copy = nnx.merge(graph, params, jax.tree.map(lambda x: x, rest))
        copy.train()
        names = {id(m): "/".join(map(str, path)) for path, m in nnx.iter_modules(copy)}
        kinds = {type(m) for _, m in nnx.iter_modules(copy)}
        own = {kind: kind.__call__ for kind in kinds if "__call__" in vars(kind)}
        for _, module in nnx.iter_modules(copy):
            for key, old in list(vars(module).items()):
                if (new := tape.held(old)) is not old:
                    vars(module)[key] = new
        try:
            for kind, function in own.items():
                kind.__call__ = _watched(function, names, tape)
            return copy(*arguments, **call)
        finally:
            for kind, function in own.items():
                kind.__call__ = function

    return params, run, nnx.to_pure_dict


def _watched(function: Callable[..., Any], names: dict[int, str], tape: _Tape) -> Callable[..., Any]:
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        return tape.module(names.get(id(self), ""), type(self).__name__, lambda: function(self, *args, **kwargs))

    return called


def _objective(output: Any, loss_fn: Callable[[Any, Any], Any] | None, target: Any, seed: int) -> Any:
    if loss_fn is not None:
        return loss_fn(output, target)
    floats = _floats(output)
    if not floats:
        raise ValueError("the model's output holds no array of floats: give loss_fn")
    cotangent = jax.random.normal(jax.random.fold_in(jax.random.key(seed), 2), floats[0].shape)
    return (floats[0].astype(jnp.float32) * cotangent).sum() / math.sqrt(max(1, floats[0][0].size))


def _trace() -> Any:
    return get_opaque_trace_state(convention="flax")


def _is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.floating) and value.ndim > 0


def _floats(value: Any) -> list[Any]:
    return [leaf for leaf in jax.tree.leaves(value) if _is_float(leaf)]


def _array(value: Any) -> np.ndarray:
    return np.asarray(jnp.asarray(value).astype(jnp.float32) if value.dtype == jnp.bfloat16 else value, np.float64)


def _flat(tree: Any) -> dict[str, Any]:
    def key(path: Any) -> str:
        return "/".join(str(getattr(p, "key", getattr(p, "name", getattr(p, "idx", p)))) for p in path)

    return {key(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def _weight(name: str, named: dict[str, Any]) -> str | None:
    """The parameter of a module that stands for its weight: by name, else the largest of its own."""
    place = "" if name == "(model)" else f"{name}/"
    own = [n for n in named if n.startswith(place) and "/" not in n[len(place) :]]
    return next((place + w for w in WEIGHTS if place + w in own), max(own, key=lambda n: named[n].size, default=None))


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
    parser = argparse.ArgumentParser(description="Measure signal and gradient per layer of a Flax model.")
    parser.add_argument("--model", required=True, help="package.module:name of a model or a function that makes one")
    parser.add_argument("--input", required=True, help="size of one sample, such as 32x32x3, 784, or 64 tokens")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=0, help="vocabulary size: the input is token ids below it")
    parser.add_argument("--seed", type=int, default=0, help="of the input and of a linen model's weights")
    options = parser.parse_args(arguments)
    out, sys.stdout = sys.stdout, sys.stderr  # what the model prints must not mix with the JSON
    try:
        made = _loaded(options.model)
        model = made if isinstance(made, (linen.Module, nnx.Module)) else made()
        size = (options.batch, *(int(n) for n in options.input.lower().split("x")))
        key = jax.random.key(options.seed)
        batch = jax.random.randint(key, size, 0, options.tokens) if options.tokens else jax.random.normal(key, size)
        result = measure(model, batch, seed=options.seed)
    finally:
        sys.stdout = out
    sys.stdout.write(printed(result))


if __name__ == "__main__":
    main()
