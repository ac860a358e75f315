"""Probe `signal`: what each layer of a PyTorch model does to the signal and the gradient, on one batch.

Standalone: it needs torch and nothing else. Three ways to run it.

    from signal_probe import measure                    # in your own script, with your data and loss
    print(json.dumps(measure(model, batch, loss_fn, target)))

    python signal_probe.py --model my_package.nets:make_model --input 3x32x32 --batch 32
    python signal_probe.py --model my_package.nets:Net --tokens 1000 --input 64

Without a loss the gradient of a random cotangent is measured, as theory has it: each output number gets an
independent N(0, 1), divided so that the squares sum to one per sample. One JSON document goes to stdout;
paste it into a tool as `measurements`. Weights, buffers, mode, gradients and random state are put back.

Per layer, in order of execution:
  second_moment   E[x^2] of its output            mean            E[x]
  gradient        E[(dL/dx)^2] of its output      gradient_sum    sum over the output per sample, mean over samples
  weight_grad_norm, weight_norm, weight_std, fan_in (where it has a weight)
  cosine          mean cosine between the outputs of two samples
  zero, dead      fraction of outputs that are 0, and of units that are 0 for the whole batch
  saturated       fraction of tanh/sigmoid outputs within 2 % of their limits
  nonfinite, gradient_nonfinite   numbers that are nan or inf
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

SATURATING = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Hardtanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0)}
SATURATED_WITHIN = 0.02
MOST_PAIRS = 64


def measure(
    model: nn.Module,
    batch: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    target: Any = None,
    seed: int = 0,
) -> dict[str, Any]:
    """One forward and one backward pass in train mode; see the top of the file for what is returned.

    `batch` is a tensor, or a tuple or dict of arguments. `loss_fn(output, target)` is called when given.
    Raises ValueError when the output holds no tensor.
    """
    found: list[dict[str, Any]] = []
    handles = []
    leaves = [(name, m) for name, m in model.named_modules() if _is_leaf(m)]
    mode = {m: m.training for m in model.modules()}
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    grads = {p: p.grad for p in model.parameters()}
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        try:
            for parameter in model.parameters():
                parameter.grad = None
            for name, module in leaves:
                handles.append(module.register_forward_hook(_recorder(name, module, found)))
            model.train()
            with torch.enable_grad():
                output = _call(model, batch)
                value = _objective(output, loss_fn, target)
                if value.requires_grad:
                    value.backward()
            layers = [_finished(row) for row in found]
        finally:
            for handle in handles:
                handle.remove()
            for module, training in mode.items():
                module.training = training
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    buffer.copy_(buffers[name])
            for parameter, grad in grads.items():
                parameter.grad = grad
    return {
        "probe": "signal",
        "version": 1,
        "torch": torch.__version__,
        "model": type(model).__name__,
        "dtype": str(next((p.dtype for p in model.parameters()), torch.get_default_dtype())).replace("torch.", ""),
        "cotangent": "random" if loss_fn is None else "loss",
        "loss": None if loss_fn is None else _number(value.item()),
        "samples": _samples(batch),
        "parameters": sum(p.numel() for p in model.parameters()),
        "layers": layers,
    }


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children()) or isinstance(module, nn.MultiheadAttention)


def _call(model: nn.Module, batch: Any) -> Any:
    if isinstance(batch, dict):
        return model(**batch)
    if isinstance(batch, (tuple, list)):
        return model(*batch)
    return model(batch)


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in _tensors(item)]
    return [t for name in ("logits", "last_hidden_state") for t in _tensors(getattr(value, name, None))]


def _objective(output: Any, loss_fn: Callable[[Any, Any], Any] | None, target: Any) -> torch.Tensor:
    if loss_fn is not None:
        return loss_fn(output, target)
    floats = [t for t in _tensors(output) if t.is_floating_point()]
    if not floats:
        raise ValueError("the model's output holds no tensor of floats: give loss_fn")
    first = floats[0]
    cotangent = torch.randn(first.shape, device=first.device, dtype=torch.float32)
    return (first.float() * cotangent).sum() / math.sqrt(max(1, first[0].numel()))


def _recorder(name: str, module: nn.Module, found: list[dict[str, Any]]) -> Callable[..., None]:
    calls = [0]

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        floats = [t for t in _tensors(output) if t.is_floating_point()]
        if not floats:
            return
        calls[0] += 1
        value = floats[0]
        row: dict[str, Any] = {"name": name or "(model)", "type": type(module).__name__, "call": calls[0]}
        row["shape"] = list(value.shape[1:])
        row.update(_statistics(value.detach(), type(module).__name__))
        if value.requires_grad:
            # The hook sees the gradient also where an in-place operation follows.
            value.register_hook(lambda g: row.__setitem__("_gradient", g.detach()))
        row["_module"] = module
        found.append(row)

    return hook


def _statistics(x: torch.Tensor, kind: str) -> dict[str, Any]:
    good = torch.isfinite(x)
    bad = x.numel() - int(good.sum())
    x = torch.where(good, x, torch.zeros_like(x)).double()
    flat = x.reshape(len(x), -1) if x.ndim > 1 else x.reshape(-1, 1)
    zero = flat == 0
    result: dict[str, Any] = {
        "second_moment": _number(x.pow(2).mean().item()),
        "mean": _number(x.mean().item()),
        "cosine": _cosine(flat),
        "zero": _number(zero.double().mean().item()),
        "dead": _number(zero.all(dim=0).double().mean().item()),
        "nonfinite": bad,
    }
    if kind in SATURATING:
        low, high = SATURATING[kind]
        edge = SATURATED_WITHIN * (high - low) / 2
        result["saturated"] = _number(((x < low + edge) | (x > high - edge)).double().mean().item())
    return result


def _cosine(flat: torch.Tensor) -> float | None:
    if len(flat) < 2:
        return None
    some = flat[:MOST_PAIRS]
    unit = some / some.norm(dim=1, keepdim=True).clamp_min(1e-300)
    products = unit @ unit.T
    n = len(some)
    return _number((products.sum() - products.diagonal().sum()).item() / (n * (n - 1)))


def _finished(row: dict[str, Any]) -> dict[str, Any]:
    module, gradient = row.pop("_module"), row.pop("_gradient", None)
    if gradient is not None:
        squares = gradient.double().pow(2)
        # Per sample of the loss as it was given: a mean over B samples makes it smaller by B^2.
        row["gradient"] = _number(squares.mean().item())
        row["gradient_sum"] = _number(squares.sum().item() / max(1, len(gradient)))
        row["gradient_nonfinite"] = int((~torch.isfinite(gradient)).sum())
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor):
        data = weight.detach().double()
        row["weight_norm"] = _number(data.norm().item())
        row["weight_std"] = _number(data.std(correction=0).item())
        if weight.ndim > 1:
            row["fan_in"] = weight[0].numel()
        if weight.grad is not None:
            row["weight_grad_norm"] = _number(weight.grad.double().norm().item())
    return row


def _number(x: float) -> float | None:
    return x if math.isfinite(x) else None


def _samples(batch: Any) -> int | None:
    tensors = _tensors(batch)
    return len(tensors[0]) if tensors and tensors[0].ndim else None


def _loaded(text: str) -> nn.Module:
    module, _, name = text.partition(":")
    if not module or not name:
        raise SystemExit("--model must read package.module:name, such as my_package.nets:make_model")
    sys.path.insert(0, str(Path.cwd()))
    made = getattr(importlib.import_module(module), name)
    return made if isinstance(made, nn.Module) else made()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure signal and gradient per layer of a PyTorch model.")
    parser.add_argument("--model", required=True, help="package.module:name of a model, a class or a function")
    parser.add_argument("--input", required=True, help="size of one sample, such as 3x32x32, 784, or 64 tokens")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=0, help="vocabulary size: the input is token ids below it")
    parser.add_argument("--seed", type=int, default=0, help="of the input and, before it, of the model's weights")
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    out, sys.stdout = sys.stdout, sys.stderr  # what the model prints must not mix with the JSON
    try:
        model = _loaded(options.model)
        size = (options.batch, *(int(n) for n in options.input.lower().split("x")))
        batch = torch.randint(0, options.tokens, size) if options.tokens else torch.randn(size)
        result = measure(model, batch, seed=options.seed)
    finally:
        sys.stdout = out
    json.dump(result, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
