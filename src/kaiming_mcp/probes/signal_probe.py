"""Probe `signal`: what each layer of a PyTorch model does to signal and gradient, at step 0 and after k steps.

Standalone: it needs torch and nothing else. Three ways to run it.

    from signal_probe import measure, printed           # in your own script, with your data, loss and optimizer
    print(printed(measure(model, batch, loss_fn, target, steps=20, optimizer=optimizer)))

    python signal_probe.py --model my_package.nets:make_model --input 3x32x32 --loss cross_entropy --steps 20 --lr 0.1
    python signal_probe.py --model my_package.nets:Net --tokens 1000 --input 64

Without a loss the gradient of a random cotangent is measured, as theory has it: each output number gets an
independent N(0, 1), divided so that the squares sum to one per sample. Steps need a loss; all of them see the same
batch. One JSON document goes to stdout; paste it into a tool as `measurements`. Weights, buffers, mode, gradients,
the optimizer's state and torch's random state are put back. Only modules are seen: `F.relu` in forward() is not.

Per layer, in order of execution (`layers`: step 0; `times`: step 0 and step k):
  second_moment   E[x^2] of its output            mean, max       E[x], max |x|
  gradient        E[(dL/dx)^2] of its output      gradient_sum    sum over the output per sample, mean over samples
  gradient_max, weight_grad_norm, weight_norm, weight_std, fan_in (where it has a weight)
  update_ratio    |change of the weight| / |weight| of the first step (step 0) and of the last one (step k)
  cosine          mean cosine between the outputs of two samples
  zero, dead      fraction of outputs that are 0, and of units that are 0 for the whole batch
  saturated       fraction of tanh/sigmoid outputs within 2 % of their limits
  half_zero, half_subnormal (weight_half_... for the weight's gradient; with a loss only): fraction of the gradient's
                  nonzero numbers below 6e-8 and below 6.1e-5 once they are multiplied by `loss_scale`
  nonfinite, gradient_nonfinite   numbers that are nan or inf
Of the whole model: `run` (loss and gradient norm at each step), `first_nonfinite` (the first tensor that is nan or
inf, and `after`, the last that was not), and parameters by name: `frozen`, `zero_initialized` (biases aside),
`no_gradient` (the loss does not reach them), `zero_gradient`, `unchanged` (after the steps).
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

SATURATING = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Hardtanh": (-1.0, 1.0), "Hardsigmoid": (0.0, 1.0)}
SATURATED_WITHIN = 0.02
MOST_PAIRS = 64
VERSION = 2
HALF_SMALLEST, HALF_NORMAL = 2.0**-24, 2.0**-14


def measure(
    model: nn.Module,
    batch: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    target: Any = None,
    seed: int = 0,
    steps: int = 0,
    optimizer: torch.optim.Optimizer | None = None,
    lr: float = 0.01,
    loss_scale: float = 1.0,
) -> dict[str, Any]:
    """Passes in train mode at step 0 and after `steps` steps; see the top of the file for what is returned.

    `batch` is a tensor, or a tuple or dict of arguments. `loss_fn(output, target)` is called when given.
    The steps are those of `optimizer`, or of plain SGD at `lr`.
    Raises ValueError when the output holds no tensor, or when steps are asked for without a loss.
    """
    if steps and loss_fn is None:
        raise ValueError("steps need a loss: give loss_fn and target")
    named = dict(model.named_parameters())
    times: list[dict[str, Any]] = []
    run: dict[str, list[Any]] = {"step": [], "loss": [], "gradient_norm": []}
    with _put_back(model, optimizer), _Watch(model) as watch:
        torch.manual_seed(seed)
        model.train()
        stepper = _stepper(model, optimizer, lr) if steps else None
        start = before = _values(named) if steps else {}
        watch.see(_floats(batch), "(batch)", "input", "forward")
        for step in range(steps + 1):
            value = watch.run(batch, loss_fn, target, step)
            run["step"].append(step)
            run["loss"].append(None if loss_fn is None else _number(value))
            run["gradient_norm"].append(_number(_norm([p.grad for p in named.values() if p.grad is not None])))
            if step == 0:
                parameters = _parameters(named)
            if step in (0, steps):
                layers = [_finished(row, None if loss_fn is None else loss_scale) for row in watch.rows]
                times.append({"step": step, "layers": layers})
            if step == steps > 0:
                _add_updates(model, layers, before)
            if step < steps:
                before = _values(named) if step in (0, steps - 1) else before
                if stepper is not None:
                    stepper.step()
                if step == 0:
                    _add_updates(model, layers, before)
        if steps:
            parameters["unchanged"] = [n for n, p in named.items() if p.requires_grad and torch.equal(p, start[n])]
    return {
        "probe": "signal",
        "version": VERSION,
        "torch": torch.__version__,
        "model": type(model).__name__,
        "dtype": str(next((p.dtype for p in named.values()), torch.get_default_dtype())).replace("torch.", ""),
        "cotangent": "random" if loss_fn is None else "loss",
        "loss": run["loss"][0],
        "gradient_norm": run["gradient_norm"][0],
        "samples": _samples(batch),
        "parameters": sum(p.numel() for p in named.values()),
        "loss_scale": loss_scale,
        **({"optimizer": type(stepper).__name__, "lr": float(stepper.param_groups[0]["lr"])} if stepper else {}),
        **parameters,
        "first_nonfinite": watch.first,
        "layers": times[0]["layers"],
        **({"run": run, "times": times} if steps else {}),
    }


def _stepper(model: nn.Module, optimizer: torch.optim.Optimizer | None, lr: float) -> torch.optim.Optimizer | None:
    moving = [p for p in model.parameters() if p.requires_grad]
    return optimizer or (torch.optim.SGD(moving, lr=lr) if moving else None)


def _values(named: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in named.items()}


@contextmanager
def _put_back(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> Iterator[None]:
    """Everything that passes and steps change, as it was; the optimizer works on copies of its state."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    mode = {m: m.training for m in model.modules()}
    buffers = {m: dict(m._buffers) for m in model.modules()}
    groups = [] if optimizer is None else [dict(group) for group in optimizer.param_groups]
    held = dict.fromkeys((*model.parameters(), *(p for group in groups for p in group["params"])))
    grads = {p: p.grad for p in held}
    values = [(t, t.detach().clone()) for t in (*held, *model.buffers())]
    if optimizer is not None:
        state = optimizer.state
        optimizer.state = defaultdict(dict, {p: copy.deepcopy(own) for p, own in state.items()})
    with torch.random.fork_rng(devices=devices):
        try:
            for parameter in held:
                parameter.grad = None
            yield
        finally:
            with torch.no_grad():
                for tensor, value in values:
                    tensor.copy_(value)
            for parameter, grad in grads.items():
                parameter.grad = grad
            for module, training in mode.items():
                module.training = training
                module._buffers.update(buffers[module])
            if optimizer is not None:
                optimizer.state = state
                for group, own in zip(optimizer.param_groups, groups, strict=True):
                    group.clear()
                    group.update(own)


