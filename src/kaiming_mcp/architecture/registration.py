"""Classes whose forward() is known to run the children in the order of their registration.

A name alone does not tell: people call their own classes MLP, Encoder and SomethingModel. Models of transformers are
known by the classes inside, which begin with the same family's name, and copies of a library's class by what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.architecture.ir import Activation, Conv, Linear, Norm
from kaiming_mcp.architecture.torch_modules import to_layer
from kaiming_mcp.architecture.torch_repr import Module

_CONTAINERS = re.compile(r"Sequential|Sequential(?:List|Tuple)|ModuleList")
_LIBRARIES = re.compile(
    r"\w*Conv\w*Norm\w*|\w*Norm\w*Activation|ConvBnAct|BasicConv2d|ResNet|VGG|AlexNet|RegNet|EfficientNet|SqueezeNet|"
    r"MobileNetV3|ConvNeXt|SwinTransformer|TransformerEncoder|TransformerDecoder|VideoResNet|AnyStage|SimpleStemIN|MLP|Mlp|"
    r"MLPBlock|ClassifierHead|ViTOutput|SwinOutput|(?:Norm)?MlpClassifierHead|PatchEmbed|_Transition|DenseTransition|"
    r"_DenseLayer|DenseLayer|BottleneckTransform|T5Block|FalconMLP|Wav2Vec2\w+|"
    r"\w+(?:ForCausalLM|LMHeadModel|ForMaskedLM|ForImageClassification|ForSequenceClassification|ForPreTraining)"
)
# Models and encoders of transformers; their blocks are looked up one by one.
_PARTS = re.compile(
    r"\w+(?:Model|Encoder|Stage|Stack|Pooler|PatchEmbeddings|Intermediate|LMHead|MLMHead|HeadTransform|PredictionHead)"
)
_WHOLE = re.compile(r"([A-Z]\w+?)(?:For[A-Z]\w+|LMHeadModel|MTModel|Model|Encoder|Decoder|Stack)")
_ENCODER = {"dropout", "layers", "ln"}
"""Children of torchvision's Encoder, the one of ViT."""


def families(model: Module) -> frozenset[str]:
    """What the class of a model and at least two classes inside begin with, such as Bert."""
    names = {module.cls for module in _below(model)}
    starts = {found[1] for name in names if (found := _WHOLE.fullmatch(name))}
    return frozenset(start for start in starts if sum(name.startswith(start) for name in names) > 2)


def in_order(module: Module, known: frozenset[str]) -> bool:
    """Whether the children run in the order printed; `known` are the families of the model."""
    cls = module.cls
    if _CONTAINERS.fullmatch(cls):
        return True
    if cls == "Encoder":
        return {c.name for c in module.children} == _ENCODER
    part = _PARTS.fullmatch(cls) is not None and any(cls.startswith(start) for start in known)
    return (part or _LIBRARIES.fullmatch(cls) is not None) and not _bare(module)


def _bare(module: Module) -> bool:
    """Whether two layers stand next to each other with nothing between: then something else runs there."""
    before = False
    for child in module.children:
        op = to_layer(child, "").op if not child.children else None
        if isinstance(op, Linear | Conv):
            if before:
                return True
            before = True
        elif child.children or isinstance(op, Activation | Norm):
            before = False
    return False


def _below(model: Module) -> Iterator[Module]:
    stack = [model]
    while stack:
        module = stack.pop()
        yield module
        stack.extend(module.children)
