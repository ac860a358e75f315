"""Write tests/data/keras_tables.json.gz: real model.summary() texts with their true facts.

Run it once where Keras 3 is installed with torch, whose backend builds fastest, and once where TensorFlow 2.12 is;
each run replaces the texts of its own version and keeps the others:

    python tests/full/make_keras_tables.py
"""

from __future__ import annotations

import gzip
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.simplefilter("ignore")

try:
    from tensorflow import keras
except ImportError:
    import keras

L = keras.layers

VERSION = keras.__version__
DATA = Path(__file__).parents[1] / "data" / "keras_tables.json.gz"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"line_length": 110},
    "narrow": {"line_length": 78},
    "wide": {"line_length": 180, "show_trainable": True},
    "nested": {"line_length": 120, "expand_nested": True},
    "nested trainable": {"line_length": 150, "expand_nested": True, "show_trainable": True},
    "cropped": {"line_length": 110},
}
TERMINAL = {"cropped": "80"}
"""Columns of the terminal: Keras 3 crops what does not fit."""

APPLICATIONS = [
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "DenseNet121",
    "Xception",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "NASNetMobile",
    "ConvNeXtTiny",
    "InceptionV3",
]


def mlp() -> Any:
    return keras.Sequential(
        [keras.Input((30,)), *[L.Dense(64, activation="relu") for _ in range(5)], L.Dense(1, use_bias=False)]
    )


def cnn() -> Any:
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            L.Conv2D(32, 5, strides=2, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.LeakyReLU(),
            L.SpatialDropout2D(0.1),
            L.AveragePooling2D(2),
            L.DepthwiseConv2D(3, padding="same"),
            L.SeparableConv2D(48, 3),
            L.PReLU(shared_axes=[1, 2]),
            L.MaxPooling2D(3, strides=2),
            L.Conv2D(64, 3, dilation_rate=2),
            L.LayerNormalization(),
            L.Activation("relu", name="stem_relu"),
            L.Flatten(),
            L.Dense(10),
            L.Softmax(),
        ]
    )


def lstm() -> Any:
    return keras.Sequential(
        [
            keras.Input((50,)),
            L.Embedding(10_000, 32),
            L.Bidirectional(L.LSTM(24, return_sequences=True)),
            L.GRU(16, return_sequences=True),
            L.TimeDistributed(L.Dense(12)),
            L.SimpleRNN(8),
            L.Dense(2),
        ]
    )


def autoencoder() -> Any:
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            L.Conv2D(16, 3, strides=2, padding="same"),
            L.ReLU(),
            L.Conv2D(8, 3, strides=2, padding="same"),
            L.ReLU(),
            L.Conv2DTranspose(8, 3, strides=2, padding="same"),
            L.ReLU(),
            L.Conv2DTranspose(16, 4, strides=2, padding="same"),
            L.ReLU(),
            L.UpSampling2D(2),
            L.Cropping2D(2),
            L.ZeroPadding2D(1),
            L.Conv2D(1, 3),
        ]
    )


