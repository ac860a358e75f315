"""What the structure alone explains: depth, post-norm, missing curvature, graphs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from kaiming_mcp.architecture.ir import Attention, Layer, Network, Norm, Residual, layers, walk
from kaiming_mcp.diagnosis.gradients import lines
from kaiming_mcp.diagnosis.gradients.courses import GRAPH, SHALLOW
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.trends import log_ratio
from kaiming_mcp.diagnosis.gradients.words import accuracy_by_depth
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.scaffold import bounded, number
from kaiming_mcp.signal.activations import find

_CURVED = r"\brelu\b|\bleaky[ _]?relu\b|\bReLU\b"
_POST_NORM = r"\bpost[- ]?(?:norm|ln|layer ?norm)\b|norm_first\s?=\s?False|\b(?:layer_?)?norm\w{0,3}\(\s?\w{1,12}\s?\+\s?[^)\n]{1,40}\(|nn\.Transformer(?:Encoder|Decoder)Layer\((?![^)]*norm_first\s?=\s?True)"
_STAYS = r"\b(?:never (?:changes?|moves?|falls?)|constant|flat|stuck|(?:not|n't) (?:change|decrease|move|fall))\b"
_IN_THE_LOSS = r"\b[a-z]''(?:'')?(?!\w)|\b[a-z]_?(?:x{2,4}|tt|yy|zz|xxt|xxyy)\b|\bd\^?2\s?[a-z]\s?/\s?d|∂²|\bsecond[- ](?:order )?derivative|\bbi-?harmonic|\bKuramoto"
"""Words of a second derivative that stands in the loss, where no setting of the training says so."""
_PHYSICS = r"\bpinn|physics|\bpde|\bequation residual|\bstrong form"
_OF_A_GRAPH = re.compile(r"laplac|hessian|curvature", re.I)
"""Words that name no derivative where the data are a graph."""
_EQUATIONS = r"\b(?:Helmholtz|Poisson|Laplace|wave|heat|diffusion|Schr\w{1,3}dinger|Allen-?Cahn|Burgers)'?s?\b"
"""Equations of second order."""
_TWICE = r"\b[a-z]_?(?:x{2,4}|tt|yy|zz)\b|second[- ](?:order )?derivative|d2[a-z]/d|d\^2|∂²|hessian|laplac|\bcurvature"
"""Second derivatives with respect to inputs. A gradient penalty or forces have the first alone, which a ReLU passes on."""
_SKIPS_FOR_TOKENS = (
    "Put an identity path round every attention layer (h + attention(norm(h))), and an MLP block behind each: attention alone "
    "averages tokens, and its output becomes of rank one with depth."
)
ALIKE_NODES = 0.95


def network_candidates(e: Evidence) -> Iterator[Candidate]:
    """Explanations that rest on what the network is."""
    yield from _curvature(e)
    yield from _graph(e)
    yield from _post_norm(e)
    yield from _shallow(e)


def _curvature(e: Evidence) -> Iterator[Candidate]:
    setting = e.training.setting("second_derivatives")
    said = (
        None
        if setting is not None or e.says(GRAPH)
        else e.says(_IN_THE_LOSS) or (e.says(_PHYSICS) and e.says(_EQUATIONS))
    )
    wanted = setting.value if setting is not None else said[0] if said is not None else ""
    if not wanted or (_OF_A_GRAPH.search(wanted) and e.says(GRAPH) and not e.says(_PHYSICS)):
        return
    name = e.activation_name
    known = find(name) if name else None
    flat = known is not None and known.slopes is not None
    if e.subject is not None:
        used = structure.activations(e.subject.network.root)
        flat = any((f := find(n)) is not None and f.slopes for n in used)
        name = next((n for n in used if (f := find(n)) is not None and f.slopes), name)
    if not flat or not (said or e.says(rf"{_TWICE}|{_PHYSICS}")):
        return
    fact = e.facts.add(
        f"the loss needs a second derivative (`{wanted}`), and that of {name} is 0 almost everywhere: the term sends no "
        "gradient through it",
        "computed",
        0.0,
        "phi''",
    )
    score = 0.96 if not e.learning else 0.85 if e.says(_TWICE) or (e.says(_PHYSICS) and e.says(_STAYS)) else 0.6
    yield Candidate("second_derivative", score, (fact,), f"every {name}")


def _graph(e: Evidence) -> Iterator[Candidate]:
    if not e.says(GRAPH) and not e.tokens:
        return
    alike = [(n, x) for n, x in e.cosine if x >= ALIKE_NODES]
    tokens = not e.says(GRAPH) or bool(e.says(r"\btokens?\b"))
    if e.cosine and alike and e.cosine[-1][1] >= ALIKE_NODES and not e.learning:
        fact = e.facts.add(
            f"cosine between {'tokens' if tokens else 'nodes'} rises from {e.cosine[0][1]:.3g} at {e.cosine[0][0]} to {e.cosine[-1][1]:.4g} at {e.cosine[-1][0]}{e.cosine_from}",
            "measured",
            e.cosine[-1][1],
            "cosine",
        )
        change = _SKIPS_FOR_TOKENS if tokens else ""
        title = "rank collapse: attention alone makes all tokens alike" if tokens else ""
        yield Candidate("over_smoothing", 0.95, (fact,), alike[0][0], title, change=change)
        return
    worse = _worse_with_depth(e)
    if worse:
        rule = e.facts.add(
            "training accuracy that falls with depth is a failure to optimise or of the features, never overfitting",
            "computed",
        )
        residual = e.says(r"residual|skip|\bres\b")
        yield Candidate("over_smoothing", 0.68 if residual else 0.6, (worse, rule), "", predicted=True)


def _worse_with_depth(e: Evidence) -> str:
    found = sorted(
        (f.depth, f.value.x, f.quantity.split)
        for f in e.measured.facts
        if f.quantity.kind == "accuracy" and f.depth is not None and f.value.finite
    )
    if len(found) < 2:
        split = "training" if e.says(r"\btrain(?:ing)? acc") else ""
        found = [(depth, accuracy, split) for depth, accuracy in accuracy_by_depth(e.told)]
    if len(found) < 2 or found[-1][1] >= found[0][1] - 0.03:
        return ""
    (shallow, before, split), (deep, after, _) = found[0], found[-1]
    return e.facts.add(
        f"{split or 'stated'} accuracy falls from {before:.0%} at depth {shallow} to {after:.0%} at depth {deep}",
        "measured",
        after - before,
        "accuracy",
    )


def _post_norm(e: Evidence) -> Iterator[Candidate]:
    network = e.subject.network if e.subject else None
    read = network is not None and _is_post_norm(network)
    if not read and not e.says(_POST_NORM):
        return
    if compared := _two_schedules(e):
        yield Candidate("post_norm_warmup", 0.9, (compared,), "the norms behind the residual sums")
        return
    if e.learning:
        return
    warm = e.training.warmup
    told = e.says(
        r"(?:no|without)(?: any| lr| learning[- ]rate)? warm-?\s?up|warm-?up\w*\s?[=:]\s?0\b|constant (?:lr|learning rate)"
    )
    if warm is not None and warm.x > 0 and not told:
        return
    told = told or warm
    where = "every residual sum passes a norm" if read else "the text says so"
    fact = e.facts.add(
        f"post-norm: {where}; the gradient near the output is then large at the start, whatever the depth is, and the first "
        "steps of Adam at full rate spoil it",
        "read",
        source="Xiong et al. 2020",
    )
    second = e.facts.add(f"warm-up: {'none' if told else 'not stated'}", "read" if told else "assumed")
    trouble = e.losses is not None and (
        e.losses.at_chance
        or e.losses.constant
        or e.losses.plateau
        or e.losses.died
        or e.losses.growing > 3
        or not e.losses.learned
    )
    score = (0.84 if told else 0.76) if trouble else (0.66 if told else 0.4)
    yield Candidate(
        "post_norm_warmup", score, (fact, second), "the norms behind the residual sums", predicted=not trouble
    )


def _two_schedules(e: Evidence) -> str:
    """A run that learns with a warm-up and does not without."""
    both = lines.schedules(e.told)
    if both is None or both[0][-1] < 0.8 * both[0][0] or both[1][-1] > 0.5 * both[1][0]:
        return ""
    return e.facts.add(
        f"without warm-up the loss goes from {both[0][0]:g} to {both[0][-1]:g}, with it from {both[1][0]:g} to {both[1][-1]:g}",
        "measured",
        both[0][-1],
        "loss without warm-up",
    )


def _is_post_norm(network: Network) -> bool:
    """Whether sums that hold attention, or their blocks, are followed by a layer norm."""
    attends = any(isinstance(la.op, Attention) for la, _ in layers(network.root))
    if not attends:
        return False
    sums = followed = 0
    for chain in structure.chains(network.root):
        for i, item in enumerate(chain):
            if isinstance(item.node, Residual):
                sums += 1
                after = structure.next_after(chain, i, structure.is_idle)
                followed += after is not None and isinstance(after.node, Layer) and isinstance(after.node.op, Norm)
    inside = any(
        isinstance(n, Residual) and any(isinstance(la.op, Norm) for la, _ in layers(n.branch))
        for n, _ in walk(network.root)
    )
    return sums > 0 and followed * 2 > sums and not inside


def _shallow(e: Evidence) -> Iterator[Candidate]:
    if not 0 < e.depth <= SHALLOW:
        return
    shown = e.gradient
    if shown is not None and (shown.zeros or shown.cut or shown.nonfinite):
        return
    if e.measured.events and e.events("nan", "inf"):
        return
    slope = 0.25 if "sigmoid" in e.activation_name or not e.activation_name else 1.0
    least = slope**e.depth
    bound = e.facts.add(
        f"{e.depth} weighted layers: even sigmoids, each with a slope of at most 0.25, leave up to {number(0.25**e.depth)} of the "
        "gradient; depth cannot make it vanish",
        "computed",
        least,
        "least slope product",
    )
    if shown is None:
        yield Candidate("too_shallow", 0.45, (bound,), predicted=True)
        return
    ratio = abs(log_ratio(shown))
    fact = e.facts.add(
        f"gradient first/last x{number(bounded(log_ratio(shown)))} over {len(shown.rows)} layers", "measured"
    )
    if ratio < math.log(2e3):
        decays = ratio > math.log(8)
        yield Candidate("too_shallow", 0.78 if decays or not e.learning else 0.5, (bound, fact))
