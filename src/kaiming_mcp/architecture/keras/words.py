"""Words of a row: which operation on tensors, and which function a name tells."""

from __future__ import annotations

import re

from kaiming_mcp.architecture.keras.table import Row

FUNCTIONS: dict[str, str] = {
    **{name: name for name in "relu relu6 selu elu tanh sigmoid softmax gelu silu mish softplus softsign".split()},
    "swish": "silu",
    "hard_sigmoid": "hardsigmoid",
    "hardsigmoid": "hardsigmoid",
    "hard_swish": "hardswish",
    "hard_silu": "hardswish",
    "hardswish": "hardswish",
    "leaky_relu": "leaky_relu",
    "log_softmax": "log_softmax",
    "re_lu": "relu",
}
"""Names of activations in Keras, and those of the IR."""


def named_function(name: str) -> str:
    """The function that the name of an Activation tells (`conv1_relu`), or ""."""
    words = set(re.split(r"[^a-z0-9]+|_", name.lower())) | {name.lower(), re.sub(r"_?\d+$", "", name.lower())}
    found = {function for word, function in FUNCTIONS.items() if word in words}
    return found.pop() if len(found) == 1 else ""


def is_join(row: Row) -> bool:
    """Whether the row adds, multiplies or joins its inputs."""
    return operation(row.cls, row.name) in {"add", "subtract", "multiply", "average", "concatenate", "maximum", "dot"}


def operation(cls: str, name: str) -> str:
    """The word of an operation on tensors: `tf.math.add_3 (TFOpLambda)` and `Add` are both add."""
    if cls in {"TFOpLambda", "TensorFlowOpLayer", "SlicingOpLambda"}:
        word = re.sub(r"(_\d+)+$", "", name.removeprefix("tf_op_layer_").rpartition(".")[2])
        return _WORDS.get(word.lower(), word.lower())
    return _WORDS.get(cls.lower(), cls.lower())


_WORDS = {"addv2": "add", "sub": "subtract", "mul": "multiply", "concat": "concatenate", "concatv2": "concatenate"}