def generator() -> Any:
    return keras.Sequential(
        [
            keras.Input((100,)),
            L.Dense(7 * 7 * 32, use_bias=False),
            L.BatchNormalization(),
            L.LeakyReLU(),
            L.Reshape((7, 7, 32)),
            L.Conv2DTranspose(16, 5, strides=1, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.LeakyReLU(),
            L.Conv2DTranspose(1, 5, strides=2, padding="same", use_bias=False),
        ]
    )


def signal_1d() -> Any:
    return keras.Sequential(
        [
            keras.Input((128, 6)),
            L.Conv1D(32, 7),
            L.BatchNormalization(scale=False),
            L.ReLU(),
            L.MaxPooling1D(),
            L.Conv1D(64, 3, padding="same", dilation_rate=1),
            L.GaussianNoise(0.1),
            L.GlobalMaxPooling1D(),
            L.Dropout(0.3),
            L.Dense(4),
        ]
    )


def volume() -> Any:
    return keras.Sequential(
        [
            keras.Input((16, 32, 32, 1)),
            L.Conv3D(8, 3, padding="same"),
            L.ReLU(),
            L.MaxPooling3D(2),
            L.Conv3D(16, 3),
            L.GlobalAveragePooling3D(),
            L.Dense(3),
        ]
    )


def unet() -> Any:
    def block(x: Any, width: int) -> Any:
        for _ in range(2):
            x = L.ReLU()(L.BatchNormalization()(L.Conv2D(width, 3, padding="same", use_bias=False)(x)))
        return x

    start = keras.Input((64, 64, 3))
    x, kept = start, []
    for width in (16, 32):
        x = block(x, width)
        kept.append(x)
        x = L.MaxPooling2D()(x)
    x = block(x, 64)
    for width in (32, 16):
        x = L.Conv2DTranspose(width, 2, strides=2)(x)
        x = block(L.Concatenate()([x, kept.pop()]), width)
    return keras.Model(start, L.Conv2D(1, 1)(x), name="unet")


def siamese() -> Any:
    tower = keras.Sequential(
        [keras.Input((28, 28, 1)), L.Conv2D(8, 3), L.ReLU(), L.GlobalAveragePooling2D(), L.Dense(16)], name="tower"
    )
    left, right = keras.Input((28, 28, 1), name="left"), keras.Input((28, 28, 1), name="right")
    return keras.Model([left, right], L.Dense(1)(L.Subtract()([tower(left), tower(right)])), name="siamese")


def shared_dense() -> Any:
    start = keras.Input((20,))
    dense = L.Dense(20, name="again")
    x = dense(start)
    x = L.ReLU()(x)
    x = dense(x)
    x = L.ReLU()(x)
    x = L.Add()([dense(x), x])
    return keras.Model(start, L.Dense(2)(x), name="weight_shared")


def transformer() -> Any:
    start = keras.Input((40,))
    x = L.Embedding(5_000, 48)(start)
    for _ in range(2):
        y = L.MultiHeadAttention(4, 12)(x, x)
        x = L.LayerNormalization()(L.Add()([x, L.Dropout(0.1)(y)]))
        y = L.Dense(48)(L.Dense(96, activation="relu")(x))
        x = L.LayerNormalization()(L.Add()([x, L.Dropout(0.1)(y)]))
    return keras.Model(start, L.Dense(2)(L.GlobalAveragePooling1D()(x)), name="transformer")


def cross_attention() -> Any:
    query, memory = keras.Input((10, 32), name="query"), keras.Input((20, 24), name="memory")
    x = L.MultiHeadAttention(2, 16)(query, memory)
    x = L.LayerNormalization()(L.Add()([query, x]))
    y = L.Attention()([x, x])
    return keras.Model([query, memory], L.Dense(5)(L.Concatenate()([x, y])), name="cross")


def two_inputs() -> Any:
    image, table = keras.Input((32, 32, 3), name="image"), keras.Input((7,), name="table")
    x = L.GlobalAveragePooling2D()(L.ReLU()(L.Conv2D(16, 3)(image)))
    y = L.Dense(8, activation="relu")(table)
    x = L.Dense(16)(L.Concatenate()([x, y]))
    return keras.Model([image, table], [L.Dense(3, name="kind")(x), L.Dense(1, name="size")(x)], name="two_inputs")


def squeeze() -> Any:
    start = keras.Input((None, None, 3))
    x = L.Conv2D(32, 3, padding="same")(start)
    gate = L.GlobalAveragePooling2D()(x)
    gate = L.Dense(32)(L.ReLU()(L.Dense(8)(gate)))
    gate = L.Activation("sigmoid", name="gate_sigmoid")(L.Reshape((1, 1, 32))(gate))
    x = L.Multiply()([x, gate])
    return keras.Model(start, L.Conv2D(4, 1)(x), name="squeeze")


def grouped() -> Any:
    start = keras.Input((32, 32, 64))
    x = L.ReLU()(L.Conv2D(64, 3, padding="same", groups=8)(start))
    x = L.Average()([x, start])
    x = L.Conv2D(32, (1, 7), padding="same")(x)
    return keras.Model(start, L.Conv2D(32, (7, 1), padding="same")(x), name="grouped")


def transfer() -> Any:
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    base.trainable = False
    return keras.Sequential([base, L.GlobalAveragePooling2D(), L.Dropout(0.2), L.Dense(5)], name="transfer")


def nested_calls() -> Any:
    start = keras.Input((96, 96, 3))
    base = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(96, 96, 3), alpha=0.25)
    x = L.GlobalAveragePooling2D()(base(L.Rescaling(1 / 127.5, offset=-1)(start)))
    side = L.GlobalAveragePooling2D()(L.Conv2D(8, 3, strides=4)(start))
    return keras.Model(start, L.Dense(5)(L.Concatenate()([x, side])), name="nested_calls")


