"""Findings about how parts start: layers that are copies, grouped fans, gates in a row, tokens against positions."""

from __future__ import annotations

import math
from dataclasses import replace

from kaiming_mcp.architecture.ir import (
    Conv,
    Embedding,
    Layer,
    Node,
    Norm,
    Opaque,
    Product,
    Repeat,
    Scale,
    layers,
    walk,
)
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.structure import GATES, cite
from kaiming_mcp.diagnosis.network.subject import BROKEN, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import severity, traced
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL
from kaiming_mcp.scaffold import Severity, bounded, number, power
from kaiming_mcp.signal.initialization import (
    PYTORCH_DEFAULT,
    Initialization,
    embedding_variance,
    framework_fans,
    variances,
)
from kaiming_mcp.signal.initialization_words import of_layer

MANY_GATES = 4
DROWNED = 50.0
"""Ratio of second moments beyond which one of two added vectors is 1/7 of the other or less."""
SINUSOID = 0.5
"""Mean square of the sines and cosines that encode a position."""


def block_findings(subject: Subject) -> list[Draft]:
    """All findings about how parts start."""
    rules = (_copies, _grouped_fans, _gates, _token_scale)
    return [draft for rule in rules if (draft := rule(subject)) is not None]


RESET = (
    "for m in reversed([*model.modules()]): getattr(m, 'reset_parameters', "
    "getattr(m, '_reset_parameters', lambda: None))()"
)
"""Draws every torch module anew at its own default, the inner ones first: MultiheadAttention zeroes a bias inside it."""


def own_draws(init: Initialization) -> str:
    """How copies of one layer get weights of their own, at the same initialization."""
    if init == PYTORCH_DEFAULT:
        return f"give each layer a draw of its own at the default: {RESET}"
    return f"apply {init.describe()} to every layer after the copies are made, so that each has a draw of its own"


def _copies(subject: Subject) -> Draft | None:
    """Layers that start with the same weights."""
    same = [
        node for node, _ in walk(subject.network.root) if isinstance(node, Repeat) and node.identical and node.count > 1
    ]
    if not same:
        return None
    here = subject.course
    grade: Severity = "low"
    text = ""
    known = next((f for f in subject.facts.items if f.unit == "copies"), None)
    if known is not None and known.value and here is not None:
        apart = math.log(known.value)
        change = abs(here.log_backward - apart)
        grade = "medium" if change > math.log(10) else "low" if change > math.log(2) else "note"
        text = f"gradient first/last {power(apart)} instead of {power(here.log_backward)} [{known.id}]."
    fact = (
        known.id
        if known is not None
        else subject.facts.add(
            f"{same[0].count} layers start with the same weights (nn.TransformerEncoder deep-copies the layer it is given)",
            "assumed",
            same[0].count,
            "copies",
        )
    )
    return Draft(
        grade,
        INIT,
        f"{same[0].count} layers start with the same weights",
        (fact,),
        f"{own_draws(subject.init)}.",
        "torch.equal(model.layers[0].linear1.weight, model.layers[1].linear1.weight) at step 0: True for copies.",
        text,
        weight=0.2,
    )


def _grouped_fans(subject: Subject) -> Draft | None:
    """Grouped kernels under fan_out, which the framework counts over all groups."""
    found: list[tuple[float, Conv, Layer, int, bool]] = []
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain):
            layer = item.node
            if not (isinstance(layer, Layer) and isinstance(op := layer.op, Conv) and op.groups > 1 and item.copies):
                continue
            one = replace(
                op, in_channels=op.in_channels // op.groups, out_channels=op.out_channels // op.groups, groups=1
            )
            if not one.in_channels or not one.out_channels:
                continue
            init = of_layer(subject.init, layer)
            meant, given = variances(init, one)[0], variances(init, op)[0]
            after = structure.next_active(chain, i)
            normed = after is not None and isinstance(after.node, Layer) and isinstance(after.node.op, Norm)
            if given and meant / given > 2:
                found.append((given / meant, op, layer, item.copies, normed))
    if not found:
        return None
    ratio, op, layer, _, _ = min(found, key=lambda row: row[0])
    count = sum(row[3] for row in found)
    bare = [row for row in found if not row[4]]
    fan_out, init = framework_fans(op)[1], of_layer(subject.init, layer)
    fact = subject.facts.add(
        f"{count} grouped convolutions under {init.describe()}, first {cite(layer)}: the framework counts fan_out = "
        f"{fan_out:g} over all {op.groups} groups, one group has {fan_out / op.groups:g}; Var[w] is x{number(ratio)} of what is meant"
        + ("" if bare else "; a norm follows each and hides it"),
        "computed",
        ratio,
        "of the variance",
        "torch.nn.init: fan_out from the weight's shape",
    )
    grade: Severity = "note"
    if bare:
        grade = severity(sum(math.log(row[0]) * row[3] for row in bare))
    fitted = replace(init, mode="fan_in")
    then = course_of(subject.network, fitted, subject.batch) if bare else None
    better = traced(subject, fitted.describe(), then)
    return Draft(
        grade,
        INIT,
        "fan_out of grouped convolutions counts all groups",
        (fact, *better.evidence),
        "use mode='fan_in' for grouped and depthwise kernels (fan_in = k²·c_in/groups).",
        "E[x²] before and after one depthwise layer at step 0: the ratio should be near the gain squared.",
        better.text,
        weight=100 if bare else 0,
        limit="Mean-field",
    )


