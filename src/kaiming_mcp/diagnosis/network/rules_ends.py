"""Findings about the end of a network: last nonlinearity and loss, what acts on the output, an oversized head."""

from __future__ import annotations

import math
from typing import NamedTuple

from kaiming_mcp.architecture.ir import Conv, Dropout, Linear, layers
from kaiming_mcp.architecture.parameters import parameter_count
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.first_loss import first_cross_entropy, first_error, loud_logits
from kaiming_mcp.diagnosis.network.losses import RANGES, Wanted, least_binary, least_cross_entropy, wanted
from kaiming_mcp.diagnosis.network.structure import Ending, cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT, SIMPLE
from kaiming_mcp.scaffold import Severity, number

LARGE_SHARE = 0.5
_CHECK = "the loss on one batch that is fitted for 200 steps: it must go to zero, and start at ln(classes)."


class _Fault(NamedTuple):
    """What is wrong between the last layer and the loss."""

    severity: Severity
    title: str
    fact: str
    remedy: str
    value: float | None = None


def end_findings(subject: Subject) -> list[Draft]:
    """All findings about the end; where no loss is known, a fact says which loss would fit."""
    end = structure.ending(subject.network.root)
    found = [_one_softmax(subject, end), _dropout(subject, end)] if end else []
    if end and not found[0]:
        found.append(_loss(subject, end) if subject.network.loss else _unknown_loss(subject, end))
        found += [first_error(subject, end), loud_logits(subject, end)]
    return [draft for draft in (*found, _dense_share(subject)) if draft is not None]


def _last(end: Ending) -> str:
    return getattr(end.activation.op, "name", "") if end.activation else ""


def _shown(end: Ending) -> str:
    return f"{cite(end.activation)} after {cite(end.head)}" if end.activation else cite(end.head)


def _one_softmax(subject: Subject, end: Ending) -> Draft | None:
    if _last(end) not in {"softmax", "log_softmax"} or end.units != 1 or isinstance(end.head.op, Conv):
        return None
    fact = subject.facts.add(
        f"{_shown(end)}: the softmax of a single number is 1 whatever the number, and its derivative is 0",
        "computed",
        1.0,
    )
    return Draft(
        "high",
        INIT,
        "A softmax over one unit is constant",
        (fact,),
        "use one logit with BCEWithLogitsLoss (sigmoid at prediction), or two units with CrossEntropyLoss.",
        "the output on two different inputs: exactly 1 on both.",
        "every weight before it gets the gradient 0 now.",
        weight=90,
    )


def _loss(subject: Subject, end: Ending) -> Draft | None:
    loss = subject.network.loss
    kind = wanted(loss)
    fault = _fault(kind, end, loss) if kind else None
    if fault is None:
        fits = "fits what the network ends in" if kind else "is not known here: what it expects was not checked"
        subject.facts.add(f"loss {loss}: {fits}, {_shown(end)}", "read")
        return None
    missing = not end.activation and bool(subject.network.assumptions)
    grade: Severity = "medium" if missing and fault.severity == "high" else fault.severity
    hidden = subject.hidden_forward if not end.activation else ""
    fact = subject.facts.add(
        f"loss {loss}, and the network ends in {_shown(end)}{hidden}: {fault.fact}", "computed", fault.value
    )
    return Draft(grade, INIT, fault.title, (fact,), fault.remedy, _CHECK, weight=80)


