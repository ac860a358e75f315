"""Which kinds of task a text speaks for, by how often their words occur."""

from __future__ import annotations

import re

from kaiming_mcp.catalogue import Catalogue, TaskKind
from kaiming_mcp.knowledge import pattern

_AHEAD = re.compile(
    r"\b(?:predict|forecast|estimate|extrapolate|anticipate|(?:what|where|how(?: \w+)?) will|continue)\b.{0,80}?\b(?:next|future|ahead|tomorrow|"
    r"later|upcoming|following|coming|horizon)\b|\bnext \d+ (?:\w+ )?(?:frames|steps|hours|days|weeks|months|minutes|values)"
)
LATENT = re.compile(r"\bvaes?\b|variational|latent")
"""Where a posterior is one of codes, not of x."""
_PRODUCED = frozenset({"image", "video", "audio", "text"})
"""What is synthesised where a generator is named and no task is."""
_GENERATORS = re.compile(r"diffusion|flow matching|\bgans?\b|\bvaes?\b|\bvq-?vae|normali[sz]ing flow|generative model")


def task_kinds(said: list[str], known: Catalogue, measured: bool) -> tuple[TaskKind, ...]:
    """Kinds by how often their words occur; the problem and the target weigh double.

    Where x is a number with a unit (`measured`), words for classes or orders count in the target alone.
    """
    scored: list[tuple[float, TaskKind]] = []
    for kind in known.tasks:
        cut = [pattern(kind.unless).sub(" ", t) for t in said] if kind.unless else said
        # What a VAE restores is its input: no measurement is inverted.
        if kind.id == "reconstruction" and LATENT.search(said[0]):
            cut = [re.sub(r"reconstruct", " ", t) for t in cut]
        weights = (0, 0, 2, 0, 0) if measured and kind.categorical else (2, 1, 2, 0.5, 0.25)
        score = sum(w * len(kind.found(t)) for w, t in zip(weights, cut, strict=True))
        if kind.id == "forecast" and any(_AHEAD.search(t) for t in said[:3]):
            score += 2
        if score >= 1:
            scored.append((score, kind))
    if not scored and any(t.id in _PRODUCED for t in known.targets_of(said[2] or said[0])):
        named = _GENERATORS.search(" ".join(said)) is not None
        named = named or any(f.evaluations[1] > 1 and f.found(" ".join(said)) for f in known.families)
        scored += [(1.0, kind) for kind in known.tasks if named and kind.id == "synthesis"]
    # Of equals the kind that should not be generated at all comes first.
    scored.sort(key=lambda pair: (-pair[0], not pair[1].instead))
    return tuple(kind for _, kind in scored[:3])