def seq2seq() -> Any:
    source, target = keras.Input((None, 30), name="source"), keras.Input((None, 40), name="target")
    _, h, c = L.LSTM(64, return_state=True)(source)
    x, _, _ = L.LSTM(64, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    return keras.Model([source, target], L.Dense(40)(x), name="seq2seq")


def operators() -> Any:
    start = keras.Input((16,))
    x = L.Dense(16)(start)
    x = x + start
    x = x * 0.5
    return keras.Model(start, L.Dense(1)(x), name="operators")


def compiled() -> Any:
    model = keras.Sequential([keras.Input((8,)), L.Dense(4, activation="tanh"), L.Dense(1)], name="compiled")
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def subclassed() -> Any:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm, self.last = L.Dense(32), L.BatchNormalization(), L.Dense(4)

        def call(self, x: Any) -> Any:
            return self.last(self.norm(self.first(x)))

    model = Net()
    model(keras.Input((12,))) if VERSION.startswith("2") else model(keras.ops.ones((1, 12)))
    return model


OWN: list[Callable[[], Any]] = [
    mlp,
    cnn,
    lstm,
    autoencoder,
    generator,
    signal_1d,
    volume,
    unet,
    siamese,
    shared_dense,
    transformer,
    cross_attention,
    two_inputs,
    squeeze,
    grouped,
    transfer,
    nested_calls,
    seq2seq,
    operators,
    compiled,
    subclassed,
]


def models() -> Iterator[tuple[str, Any]]:
    for name in APPLICATIONS:
        keras.backend.clear_session()
        if name == "NASNetMobile" and keras.backend.backend() == "torch":
            continue  # Keras refuses it there
        yield name, getattr(keras.applications, name)(weights=None)
    for make in OWN:
        keras.backend.clear_session()
        yield make.__name__, make()


def facts(model: Any) -> dict[str, Any]:
    """What is true of the model, from the model itself: counts of layers, every one met once."""
    kinds: dict[str, int] = {}
    for layer in model.layers:
        kinds[type(layer).__name__] = kinds.get(type(layer).__name__, 0) + 1
    convs = {
        layer.name: [list(layer.kernel_size), list(layer.strides), layer.use_bias, getattr(layer, "groups", 1) or 1]
        for layer in model.layers
        if type(layer).__name__ in {"Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "DepthwiseConv2D"}
    }
    return {"params": model.count_params(), "kinds": kinds, "convs": convs}


def summary(model: Any, variant: str) -> str:
    os.environ["COLUMNS"] = TERMINAL.get(variant, "200")
    lines: list[str] = []
    model.summary(print_fn=lines.append, **VARIANTS[variant])
    return "\n".join(lines)


def variants(name: str) -> list[str]:
    """Large models in fewer forms; Keras 2 crops nothing."""
    kept = ["plain", "narrow", "cropped"] if name in APPLICATIONS else list(VARIANTS)
    return [variant for variant in kept if variant != "cropped" or VERSION.startswith("3")]


def main() -> None:
    major = VERSION.split(".", maxsplit=1)[0]
    made = {
        f"{major} {name}": {
            "version": VERSION,
            "facts": facts(model),
            "texts": {variant: summary(model, variant) for variant in variants(name)},
        }
        for name, model in models()
    }
    kept = json.loads(gzip.decompress(DATA.read_bytes())) if DATA.exists() else {}
    kept = {key: value for key, value in kept.items() if not key.startswith(f"{major} ")} | made
    DATA.write_bytes(gzip.compress(json.dumps(kept, ensure_ascii=False, sort_keys=True).encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