def _gates(subject: Subject) -> Draft | None:
    """Sigmoid gates in a row without a skip: each one multiplies the signal by less than 1."""
    gates = [
        (node, n)
        for node, n in walk(subject.network.root)
        if isinstance(node, Product) and any(_closes_with_gate(branch) for branch in node.branches)
    ]
    glu = structure.activations(subject.network.root).get("glu", 0)
    count = sum(n for _, n in gates) + glu
    if not subject.stations or count < MANY_GATES or subject.normed or structure.has_skip(subject.network.root):
        return None
    # The input has unit variance, so that this is the whole way through the network.
    lost = subject.stations[-1].state.log_q
    if lost > -BROKEN:
        return None
    where = cite(gates[0][0]) if gates else "glu"
    fact = subject.facts.add(
        f"{count} sigmoid gates in a row, first {where}: E[x²] changes x{power(lost / count)} per gate (E[sigmoid²] is 0.25 "
        f"to 0.293 near zero), x{power(lost)} over all",
        "computed",
        bounded(lost / count),
        "per gate",
    )
    return Draft(
        severity(lost),
        RESIDUAL,
        "Sigmoid gates multiply the signal in every layer",
        (fact,),
        "put each gated layer into a residual branch, or normalise in front of it; a gate bias of +2 to +4 keeps it open.",
        "mean of each gate and E[x²] per layer at step 0.",
        weight=abs(lost),
    )


def _closes_with_gate(branch: Node) -> bool:
    last = structure.main_chain(branch)[-1:]
    return bool(last) and isinstance(last[0].node, Layer) and getattr(last[0].node.op, "name", "") in GATES


def _token_scale(subject: Subject) -> Draft | None:
    """Token and position vectors that are added at very different scales."""
    pair = _sum_of_tables(subject) or _table_before_encoding(subject)
    if pair is None:
        return None
    layer, token, position = pair
    if not token or not position or max(token / position, position / token) < DROWNED:
        return None
    louder = "token" if token > position else "position"
    fact = subject.facts.add(
        f"{cite(layer)}: E[x²] of the token vectors is {number(token)}, of the position vectors {number(position)}: the "
        f"{louder} is x{number(max(token / position, position / token))} louder",
        "computed",
        token / position,
        "token over position",
    )
    return Draft(
        "low",
        INIT,
        f"The {louder} vectors drown the other in the sum",
        (fact,),
        "drop the factor sqrt(width) where the table starts at N(0, 1), or keep it with a table of std 1/sqrt(width)."
        if token > position
        else "start the token table at the scale of the positions, or multiply it by sqrt(width).",
        "change of the first block's output when the positions are permuted, relative to its size, at step 0.",
        "both near 1.",
        limit="Mean-field",
    )


def _table(subject: Subject, node: Node | None) -> tuple[Layer, float] | None:
    """The embedding in a node and E[x²] of what leaves the node at the start."""
    if node is None:
        return None
    inside = [layer for layer, _ in layers(node)]
    tables = [layer for layer in inside if isinstance(layer.op, Embedding)]
    if len(tables) != 1 or not isinstance(table := tables[0].op, Embedding):
        return None
    factor = math.prod(layer.op.factor**2 for layer in inside if isinstance(layer.op, Scale))
    return tables[0], embedding_variance(of_layer(subject.init, tables[0]), table) * factor


def _sum_of_tables(subject: Subject) -> tuple[Layer, float, float] | None:
    """Two tables whose vectors are added: the one with more rows holds the tokens."""
    for block, _ in structure.residuals(subject.network.root):
        skip, branch = _table(subject, block.shortcut), _table(subject, block.branch)
        if skip is None or branch is None:
            continue
        louder = branch[1] * block.scale**2
        if _rows(skip[0]) >= _rows(branch[0]):
            return skip[0], skip[1], louder
        return branch[0], louder, skip[1]
    return None


def _rows(layer: Layer) -> int:
    return layer.op.count if isinstance(layer.op, Embedding) else 0


def _table_before_encoding(subject: Subject) -> tuple[Layer, float, float] | None:
    """A table, perhaps a factor, and then a module that is named as a positional encoding."""
    chain = structure.main_chain(subject.network.root)
    for i, item in enumerate(chain[:-1]):
        found = _table(subject, item.node) if isinstance(item.node, Layer) else None
        if found is None:
            continue
        size = found[1]
        for after in chain[i + 1 : i + 4]:
            op = after.node.op if isinstance(after.node, Layer) else None
            if isinstance(op, Scale):
                size *= op.factor**2
            elif isinstance(op, Opaque) and "posi" in op.name.lower() and op.parameters in (0, None):
                return found[0], size, SINUSOID
            elif not structure.is_passive(after.node):
                break
    return None
