"""What kind of row a class makes, and the class of a row whose column cut it off."""

from __future__ import annotations

import re

from kaiming_mcp.architecture.keras.layers import MAKE
from kaiming_mcp.architecture.keras.table import CUT, Row


def resolve(row: Row) -> str:
    """The class of a row, completed where the column cut it off and only one class begins so."""
    start = row.cls.removesuffix(CUT)
    if start == row.cls:
        return start
    known = [name for name in _NAMES if name.startswith(start)] if len(start) > 2 else []
    known = [name for name in known if name.removesuffix("V1") == name or name.removesuffix("V1") not in known]
    if len(known) > 1:
        # Keras names a layer after its class: `conv2d_transpose_1`.
        plain = re.sub(r"_\d+$", "", row.name.removesuffix(CUT)).replace("_", "")
        exact = [name for name in known if name.lower() == plain]
        known = exact or [name for name in known if name.lower().startswith(plain)] or known
    rank = len(row.shapes[0]) - 1 if row.shapes else 0
    if len(known) > 1 and rank:
        known = [name for name in known if not _AXES.search(name) or f"{rank}D" in name]
    # A global pooling is one operation in any number of dimensions.
    alike = len({_AXES.sub("", name) for name in known}) == 1 and known[0].startswith("Global")
    return known[0] if len(known) == 1 or alike else row.cls


def is_single(cls: str) -> bool:
    """Whether a layer of this class takes one input, so that several are several calls."""
    return cls in MAKE and cls not in _SEVERAL


def is_weightless(cls: str) -> bool:
    """Whether a layer of this class holds no parameters."""
    return cls in _WEIGHTLESS or (cls in MAKE and not _WEIGHTED.search(cls))


def is_model(cls: str) -> bool:
    """Whether the row is a model inside the model."""
    return cls in {"Sequential", "Functional", "Model"}


def keeps_shape(cls: str) -> bool:
    """Whether what reaches a layer of this class has the shape that leaves it."""
    return cls in _KEEPING or (cls in MAKE and cls.endswith(("Normalization", "NormalizationV1", "ReLU", "ELU")))


_AXES = re.compile(r"\dD")
_WEIGHTLESS = """
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot GaussianNoise GaussianDropout AlphaDropout Rescaling
    Cropping1D Cropping2D Cropping3D RandomContrast RandomBrightness TFOpLambda SlicingOpLambda TensorFlowOpLayer
    Lambda UnitNormalization StringLookup IntegerLookup TextVectorization CategoryEncoding Discretization Hashing
""".split()
_OTHERS = """
    Sequential Functional Model Attention AdditiveAttention ConvLSTM2D Normalization SpectralNormalization
    GroupQueryAttention LocallyConnected1D LocallyConnected2D EinsumDense
""".split()
_WEIGHTED = re.compile(r"Conv|Dense|[a-z]Normalization|Embed|LSTM|GRU|RNN|Bidir|TimeDist|Attention|PReLU|Scale")
_SEVERAL = frozenset({"LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU", "Bidirectional", "MultiHeadAttention"})
_KEEPING = frozenset(
    """
    Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D Activation Softmax Masking Normalization Rescaling
    RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness GaussianNoise Identity
    GaussianDropout AlphaDropout
""".split()
)
_NAMES = sorted({*MAKE, *_WEIGHTLESS, *_OTHERS})