class _Watch:
    """Hooks on every leaf: a row per call of the last pass, and the first tensor of all passes that is not finite."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.rows: list[dict[str, Any]] = []
        self.first: dict[str, Any] | None = None
        self.step = 0
        self._finite = ""
        self._handles: list[Any] = []

    def __enter__(self) -> _Watch:
        for name, module in self.model.named_modules():
            if _is_leaf(module) and ".parametrizations." not in f".{name}.":
                self._handles.append(module.register_forward_hook(self._recorder(name or "(model)")))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def run(self, batch: Any, loss_fn: Callable[[Any, Any], Any] | None, target: Any, step: int) -> float:
        """One forward and one backward pass; the value of the objective."""
        self.step, self.rows = step, []
        for name, parameter in self.model.named_parameters():
            parameter.grad = None
            self.see([parameter], name, "parameter", "before the pass")
        with torch.enable_grad():
            output = _call(self.model, batch)
            value = _objective(output, loss_fn, target)
            self.see(_floats(output), "(model)", "output", "forward")
            self.see([value], "(loss)", "output", "forward")
            if value.requires_grad:
                value.backward()
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                self.see([parameter.grad], name, "gradient of the parameter", "backward")
        return value.item()

    def see(self, tensors: list[torch.Tensor], name: str, what: str, when: str, kind: str = "") -> None:
        """Take note of the first tensor that is not finite."""
        if self.first is not None:
            return
        for tensor in tensors:
            if not torch.isfinite(tensor).all():
                value = "nan" if torch.isnan(tensor).any() else "inf"
                self.first = {"step": self.step, "pass": when, "tensor": what, "name": name, "type": kind}
                self.first |= {"value": value, "after": self._finite or None}
                return
        if when != "before the pass":
            self._finite = f"{what} of {name}"

    def _recorder(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            kind, floats = type(module).__name__, _floats(output)
            if not floats:
                return
            self.see(_floats(inputs), name, "input", "forward", kind)
            self.see(floats, name, "output", "forward", kind)
            value = floats[0]
            row: dict[str, Any] = {"name": name, "type": kind}
            row["call"] = 1 + sum(other["name"] == name for other in self.rows)
            row["shape"] = list(value.shape[1:])
            row.update(_statistics(value.detach(), kind))
            row["_weight"] = _weight(module)
            self.rows.append(row)

            def keep(gradient: torch.Tensor) -> None:
                row["_gradient"] = gradient.detach()
                self.see([gradient], name, "gradient of the output", "backward", kind)

            if value.requires_grad:
                # The hook sees the gradient also where an in-place operation follows.
                value.register_hook(keep)

        return hook


def _is_leaf(module: nn.Module) -> bool:
    # Attention of torch holds a projection that it does not call; a parametrized layer holds its parametrization.
    return isinstance(module, nn.MultiheadAttention) or all(n == "parametrizations" for n, _ in module.named_children())


def _weight(module: nn.Module) -> torch.Tensor | None:
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor):
        return weight
    return max(module.parameters(recurse=False), key=torch.numel, default=None)


def _call(model: nn.Module, batch: Any) -> Any:
    if isinstance(batch, dict):
        return model(**batch)
    if isinstance(batch, (tuple, list)):
        return model(*batch)
    return model(batch)


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if value is None:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [t for item in value for t in _tensors(item)]
    return [t for name in ("logits", "last_hidden_state") for t in _tensors(getattr(value, name, None))]


def _floats(value: Any) -> list[torch.Tensor]:
    return [t for t in _tensors(value) if t.is_floating_point()]


def _objective(output: Any, loss_fn: Callable[[Any, Any], Any] | None, target: Any) -> torch.Tensor:
    if loss_fn is not None:
        return loss_fn(output, target)
    floats = _floats(output)
    if not floats:
        raise ValueError("the model's output holds no tensor of floats: give loss_fn")
    first = floats[0]
    cotangent = torch.randn(first.shape, device=first.device, dtype=torch.float32)
    return (first.float() * cotangent).sum() / math.sqrt(max(1, first[0].numel()))


def _statistics(x: torch.Tensor, kind: str) -> dict[str, Any]:
    good = torch.isfinite(x)
    bad = x.numel() - int(good.sum())
    x = torch.where(good, x, torch.zeros_like(x)).double()
    flat = x.reshape(len(x), -1) if x.ndim > 1 else x.reshape(-1, 1)
    zero = flat == 0
    result: dict[str, Any] = {
        "second_moment": _number(x.pow(2).mean().item()),
        "mean": _number(x.mean().item()),
        "max": _number(x.abs().max().item()) if x.numel() else None,
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


def _finished(row: dict[str, Any], loss_scale: float | None) -> dict[str, Any]:
    weight, gradient = row.pop("_weight"), row.pop("_gradient", None)
    if gradient is not None:
        squares = gradient.double().pow(2)
        # Per sample of the loss as it was given: a mean over B samples makes it smaller by B^2.
        row["gradient"] = _number(squares.mean().item())
        row["gradient_sum"] = _number(squares.sum().item() / max(1, len(gradient)))
        row["gradient_max"] = _number(gradient.abs().max().item()) if gradient.numel() else None
        row["gradient_nonfinite"] = int((~torch.isfinite(gradient)).sum())
        row.update(_half("", gradient, loss_scale))
    if weight is not None:
        data = weight.detach().double()
        row["weight_norm"] = _number(data.norm().item())
        row["weight_std"] = _number(data.std(correction=0).item())
        if weight.ndim > 1:
            row["fan_in"] = weight[0].numel()
        if weight.is_leaf and weight.grad is not None:
            row["weight_grad_norm"] = _number(_norm([weight.grad]))
            row.update(_half("weight_", weight.grad, loss_scale))
    return row


def _half(prefix: str, gradient: torch.Tensor, loss_scale: float | None) -> dict[str, float | None]:
    """What float16 would lose; without a loss the size of a gradient means nothing."""
    if loss_scale is None:
        return {}
    sizes = gradient.detach().double().abs()
    sizes = sizes[sizes > 0] * loss_scale
    limits = {"half_zero": HALF_SMALLEST, "half_subnormal": HALF_NORMAL}
    return {prefix + key: _number((sizes < limit).double().mean().item()) for key, limit in limits.items()}


def _add_updates(model: nn.Module, rows: list[dict[str, Any]], before: dict[str, torch.Tensor]) -> None:
    names = {id(p): name for name, p in model.named_parameters()}
    for row in rows:
        weight = _weight(model.get_submodule("" if row["name"] == "(model)" else row["name"]))
        if weight is not None and id(weight) in names:
            old = before[names[id(weight)]].double()
            row["update_ratio"] = _ratio((weight.detach().double() - old).norm().item(), old.norm().item())


def _parameters(named: dict[str, nn.Parameter]) -> dict[str, list[str]]:
    def zero(tensor: torch.Tensor) -> bool:
        return not bool(tensor.any())

    return {
        "frozen": [name for name, p in named.items() if not p.requires_grad],
        "zero_initialized": [name for name, p in named.items() if not name.endswith("bias") and zero(p.detach())],
        "no_gradient": [name for name, p in named.items() if p.requires_grad and p.grad is None],
        "zero_gradient": [name for name, p in named.items() if p.grad is not None and zero(p.grad)],
    }


def _norm(tensors: list[torch.Tensor]) -> float:
    return math.sqrt(sum(t.double().pow(2).sum().item() for t in tensors))


def _ratio(part: float, whole: float) -> float | None:
    return _number(part / whole) if whole else None


def _number(x: float) -> float | None:
    return float(f"{x:.6g}") if math.isfinite(x) else None


def _samples(batch: Any) -> int | None:
    tensors = _tensors(batch)
    return len(tensors[0]) if tensors and tensors[0].ndim else None


def printed(document: dict[str, Any]) -> str:
    """The document as JSON, a layer a line."""

    def text(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n" + ",\n".join(text(item) for item in value) + "\n]"
        if isinstance(value, dict) and "layers" in value:
            return "{" + ",\n".join(f"{json.dumps(key)}: {text(item)}" for key, item in value.items()) + "}"
        return json.dumps(value, allow_nan=False)

    return text(document) + "\n"


def _loaded(text: str) -> nn.Module:
    module, _, name = text.partition(":")
    if not module or not name:
        raise SystemExit("--model must read package.module:name, such as my_package.nets:make_model")
    sys.path.insert(0, str(Path.cwd()))
    made = getattr(importlib.import_module(module), name)
    return made if isinstance(made, nn.Module) else made()


def _loss(kind: str, classes: int, seed: int) -> Callable[[Any, Any], torch.Tensor]:
    """A loss against random targets, the same at every step."""

    def loss_fn(output: Any, _: Any) -> torch.Tensor:
        value, generator = _floats(output)[0], torch.Generator().manual_seed(seed)
        if kind == "mse":
            return nn.functional.mse_loss(value, torch.randn(value.shape, generator=generator).to(value))
        axis = 1 if value.ndim > 3 or value.shape[-1] != (classes or value.shape[-1]) else value.ndim - 1
        value = value.movedim(axis, -1)
        target = torch.randint(0, classes or value.shape[-1], value.shape[:-1], generator=generator)
        return nn.functional.cross_entropy(value.flatten(0, -2), target.flatten().to(value.device))

    return loss_fn


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measure signal and gradient per layer of a PyTorch model.")
    parser.add_argument("--model", required=True, help="package.module:name of a model, a class or a function")
    parser.add_argument("--input", required=True, help="size of one sample, such as 3x32x32, 784, or 64 tokens")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=0, help="vocabulary size: the input is token ids below it")
    parser.add_argument("--seed", type=int, default=0, help="of the input and, before it, of the model's weights")
    parser.add_argument(
        "--loss", choices=["mse", "cross_entropy"], help="against random targets (default: a cotangent)"
    )
    parser.add_argument("--classes", type=int, default=0, help="of cross_entropy (default: the outputs of the model)")
    parser.add_argument("--steps", type=int, default=0, help="steps of SGD before the second measurement; needs --loss")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument(
        "--loss-scale", type=float, default=1.0, help="by which float16 training would multiply the loss"
    )
    options = parser.parse_args(arguments)
    if options.steps and not options.loss:
        parser.error("--steps needs --loss")
    torch.manual_seed(options.seed)
    out, sys.stdout = sys.stdout, sys.stderr  # what the model prints must not mix with the JSON
    try:
        model = _loaded(options.model)
        size = (options.batch, *(int(n) for n in options.input.lower().split("x")))
        batch = torch.randint(0, options.tokens, size) if options.tokens else torch.randn(size)
        loss_fn = _loss(options.loss, options.classes, options.seed) if options.loss else None
        result = measure(
            model, batch, loss_fn, seed=options.seed, steps=options.steps, lr=options.lr, loss_scale=options.loss_scale
        )
    finally:
        sys.stdout = out
    sys.stdout.write(printed(result))


if __name__ == "__main__":
    main()
