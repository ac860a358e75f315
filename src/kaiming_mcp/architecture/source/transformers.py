"""nn.MultiheadAttention and the transformer layers of torch.nn, whose forward() is torch's own.

Source: torch/nn/modules/transformer.py and activation.py (PyTorch 2).
"""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Dropout,
    Layer,
    Linear,
    Node,
    Norm,
    Opaque,
    Repeat,
    Residual,
    Sequence,
)
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.values import Known, Object, Unknown, Value, number, whole, written
from kaiming_mcp.architecture.torch_modules import to_layer

TRANSFORMERS = frozenset(
    "MultiheadAttention TransformerEncoderLayer TransformerDecoderLayer TransformerEncoder TransformerDecoder "
    "Transformer".split()
)


def build(machine: Machine, module: Object, *, causal: bool = False) -> Node:
    """The module as a node; Opaque where a size is not known."""
    cls = module.base.rpartition(".")[2]
    builder = _Builder(machine, module, causal)
    try:
        return builder.node(cls)
    except ValueError:
        shown = ", ".join(f"{k}={written(v)}" for k, v in module.arguments.items())
        return builder.layer(Opaque(cls, shown))


def modules_in(module: Object) -> int:
    """How many modules torch makes of it, itself included."""
    cls, arguments = module.base.rpartition(".")[2], module.arguments
    function = isinstance(arguments.get("activation", ""), str | Known)
    encoder, decoder = 10 + (not function), 14 + (not function)
    match cls:
        case "MultiheadAttention":
            return 2
        case "TransformerEncoderLayer":
            return encoder
        case "TransformerDecoderLayer":
            return decoder
        case "TransformerEncoder" | "TransformerDecoder":
            inner = arguments.get("encoder_layer", arguments.get("decoder_layer"))
            one = modules_in(inner) if isinstance(inner, Object) and inner is not module else 0
            return 2 + one * (whole(arguments.get("num_layers")) or 0) + isinstance(arguments.get("norm"), Object)
        case "Transformer":
            counts = [whole(arguments.get(f"num_{k}_layers", 6)) or 0 for k in ("encoder", "decoder")]
            return 7 + counts[0] * encoder + counts[1] * decoder
        case _:
            return 1


