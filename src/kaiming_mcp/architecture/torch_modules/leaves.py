"""A printed leaf as a layer, by its class or by what its class's name says."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Conv, Layer, Norm, Op, Opaque, Origin, Pool, Reshape, Scale
from kaiming_mcp.architecture.torch_modules.arguments import Arguments, Make
from kaiming_mcp.architecture.torch_modules.weighted import WEIGHTED, norm
from kaiming_mcp.architecture.torch_modules.weightless import PARAMETER_FREE, WEIGHTLESS, plain
from kaiming_mcp.architecture.torch_repr import Module

_EMPTY = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})
_PARAMETER = re.compile(r"of size (\d{1,9}(?:x\d{1,9}){0,9})\b")

NO_PARAMETERS = re.compile(
    r"(Rotary\w*Embedding\w*|Permute|Rearrange|NoneType|BlurPool2d|\w*SamePadLayer|RoIAlign|AnchorGenerator|"
    r"Chomp1d|DefaultBoxGenerator|GeneralizedRCNNTransform|LastLevelMaxPool|Window(Dep|P)artition|SwapAxes)$"
)
"""Custom leaves that are known to hold nothing trainable, by the end of their class name."""

_FIXED = re.compile(r"\w*Sinusoid\w*|\w*SinePositionEmbedding")
"""Encodings that are computed and not learned; one that prints sizes is a table of them."""

_GELU, _DROPOUT, _NOTHING = WEIGHTLESS["GELU"], WEIGHTLESS["Dropout"], WEIGHTLESS["Identity"]
_LINEAR, _TABLE, _RMS, _LAYER = (WEIGHTED[cls] for cls in ("Linear", "Embedding", "RMSNorm", "LayerNorm"))


def _selected_pool(text: str) -> Op:
    """SelectAdaptivePool2d of timm: a global average or maximum, or none."""
    kinds: dict[str, Op] = {"avg": Pool("avg"), "max": Pool("max"), "": Reshape("identity")}
    kind = Arguments(text.partition(", flatten")[0]).values.get("pool_type", "avg")
    if kind not in kinds:
        raise ValueError(text)
    return kinds[kind]


def _global_average(_: str) -> Op:
    return Pool("avg")


_BY_NAME: tuple[tuple[re.Pattern[str], Make], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (r"NewGELU\w*|FastGELU\w*|\w*GELUTanh|BloomGelu", plain("gelu_tanh")),
        (r"QuickGELU\w*", plain("quick_gelu")),
        (r"GELUActivation|GELU\w*", _GELU),
        (r"SiLUActivation|\w*Swish\w*", plain("silu")),
        (r"HardSwish\w*", plain("hardswish")),
        (r"HardSigmoid\w*", plain("hardsigmoid")),
        (r"MishActivation", plain("mish")),
        (r"ReLUSquaredActivation|SquaredReLU", plain("relu2")),
        (r"LinearActivation", _NOTHING),
        (r"Sine?", plain("sin")),
        # A block's branch dropped for a whole sample: the same two moments as dropout.
        (r"\w*DropPath|StochasticDepth", _DROPOUT),
        (r"SelectAdaptivePool2d", _selected_pool),
        (r"FastAdaptiveAvgPool\w*", _global_average),
        (r"FrozenBatchNorm2d", norm("batch", affine=False)),
        (r"BatchNormAct2d|BatchNorm2d\w*", WEIGHTED["BatchNorm2d"]),
        (r"GroupNorm\w*", WEIGHTED["GroupNorm"]),
        (r"\w*R[Mm][Ss]Norm(?:2d)?|T5LayerNorm|SimpleNorm(?:2d)?", _RMS),
        (r"\w*LayerNorm\w*", _LAYER),
        (r"\w*Embedding", _TABLE),
        (r"(?:Std)?Conv2dSame|StdConv2d|\w*DepthwiseConv2d|LoRACompatibleConv", WEIGHTED["Conv2d"]),
        (r"Conv3D\w+", WEIGHTED["Conv3d"]),
        (r"Linear4bit|Linear8bitLt|FalconLinear|LoRACompatibleLinear", _LINEAR),
    )
)


# Subclasses of torch's own layers that print its arguments and hold its weights.
_SUBCLASS = re.compile(
    r"(?:Causal|Masked|Dynamic|Static|Quantized|Padded|Same|WS|WeightStandardized|[A-Z][a-z]\w*Former)+"
    rf"({'|'.join(WEIGHTED)})"
)


def _by_name(cls: str) -> Make | None:
    """Classes of transformers, torchvision, timm and others whose name says what they are."""
    if subclass := _SUBCLASS.fullmatch(cls):
        return WEIGHTED[subclass[1]]
    return next((make for pattern, make in _BY_NAME if pattern.fullmatch(cls)), None)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A leaf with parameters that it does not print; `layered` where the layer holds them."""

    layer: Layer
    count: int
    what: str
    layered: bool = True
    assumed: str = ""


