"""What the user's goal and constraints say about which remedies are open."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user's goal and constraints say about which remedies are open."""

    second_derivatives: bool = False
    no_batch_norm: bool = False
    no_norm: bool = False
    no_skip: bool = False
    fixed_init: bool = False
    warm_up: bool = False
    no_warm_up: bool = False
    regression: bool = False
    symptom: str = ""
    """What goes wrong in training, in the user's words."""

    @property
    def norm(self) -> str:
        """The normalization that may be proposed."""
        return "LayerNorm or GroupNorm" if self.no_batch_norm else "a normalization (BatchNorm or LayerNorm)"


_WISHES = {
    "second_derivatives": r"second[- ]derivative|second[- ]order derivative|\bpinns?\b|physics[- ]informed|"
    r"\bpdes?\b|laplac|hessian|\bu_?xx\b|curvature|force matching|eikonal",
    "no_batch_norm": r"(no|without|avoid|not use|cannot use|can't use)\s+(batch[- ]?norm|bn\b)|"
    r"batch size (of )?[12]\b|small batch|tiny batch|online|streaming",
    "no_norm": r"(no|without|avoid|not use|cannot use|can't use)\s+(any\s+)?(normali[sz]ation|norms?\b|norm layers?)|"
    r"norm(ali[sz]er)?[- ]free",
    "no_skip": r"(no|without|avoid|cannot use|can't use)\s+(skip|residual|shortcut)",
    "fixed_init": r"(init\w*|weights)\s+(is|are|must stay|cannot be|can't be|stays?)\s*"
    r"(fixed|changed|pretrained|frozen)|(?<!no )(?<!not )(?<!without )pre-?trained|fine-?tun",
    "warm_up": r"warm-?\s?up",
    "no_warm_up": r"\b(no|without|skip\w*|avoid\w*|omit\w*|not us\w+)\s+(?:\w+\s+)?warm-?\s?up",
    "regression": r"\bregress",
}
_CLAUSE = r"(?:[^.;,\n]|[.,](?=\d))*"
_SYMPTOM = re.compile(
    rf"{_CLAUSE}?\b(?:flat(?! minim)|stuck|stagnat\w*|plateau\w*|diverg\w*|explod\w*|vanish\w*|nan(?!-)|unstable|"
    r"(?:does not|doesn't|do not|don't|won't|cannot|can't|not|fails? to|never) "
    rf"(?:train|learn|converg|decreas|start|move|go down|improv)\w*)\b{_CLAUSE}"
)
_WISHED_AWAY = re.compile(r"\b(avoid|prevent|against|no|without|never|if|so that|should not|must not)\b")
LONGEST_SYMPTOM = 90


def read_wishes(goal: str, constraints: str = "") -> Wishes:
    """Find in the user's words the constraints that decide between remedies, and what goes wrong."""
    said = f"{goal} {constraints}".lower()
    found = {name: bool(re.search(pattern, said)) for name, pattern in _WISHES.items()}
    found["warm_up"] = found["warm_up"] and not found["no_warm_up"]
    return Wishes(**found, symptom=_symptom(goal))


def _symptom(goal: str) -> str:
    """The clause of the goal that tells of a failure, and not of one to be avoided."""
    match = _SYMPTOM.search(goal[:2_000].lower())
    if match is None:
        return ""
    clause = match[0].strip()
    before = re.split(r"\b(?:flat|stuck|stagnat|plateau|diverg|explod|vanish|nan|unstable)", clause)[0]
    if len(before) < len(clause) and _WISHED_AWAY.search(before):
        return ""
    return clause if len(clause) <= LONGEST_SYMPTOM else clause[:LONGEST_SYMPTOM].rsplit(" ", 1)[0]
