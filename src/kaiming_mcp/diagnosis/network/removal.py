"""What to remove first: the part whose absence is cheapest to test, found in the network itself."""

from __future__ import annotations

from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Attention, Conv, Dropout, Embedding, Layer, Linear, Norm, layers
from kaiming_mcp.architecture.parameters import parameter_count, total_parameters
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import SIMPLE

LARGE_SHARE, VOCABULARY_SHARE = 0.4, 0.2
_KEEP = "it comes back only if the loss is worse without by > 2 seed std."


@dataclass(frozen=True, slots=True)
class Removal:
    """A candidate, the fact it rests on, and the test that would bring it back."""

    what: str
    evidence: tuple[str, ...]
    test: str


def first_removal(subject: Subject, drafts: list[Draft]) -> Removal:
    """The first part to remove: without effect, then the largest, then unmeasured, then depth."""
    idle = next((d for d in drafts if d.principle == SIMPLE and d.severity != "note"), None)
    if idle is not None:
        return Removal(f"{idle.title.lower()}: {idle.remedy.rstrip('.')}", idle.evidence, idle.test)
    return _untied(subject) or _largest(subject) or _dropout_beside_norm(subject) or _depth(subject)


def _untied(subject: Subject) -> Removal | None:
    """Two matrices of the vocabulary where one would do."""
    end = structure.ending(subject.network.root)
    total = subject.account.total
    if end is None or not isinstance(head := end.head.op, Linear) or not total:
        return None
    tables = [la.op for la, n in layers(subject.network.root) if isinstance(la.op, Embedding) and n == 1]
    held = head.out_features * head.in_features
    tied = any(d.count == -held for d in subject.account.differences)
    if tied or Embedding(head.out_features, head.in_features) not in tables or 2 * held < VOCABULARY_SHARE * total:
        return None
    fact = subject.facts.add(
        f"embedding and {cite(end.head)} hold 2 x {held:,} of {total:,} parameters ({2 * held / total:.1%}), untied as "
        f"read; tied, {total - held:,} are left",
        "computed",
        2 * held / total,
        "of the parameters",
    )
    return Removal(
        "one of the two vocabulary matrices: tie the head to the embedding",
        (fact,),
        f"validation loss tied and untied, equal tokens, three seeds; {_KEEP}",
    )


def _largest(subject: Subject) -> Removal | None:
    """One dense layer with much of the parameters: a head of a convolutional net, or one that keeps its width."""
    root, total = subject.network.root, subject.account.total
    dense = [(parameter_count(la.op) or 0, la, la.op) for la, n in layers(root) if isinstance(la.op, Linear) and n == 1]
    if not dense or not total:
        return None
    size, layer, op = max(dense, key=lambda row: row[0])
    convolutional = structure.count(root, Conv) > 0
    if size < LARGE_SHARE * total or not (convolutional or op.in_features == op.out_features):
        return None
    fact = subject.facts.add(
        f"{cite(layer)} holds {size:,} of {total:,} parameters ({size / total:.0%})",
        "computed",
        size / total,
        "of the parameters",
    )
    what = f"the dense layer {_named(layer)}"
    if convolutional:
        what += ": pool globally and classify with one linear layer"
        return Removal(what, (fact,), f"validation error with global pooling, equal steps, three seeds; {_KEEP}")
    return Removal(what, (fact,), f"validation loss without it, equal steps, three seeds; {_KEEP}")


def _named(layer: Layer) -> str:
    return f"`{layer.origin.text or layer.path or 'linear'}`"


def _dropout_beside_norm(subject: Subject) -> Removal | None:
    root = subject.network.root
    dropout = sum(times for la, times in layers(root) if isinstance(la.op, Dropout) and la.op.p > 0)
    norm = structure.count(root, Norm)
    if not dropout or not norm:
        return None
    fact = subject.facts.add(f"{dropout} dropout layers beside {norm} normalizations", "read", dropout, "layers")
    return Removal(
        "dropout, in one run at p = 0",
        (fact,),
        "validation loss at p = 0, same schedule, three seeds; keep dropout only if worse by > 2 seed std.",
    )


def _depth(subject: Subject) -> Removal:
    count, kind, held = _parts(subject)
    test = "training and validation loss of the shorter network at equal steps, three seeds; keep the depth only if it pays."
    if count < 2:
        depth = structure.weighted(subject.network.root)
        fact = subject.facts.add(f"depth: {depth} weighted layers", "read", depth, "layers")
        what = f"one of the {depth - 1} hidden layers" if depth > 2 else "half of the hidden width"
        return Removal(what, (fact,), test)
    half, total = count // 2, subject.account.total
    less = held * half // count
    # Weights that are used again are counted once in the total.
    share = f", which hold {less:,} of {total:,} parameters ({less / total:.0%})" if total and held <= total else ""
    fact = subject.facts.add(f"depth: {half} of the {count} {kind}{share}", "read", half, kind)
    return Removal(f"{half} of the {count} {kind}", (fact,), test)


def _parts(subject: Subject) -> tuple[int, str, int]:
    """What repeats, how often, and the parameters that it holds: transformer layers, blocks, or layers of one width."""
    root = subject.network.root
    blocks = structure.residuals(root)
    if sum(n for _, n in blocks) > 1:
        held = sum(total_parameters(block) * n for block, n in blocks)
        # A transformer layer has one sum for its MLP, whatever it attends to.
        mlps = sum(n for block, n in blocks if structure.count(block, Linear) and not structure.count(block, Attention))
        if structure.count(root, Attention) and mlps > 1:
            return mlps, "transformer layers", held
        return sum(n for _, n in blocks), "residual blocks", held
    kept = [(la.op, n) for la, n in layers(root) if isinstance(la.op, Linear | Conv) and _keeps(la.op)]
    return (
        sum(n for _, n in kept),
        "layers that keep their width",
        sum((parameter_count(op) or 0) * n for op, n in kept),
    )


def _keeps(op: Linear | Conv) -> bool:
    if isinstance(op, Linear):
        return op.in_features == op.out_features
    return op.in_channels == op.out_channels and set(op.stride) == {1}
