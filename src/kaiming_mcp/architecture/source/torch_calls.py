"""Constructors of torch.nn: what print() would show of the layer, so that both readers share what they know.

Orders of arguments and defaults: torch.nn of PyTorch 2 (modules/linear.py, conv.py, batchnorm.py, ...).
"""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.architecture.ir import Layer, Op, Opaque, Pool, Sequence
from kaiming_mcp.architecture.parameters import parameter_count, total_parameters
from kaiming_mcp.architecture.source.machine import Machine
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS, build
from kaiming_mcp.architecture.source.values import Call, Items, Object, Table, Value, tuple_of, whole, written
from kaiming_mcp.architecture.torch_modules import is_known, to_layer
from kaiming_mcp.architecture.torch_reader import to_network
from kaiming_mcp.architecture.torch_repr import Module

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})
_CONV = "in_channels out_channels kernel_size stride padding"
_ORDERS: tuple[tuple[str, str], ...] = (
    (r"Linear|NonDynamicallyQuantizableLinear", "in_features out_features bias"),
    (r"LazyLinear", "out_features bias"),
    (r"LazyConv\dd", "out_channels kernel_size stride padding dilation groups bias padding_mode"),
    (r"Bilinear", "in1_features in2_features out_features bias"),
    (r"Conv1D", "nf nx"),
    (r"Conv\dd", f"{_CONV} dilation groups bias padding_mode"),
    (r"ConvTranspose\dd", f"{_CONV} output_padding groups bias dilation padding_mode"),
    (r"BatchNorm\dd|SyncBatchNorm|InstanceNorm\dd", "num_features eps momentum affine track_running_stats"),
    (r"GroupNorm", "num_groups num_channels eps affine"),
    (r"LayerNorm", "normalized_shape eps elementwise_affine bias"),
    (r"\w*RMSNorm", "normalized_shape eps elementwise_affine"),
    (r"Embedding(Bag)?", "num_embeddings embedding_dim padding_idx"),
    (r"PReLU", "num_parameters init"),
    (r"RNN", "input_size hidden_size num_layers nonlinearity bias batch_first dropout bidirectional"),
    (r"LSTM|GRU", "input_size hidden_size num_layers bias batch_first dropout bidirectional proj_size"),
    (r"(LSTM|GRU|RNN)Cell", "input_size hidden_size bias"),
    (r"MaxPool\dd", "kernel_size stride padding dilation return_indices ceil_mode"),
    (r"AvgPool\dd", "kernel_size stride padding ceil_mode count_include_pad"),
    (r"Adaptive\w+Pool\dd", "output_size"),
    (r"Upsample", "size scale_factor mode align_corners"),
    (r"Upsampling\w+", "size scale_factor"),
    (r"(Alpha)?Dropout\d?d?|FeatureAlphaDropout", "p inplace"),
    (r"DropPath|StochasticDepth", "p"),
    (r"LeakyReLU", "negative_slope inplace"),
    (r"C?ELU", "alpha inplace"),
    (r"RReLU", "lower upper inplace"),
    (r"Hardtanh", "min_val max_val inplace"),
    (r"Threshold", "threshold value inplace"),
    (r"Softplus", "beta threshold"),
    (r"GELU", "approximate"),
    (r"(Soft|Hard)shrink", "lambd"),
    (r"(Log)?Softmax|Softmin|GLU", "dim"),
    (r"ReLU6?|SELU|SiLU|Mish|Hardswish|Hardsigmoid", "inplace"),
    (r"Flatten", "start_dim end_dim"),
    (r"MultiheadAttention", "embed_dim num_heads dropout bias add_bias_kv add_zero_attn kdim vdim batch_first"),
    (
        r"Transformer(En|De)coderLayer",
        "d_model nhead dim_feedforward dropout activation layer_norm_eps batch_first norm_first bias",
    ),
    (r"TransformerEncoder", "encoder_layer num_layers norm"),
    (r"TransformerDecoder", "decoder_layer num_layers norm"),
    (
        r"Transformer",
        "d_model nhead num_encoder_layers num_decoder_layers dim_feedforward dropout activation custom_encoder "
        "custom_decoder layer_norm_eps batch_first norm_first bias",
    ),
)
_COMPILED: list[tuple[re.Pattern[str], list[str]]] = [(re.compile(p), [*order.split()]) for p, order in _ORDERS]
_TRUSTED = frozenset("torch torchvision timm transformers einops".split())
"""Libraries whose classes mean what their names say."""
_SILENT = frozenset("device dtype inplace track_running_stats momentum sparse max_norm".split())


