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
    r"(fixed|changed|pretrained|frozen)|pre-?trained|fine-?tun",
    "warm_up": r"warm-?\s?up",
}


def read_wishes(*texts: str) -> Wishes:
    """Find in the user's words the constraints that decide between remedies."""
    said = " ".join(texts).lower()
    return Wishes(**{name: bool(re.search(pattern, said)) for name, pattern in _WISHES.items()})
