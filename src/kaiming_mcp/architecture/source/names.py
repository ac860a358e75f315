"""Names that a text brings in: imports under their full names, and what pastes use without importing it."""

from __future__ import annotations

import ast
import builtins

from kaiming_mcp.architecture.source.torch_calls import is_class_of_torch
from kaiming_mcp.architecture.source.values import Known, Unknown, Value

USUAL = {
    "nn": "torch.nn",
    "F": "torch.nn.functional",
    "torch": "torch",
    "math": "math",
    "np": "numpy",
    "numpy": "numpy",
    "init": "torch.nn.init",
    "tf": "tensorflow",
    "keras": "keras",
    "layers": "keras.layers",
    "OrderedDict": "collections.OrderedDict",
    "partial": "functools.partial",
    "rearrange": "einops.rearrange",
    "repeat": "einops.repeat",
    "checkpoint": "torch.utils.checkpoint.checkpoint",
    "deepcopy": "copy.deepcopy",
    "trunc_normal_": "torch.nn.init.trunc_normal_",
    "Parameter": "torch.nn.Parameter",
    "spectral_norm": "torch.nn.utils.spectral_norm",
    "weight_norm": "torch.nn.utils.weight_norm",
    "summary": "torchinfo.summary",
}
"""Names that pastes use without importing them."""
_ALIASES = (
    ("torch.nn.modules.", "torch.nn."),
    ("torch.nn.parameter.", "torch.nn."),
    ("tensorflow.keras", "keras"),
    ("tensorflow.python.keras", "keras"),
    ("tf_keras", "keras"),
    ("keras.api.", "keras."),
    ("torch.special.", "torch."),
)


_FUNCTIONS = frozenset({"add", "concatenate", "multiply", "average", "subtract"})
_KERAS = frozenset(
    "Dense Conv1D Conv2D Conv3D MaxPooling1D MaxPooling2D AveragePooling2D GlobalAveragePooling2D BatchNormalization "
    "Activation SimpleRNN Bidirectional TimeDistributed LayerNormalization Concatenate Conv2DTranspose Input "
    "Convolution1D Convolution2D Convolution3D MaxPooling3D AveragePooling1D AveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalAveragePooling1D UpSampling1D UpSampling2D ZeroPadding2D SeparableConv2D "
    "DepthwiseConv2D RepeatVector SpatialDropout1D SpatialDropout2D".split()
)
"""Classes of Keras that pastes use without importing them, and that torch does not have."""


def full(name: str) -> str:
    """A full name without detours: torch.nn.modules.conv.Conv2d is torch.nn.Conv2d."""
    for long, short in _ALIASES:
        if name == long.rstrip(".") or name.startswith(long if long.endswith(".") else f"{long}."):
            name = short + name[len(long) :]
            if short == "torch.nn.":
                name = short + name.rpartition(".")[2]
    if name.startswith("keras.") and name.rpartition(".")[2] in {"Sequential", "Model", "Input"}:
        return f"keras.{name.rpartition('.')[2]}"
    return name


def imported(node: ast.Import | ast.ImportFrom) -> dict[str, Value]:
    """The names that an import binds."""
    found = dict[str, Value]()
    if isinstance(node, ast.Import):
        for alias in node.names:
            bound = alias.asname or alias.name.split(".")[0]
            found[bound] = Known(full(alias.name if alias.asname else bound))
        return found
    source = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*" and full(source).startswith("keras"):
            found["*"] = Known("keras.layers")
        elif alias.name != "*":
            found[alias.asname or alias.name] = Known(full(f"{source}.{alias.name}".lstrip(".")))
    return found


def usual(name: str, star: Value = None) -> Value:
    """A name that nothing in the text binds; `star` is a library all of whose names are imported."""
    if isinstance(star, Known) and not hasattr(builtins, name) and (name[:1].isupper() or name in _FUNCTIONS):
        return Known(full(f"{star.name}.{name}"))
    if name in USUAL:
        return Known(USUAL[name])
    if name == "__name__":
        return "__main__"
    if hasattr(builtins, name):
        return Known(f"builtins.{name}")
    if name in _KERAS:
        return Known(f"keras.layers.{name}" if name not in {"Sequential", "Model", "Input"} else f"keras.{name}")
    if is_class_of_torch(name):
        return Known(f"torch.nn.{name}")
    return Unknown(name)