def _fault(kind: Wanted, end: Ending, loss: str) -> _Fault | None:
    last, classes = _last(end), end.units
    low, high = RANGES.get(last, (-math.inf, math.inf))
    match kind:
        case "logits":
            return _logits(last, low, high, classes, loss)
        case "logit":
            return _logit(last, low, high, loss)
        case "probability" if (low, high) != (0, 1):
            sigmoid = "end in a sigmoid, or better drop it and use BCEWithLogitsLoss"
            if not last:
                text = "values outside [0, 1] are refused or give nan, their logarithm is not defined"
                return _Fault("high", f"No sigmoid before {loss}", text, f"{sigmoid}.")
            return _Fault(
                "high", f"{last} does not give the probability that {loss} needs", _span(low, high), f"{sigmoid}."
            )
        case "probabilities" if last != "softmax":
            if not last:
                text = "the loss takes logarithms of probabilities, and gets unbounded numbers"
                return _Fault("high", f"No softmax before {loss}", text, "end in a softmax, or pass from_logits=True.")
            text = "the outputs of the classes do not sum to 1"
            grade: Severity = "low" if (low, high) == (0, 1) else "high"
            return _Fault(grade, f"{last} before {loss}", text, "end in a softmax, or pass from_logits=True.")
        case "log_probabilities" if last not in {"log_softmax", "logsigmoid"}:
            if last == "softmax":
                text = "the loss is then -p, between -1 and 0, whose gradient vanishes where the class is missed"
            else:
                text = "the loss is minus one output, and falls without bound as that output grows"
            remedy = "end in log_softmax, or use CrossEntropyLoss on the logits."
            return _Fault("high", f"{loss} without log_softmax", text, remedy)
        case "number" if last in RANGES:
            text = f"{_span(low, high)}; targets beyond cannot be reached, and gradients vanish near the ends"
            remedy = f"end in the linear layer, or scale the targets into {_interval(low, high)}."
            return _Fault("low", f"{last} limits the range of a regression output", text, remedy)
        case _:
            return None


def _logits(last: str, low: float, high: float, classes: int, loss: str) -> _Fault | None:
    bare = f"remove the {last}: {loss} applies softmax itself."
    if classes == 1:
        remedy = "use BCEWithLogitsLoss on the one logit, or two units."
        return _Fault("high", f"{loss} over one class", "the loss is 0 whatever the network does", remedy, 0.0)
    if last == "log_softmax":
        return _Fault("note", f"log_softmax before {loss}", "applied twice it changes nothing, it is only idle", bare)
    if not math.isfinite(low):
        return None
    if not math.isfinite(high):
        text = "no logit can be negative, and a class whose unit is off gets no gradient"
        return _Fault("medium", f"{last} before {loss}", text, f"remove the {last}: logits are any numbers.")
    if classes < 2:
        return _Fault("high", f"{last} before {loss}", f"{_span(low, high)}; {loss} expects logits", bare)
    floor = least_cross_entropy(low, high, classes)
    text = (
        f"{_span(low, high)}, and {loss} applies a softmax to it: over {classes} classes the loss cannot fall "
        f"below {number(floor)} (it starts near ln {classes} = {number(math.log(classes))})"
    )
    return _Fault("high", f"{last} before {loss}", text, bare, floor)


def _logit(last: str, low: float, high: float, loss: str) -> _Fault | None:
    if not (math.isfinite(low) or math.isfinite(high)):
        return None
    positive, negative = least_binary(low, high)
    text = (
        f"{_span(low, high)}, and {loss} applies a sigmoid to it: the loss of a positive example cannot fall below "
        f"{number(positive)}, of a negative one below {number(negative)}"
    )
    floor = max(positive, negative)
    grade: Severity = "high" if math.isfinite(low + high) else "medium"
    return _Fault(grade, f"{last} before {loss}", text, f"remove the {last}: {loss} applies the sigmoid itself.", floor)


def _interval(low: float, high: float) -> str:
    return f"({low:g}, {high:g})"


def _span(low: float, high: float) -> str:
    return (
        f"the output lies in {_interval(low, high)}"
        if math.isfinite(low + high)
        else f"the output is limited to {_interval(low, high)}"
    )


def _unknown_loss(subject: Subject, end: Ending) -> Draft | None:
    last, units = _last(end), end.units
    several = f"{units:,} outputs" if units != 1 else "1 output"
    fits = {
        "": "BCEWithLogitsLoss or regression, not BCELoss"
        if units == 1
        else "CrossEntropyLoss or regression, not NLLLoss or BCELoss",
        "softmax": "the negative logarithm of the output; CrossEntropyLoss would apply a second softmax",
        "log_softmax": "NLLLoss",
        "sigmoid": "BCELoss, or targets in (0, 1); BCEWithLogitsLoss would apply a second sigmoid",
        "tanh": "targets in (-1, 1), no cross-entropy",
    }.get(last)
    if fits:
        at_start = first_cross_entropy(subject, end) if not last and units > 1 else None
        untrained = f"; untrained, cross-entropy starts near {at_start[1]}" if at_start is not None else ""
        known = "computed" if untrained else "read"
        unit = "loss at step 0" if untrained else ""
        value = at_start[0] if at_start is not None else None
        subject.facts.add(f"ends in {_shown(end)}, {several}; fits {fits}{untrained}", known, value, unit)
    if last == "sigmoid":
        return _output_sigmoid(subject, end)
    return _rectified_output(subject, end) if last in {"relu", "relu6", "relu2"} else None


