"""Models that draw their weights anew in their constructor, which no printout shows.

Source: the __init__ methods of torchvision.models (vgg.py, squeezenet.py, resnet.py, densenet.py, mobilenetv2.py).
"""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.subject import Subject, course_of
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import bounded, power
from kaiming_mcp.signal.initialization_words import parse_initialization

OWN = {
    "VGG": "he fan_out",
    "SqueezeNet": "he",
    "ResNet": "he fan_out",
    "DenseNet": "he",
    "MobileNetV2": "he fan_out",
}
"""Class of torchvision, and how its convolutions are drawn there."""


def doubted(subject: Subject, drafts: list[Draft]) -> list[Draft]:
    """The findings about initialization, weaker where the class is known to initialise itself soundly.

    The network was traced at the framework's default because the text says nothing else.
    """
    words = OWN.get(subject.network.name)
    serious = [d for d in drafts if d.principle == INIT and d.severity == "high"]
    if words is None or not serious:
        return drafts
    init = parse_initialization(words)
    own = course_of(subject.network, init, subject.batch)
    if own is None or subject.course is None or own.worst >= subject.course.worst:
        return drafts
    fact = subject.facts.add(
        f"torchvision's {subject.network.name} draws its convolutions by {init.describe()} in its constructor, which "
        f"print(model) does not show: then E[x²] last/first {power(own.log_forward)}, gradient first/last "
        f"{power(own.log_backward)}. Settled by: the std of one weight, against sqrt(2/fan_out) and 1/sqrt(3 fan_in)",
        "assumed",
        bounded(own.log_backward),
        "gradient then",
        "mean field; torchvision.models",
    )
    unless = " (if its weights are at it: torchvision's are not)"
    return [
        replace(d, severity="medium", title=d.title + unless, evidence=(*d.evidence, fact)) if d in serious else d
        for d in drafts
    ]