class _Builder:
    """Builds one module and what it holds."""

    def __init__(self, machine: Machine, module: Object, causal: bool) -> None:
        self.machine, self.module, self.arguments, self.causal = machine, module, module.arguments, causal
        self.path, self.origin = module.path, machine.origin(module.line)

    def node(self, cls: str) -> Node:
        match cls:
            case "MultiheadAttention":
                return self._attention("", self.whole("embed_dim"), self.whole("num_heads"), self.causal)
            case "TransformerEncoderLayer":
                return self._layer(decoder=False)
            case "TransformerDecoderLayer":
                return self._layer(decoder=True)
            case "TransformerEncoder" | "TransformerDecoder":
                return self._stack(cls == "TransformerDecoder")
            case _:
                return self._transformer()

    def layer(self, op: Activation | Attention | Dropout | Linear | Norm | Opaque, name: str = "") -> Layer:
        return Layer(op, f"{self.path}.{name}".strip("."), self.origin)

    def whole(self, name: str, default: int = 0) -> int:
        value = whole(self.arguments.get(name, default))
        if value is None or not 0 < value < 10**9:
            raise ValueError(name)
        return value

    def real(self, name: str, default: float) -> float:
        value = number(self.arguments.get(name, default))
        if value is None:
            raise ValueError(name)
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.arguments.get(name, default)
        if isinstance(value, Unknown):
            self.machine.assume(
                f"line {self.module.line}: {name} = {value.text} is not known, {default} is torch's default",
                f"the value of {value.text}",
            )
            return default
        return bool(value)

    def _attention(self, name: str, width: int, heads: int, causal: bool) -> Layer:
        bias = self.flag("bias", True)
        key, value = (self.arguments.get(k) or width for k in ("kdim", "vdim"))
        key, value = whole(key), whole(value)
        if key is None or value is None:
            raise ValueError("kdim")
        extra = (key + value - 2 * width) * width + 2 * width * bool(self.arguments.get("add_bias_kv"))
        return self.layer(Attention(width, heads, 0, bias, extra, packed=True, causal=causal), name)

    def _layer(self, decoder: bool) -> Node:
        width, heads = self.whole("d_model"), self.whole("nhead")
        wide, bias = self.whole("dim_feedforward", 2048), self.flag("bias", True)
        rate, eps = self.real("dropout", 0.1), self.real("layer_norm_eps", 1e-5)
        first = self.flag("norm_first", False)
        branches: list[tuple[str, list[Node]]] = [
            ("self_attn", [self._attention("self_attn", width, heads, self.causal or decoder), *self._drop(rate)])
        ]
        if decoder:
            branches.append(
                ("multihead_attn", [self._attention("multihead_attn", width, heads, False), *self._drop(rate)])
            )
            self.machine.assume(
                "TransformerDecoderLayer: its second attention takes keys and values from the memory; the tree shows "
                "it as self-attention of the same sizes",
                "nothing: sizes and parameters are the same",
            )
        branches.append(
            (
                "linear2",
                [
                    self.layer(Linear(width, wide, bias), "linear1"),
                    self.layer(self._activation(), "activation"),
                    *self._drop(rate),
                    self.layer(Linear(wide, width, bias), "linear2"),
                    *self._drop(rate),
                ],
            )
        )
        steps = list[Node]()
        for i, (name, branch) in enumerate(branches):
            norm = self.layer(Norm("layer", width, eps, True, bias), f"norm{i + 1}")
            path = f"{self.path}.{name}".strip(".")
            inner = (norm, *branch) if first else tuple(branch)
            steps.append(Residual(Sequence(inner), None, 1.0, path))
            if not first:
                steps.append(norm)
        return Sequence(tuple(steps), self.path)

    def _drop(self, rate: float) -> list[Node]:
        return [self.layer(Dropout(rate), "dropout")] if rate else []

    def _activation(self) -> Activation:
        value: Value = self.arguments.get("activation", "relu")
        name = written(value) if isinstance(value, str | Known | Object) else ""
        if name.lower() not in {"relu", "gelu", "silu", "tanh"}:
            raise ValueError(name)
        return Activation(name.lower())

    def _stack(self, decoder: bool) -> Node:
        inner = self.arguments.get("decoder_layer" if decoder else "encoder_layer")
        if not isinstance(inner, Object):
            raise ValueError("encoder_layer")
        path = f"{self.path}.layers".strip(".")
        layer = Object(None, inner.base, {}, None, inner.arguments, path, inner.line)
        body = build(self.machine, layer, causal=self.causal)
        steps: list[Node] = [Repeat(min(self.whole("num_layers"), 10_000), body, path, identical=True)]
        norm = self.arguments.get("norm")
        if isinstance(norm, Object) and norm.printed is not None:
            steps.append(to_layer(norm.printed, f"{self.path}.norm".strip(".")))
        return Sequence(tuple(steps), self.path)

    def _transformer(self) -> Node:
        width = self.whole("d_model", 512)
        shared: dict[str, Value] = {"d_model": 512, "nhead": 8, **self.arguments}
        parts = list[Node]()
        for kind in ("encoder", "decoder"):
            base = f"torch.nn.Transformer{kind.capitalize()}Layer"
            layer = Object(None, base, {}, None, shared, f"{self.path}.{kind}.layers".strip("."), self.module.line)
            body = build(self.machine, layer)
            if isinstance(body, Layer):
                raise ValueError(kind)
            norm = self.layer(Norm("layer", width, self.real("layer_norm_eps", 1e-5)), f"{kind}.norm")
            count = min(self.whole(f"num_{kind}_layers", 6), 10_000)
            # Unlike a single stack, nn.Transformer draws every matrix anew after copying.
            parts.append(Sequence((Repeat(count, body), replace(norm))))
        self.machine.assume(
            "nn.Transformer: decoder after encoder in one chain; the decoder's own input is not shown",
            "the layer notation for either part",
        )
        return Sequence(tuple(parts), self.path)