def _output_sigmoid(subject: Subject, end: Ending) -> Draft:
    fact = subject.facts.add(
        f"{cite(end.activation or end.head)} at the output scales every gradient by s(1-s), whatever the depth: 0.25 at "
        "z = 0, 0.0066 at |z| = 5, 4.5e-5 at |z| = 10; with BCE the factor cancels (p - y is left)",
        "computed",
        0.25,
        "largest slope",
    )
    return Draft(
        "note",
        INIT,
        "A sigmoid at the output bounds the gradient of any loss but cross-entropy",
        (fact,),
        "train on the logit (BCEWithLogitsLoss); for a regression target drop the sigmoid or clip with a leak.",
        "|z| before the sigmoid on one batch: above 5 at the median it is saturated.",
    )


def _is_head(subject: Subject, end: Ending) -> bool:
    """Whether the last linear layer is narrower than everything before it: an output, not one more hidden layer."""
    if not isinstance(end.head.op, Linear):
        return False
    before = [
        width
        for layer, _ in layers(subject.network.root)
        for width in (structure.width_in(layer.op), structure.width_out(layer.op) if layer is not end.head else None)
        if width is not None
    ]
    return end.units < min(before, default=0)


def _rectified_output(subject: Subject, end: Ending) -> Draft | None:
    if not _is_head(subject, end):
        return None
    fact = subject.facts.add(
        f"{_shown(end)} is the output: it cannot be negative, and an output that is off for every input gets no gradient",
        "read",
        end.units,
        "outputs",
    )
    return Draft(
        "medium" if end.units == 1 else "low",
        INIT,
        f"{_last(end)} at the very output",
        (fact,),
        "end in the linear layer (logits, or a target of any sign); softplus where the target must be positive.",
        "share of outputs that are exactly 0 over one epoch: with one output off for all inputs nothing trains.",
    )


def _dropout(subject: Subject, end: Ending) -> Draft | None:
    if end.dropout is None or not isinstance(end.dropout.op, Dropout) or not _is_head(subject, end):
        return None
    p = end.dropout.op.p
    fact = subject.facts.add(
        f"{cite(end.dropout)} acts on the output itself: each of the {end.units} outputs is 0 with probability {p:g}, and "
        f"the rest are scaled by {number(1 / (1 - p)) if p < 1 else 'infinity'}",
        "read",
        p,
        "probability",
    )
    return Draft(
        "medium",
        SIMPLE,
        "Dropout on the output",
        (fact,),
        "remove it, or put it before the last linear layer.",
        "training loss on one batch with and without it: with it the loss cannot go to zero.",
        weight=1,
    )


def _dense_share(subject: Subject) -> Draft | None:
    total = subject.account.total
    dense = [
        (parameter_count(la.op) or 0, la)
        for la, n in layers(subject.network.root)
        if isinstance(la.op, Linear) and n == 1
    ]
    if not dense or not total or structure.count(subject.network.root, Conv) < 3:
        return None
    size, layer = max(dense, key=lambda pair: pair[0])
    if size < LARGE_SHARE * total:
        return None
    fact = subject.facts.add(
        f"{cite(layer)} holds {size:,} of {total:,} parameters ({size / total:.0%})",
        "computed",
        size / total,
        "of the parameters",
    )
    return Draft(
        "low",
        SIMPLE,
        "One fully connected layer holds most of the parameters",
        (fact,),
        "pool globally and classify with one linear layer",
        "validation error with global pooling, three seeds; keep the layer only if worse by > 2 seed std.",
        weight=size / total,
    )