def sizeless(module: Module, path: str, width: int) -> Hidden | None:
    """A leaf that prints no size, at a place where `width` features arrive; None for any other.

    Sources: timm.layers (LayerScale, GlobalResponseNorm, Affine, ScaledStdConv2d), timm.models.metaformer (Scale),
    transformers.models.t5 (T5LayerNorm), dinov2 (Dinov2LayerScale), and in older versions llama (LlamaRMSNorm).
    """
    cls, origin = module.cls, Origin(module.line, module.text)
    if module.children:
        return None
    if cls.startswith("ScaledStdConv2d"):
        try:
            conv = WEIGHTED["Conv2d"](module.arguments)
        except ValueError:
            return None
        assert isinstance(conv, Conv)
        layer = Layer(conv, path, origin, "assumed", "he")
        text = (
            "is 1 at the start; the kernels are standardized when called, with a factor for the activation that is not "
            "printed, so that they are taken as He"
        )
        return Hidden(layer, conv.out_channels, "gain", layered=False, assumed=text)
    if module.arguments and (known := _at_run_time(module, path)) is not None:
        return known
    if module.arguments or not width:
        return None
    if cls == "ScaleNorm":
        text = "taken as its root mean square times one number, 1 at the start (g = sqrt(width) over the plain length)"
        layer = Layer(Norm("rms", width, affine=False, bias=False), path, origin, "assumed")
        return Hidden(layer, 1, "length", layered=False, assumed=text)
    found: tuple[Op, int, str, str] | None = None
    if cls.endswith("T5LayerNorm") or cls.endswith("RMSNorm"):
        found = (Norm("rms", width, 1e-6, bias=False), width, "weight", "")
    elif cls == "OlmoLayerNorm":
        found = (Norm("layer", width, affine=False), 0, "weight", "")
    elif cls in {"DebertaLayerNorm", "CohereLayerNorm", "Cohere2LayerNorm", "ConvNextLayerNorm"}:
        bias = not cls.startswith("Cohere")
        found = (Norm("layer", width, bias=bias), width * (1 + bias), "weight and bias" if bias else "weight", "")
    elif cls.endswith(("LayerScale", "LayerScale2d")) or cls == "Scale":
        start = 1.0 if cls.startswith("Dinov2") else 1e-5
        found = (Scale(start, width), width, "weight", f"{start:g} at the start, the usual default")
    elif cls.endswith(("GlobalResponseNorm", "GRN")):
        found = (Scale(1.0, 2 * width), 2 * width, "weight and bias", "both 0 at the start, so that it is the identity")
    elif cls == "Affine":
        found = (Scale(1.0, 2 * width), 2 * width, "alpha and beta", "1 and 0 at the start")
    elif cls.endswith(("LayerNorm", "LayerNorm2d")):
        found = (Norm("layer", width), 2 * width, "weight and bias", "counted, though it may have no bias parameters")
    if found is None:
        return None
    op, count, what, assumed = found
    return Hidden(Layer(op, path, origin, "assumed"), count, what, True, assumed)


_RUN_TIME: tuple[tuple[re.Pattern[str], str, str, str], ...] = (
    (
        re.compile(r"Equal(?:ized)?_?(?:Linear|Dense|Conv2d)"),
        "lecun",
        "weights",
        "taken as N(0, 1) times 1/sqrt(fan_in) at run time; a bias is assumed, and an activation inside is not printed",
    ),
    (
        re.compile(r"GCNConv"),
        "xavier",
        "weights",
        "taken as one matrix, Glorot at the start; the mean over neighbours is taken to change nothing, and makes "
        "E[x²] smaller by up to their number where neighbours differ",
    ),
)
"""Classes with the start that their weights have in effect, and what is taken.

Sources: Karras et al. 2018 (equalized learning rate), Kipf and Welling 2017, torch_geometric.nn.GCNConv.
"""


def _at_run_time(module: Module, path: str) -> Hidden | None:
    """A layer that scales or averages when it is called; None for any other, or for arguments not understood."""
    found = next((row for row in _RUN_TIME if row[0].fullmatch(module.cls)), None)
    if found is None:
        return None
    _, start, what, assumed = found
    try:
        op = WEIGHTED["Conv2d" if module.cls.endswith("Conv2d") else "Linear"](module.arguments)
    except ValueError:
        return None
    layer = Layer(op, path, Origin(module.line, module.text), "assumed", start)
    return Hidden(layer, 0, what, assumed=assumed)


def to_layer(module: Module, path: str) -> Layer:
    """A printed leaf as a layer; Opaque when its class or its arguments are not understood."""
    cls, origin = module.cls, Origin(module.line, module.text)
    if cls in _EMPTY and not module.arguments:
        return Layer(Reshape("identity"), path, origin)
    if cls == "Parameter" and (size := _PARAMETER.search(module.arguments)):
        count = math.prod(int(n) for n in size[1].split("x"))
        return Layer(Opaque(cls, module.arguments, count), path, origin)
    if _FIXED.fullmatch(cls) and not module.arguments:
        return Layer(Reshape("identity"), path, origin, "assumed")
    make = WEIGHTED.get(cls) or WEIGHTLESS.get(cls)
    implied = None if make else _by_name(cls)
    op: Op = Opaque(cls, module.arguments, 0 if cls in WEIGHTLESS or cls in PARAMETER_FREE else None)
    if make := make or implied:
        try:
            op = make(module.arguments)
        except ValueError:
            implied = None
    return Layer(op, path, origin, "assumed" if implied else "read")


def is_known(cls: str) -> bool:
    """Whether the class is known here."""
    known = cls in WEIGHTED or cls in WEIGHTLESS or cls in PARAMETER_FREE or cls in _EMPTY
    return known or _by_name(cls) is not None