def construct(machine: Machine, name: str, call: Call, into: Object | None = None) -> Object:
    """A module of a library; `into` is the instance of a class of the text that extends it."""
    cls = name.rpartition(".")[2]
    module = into or Object(None, name, line=call.line)
    module.base = name
    if into is None:
        machine.instances.append(module)
    if cls in CONTAINERS:
        _fill(module, call)
        return module
    arguments = bind(cls, call)
    module.arguments = arguments
    if is_known(cls) and name.split(".", maxsplit=1)[0] not in _TRUSTED:
        machine.assume(
            f"line {call.line}: {name} is taken for torch.nn.{cls}, by its name; what else it holds is not counted",
            f"the source of {name}",
        )
    module.attributes |= {k: _held(cls, k, v) for k, v in arguments.items() if k not in module.attributes}
    if cls not in TRANSFORMERS:
        shown = ", ".join(f"{k}={written(v)}" if k else written(v) for k, v in _shown(arguments))
        module.printed = Module("", cls, shown, line=call.line, text=machine.source(call.line))
    return module


def _held(cls: str, name: str, value: Value) -> Value:
    """An argument as the attribute that it becomes: a convolution keeps one number for each axis."""
    axes = re.search(r"Conv(?:Transpose)?(\d)d", cls)
    if axes and name in {"kernel_size", "stride", "padding", "dilation"} and whole(value) is not None:
        return tuple_of([value] * int(axes[1]))
    return value


def bind(cls: str, call: Call) -> dict[str, Value]:
    """Arguments under their names; those without a known name under their position."""
    order = order_of(cls)
    names = [*order, *(f"#{i}" for i in range(len(order), len(call.values)))]
    return dict(zip(names, call.values, strict=False)) | call.named


def order_of(cls: str) -> list[str]:
    """Names of the arguments of a class by position."""
    return next((order for pattern, order in _COMPILED if pattern.fullmatch(cls)), list[str]())


def _shown(arguments: dict[str, Value]) -> list[tuple[str, Value]]:
    return [("" if k.startswith("#") else k, v) for k, v in arguments.items() if k not in _SILENT]


def _fill(module: Object, call: Call) -> None:
    """Children of a container: given one by one, as a list, or by name."""
    values = call.values
    if len(values) == 1 and isinstance(values[0], Table):
        for key, value in values[0].values.items():
            module.attributes[str(key)] = value
        return
    if len(values) == 1 and isinstance(values[0], Items):
        values = values[0].values
        if values and all(isinstance(v, Items) and len(v.values) == 2 for v in values):
            for pair in values:
                assert isinstance(pair, Items)
                module.attributes[str(pair.values[0])] = pair.values[1]
            return
    for value in values:
        append(module, value)


def append(module: Object, value: Value) -> None:
    """One more child of a container, under the next number."""
    at = len(module.attributes)
    while str(at) in module.attributes:
        at += 1
    module.attributes[str(at)] = value


def leaf(module: Object) -> Layer | None:
    """The layer that a printed module is."""
    if module.printed is None or module.printed.children:
        return None
    layer = to_layer(module.printed, module.path)
    root = module.base.split(".")[0]
    if root == "einops":
        return replace(layer, op=_einops(module))
    return layer if root in _TRUSTED else replace(layer, basis="assumed")


def _einops(module: Object) -> Op:
    """Layers of einops hold nothing; Reduce takes a mean or a maximum over positions."""
    how = module.arguments.get("#1", module.arguments.get("reduction"))
    if module.base.endswith("Reduce") and how in {"mean", "max"}:
        return Pool("avg" if how == "mean" else "max")
    return Opaque(module.title, module.printed.arguments if module.printed else "", 0)


def held(machine: Machine, module: Object) -> int:
    """Parameters of one module of torch, its children of the text excluded."""
    layer = leaf(module)
    if layer is not None:
        return parameter_count(layer.op) or 0
    if module.printed is not None:
        return total_parameters(to_network(module.printed).root)
    if module.base.rpartition(".")[2] in TRANSFORMERS:
        return total_parameters(Sequence((build(machine, module),)))
    return 0


def is_class_of_torch(name: str) -> bool:
    """Whether a bare name is a class that `from torch.nn import *` brings."""
    known = is_known(name) or name in TRANSFORMERS or name in CONTAINERS or name == "Module"
    return known and name[:1].isupper() and name not in {"None", "Parameter"}
