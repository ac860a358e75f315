"""A mapping in words: which kind it is, which reference fits, what its stated numbers leave."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kaiming_mcp.diagnosis.residual.known import Known, Mapping, Reference
from kaiming_mcp.diagnosis.residual.words.laws import Estimate, estimates, named, spread_of
from kaiming_mcp.diagnosis.residual.words.said import (
    Horizon,
    Stated,
    read_horizon,
    read_samples,
    read_stated,
    read_steps,
)
from kaiming_mcp.knowledge import spoken_for

_TASK = re.compile(
    r"\b(?:predict|estimat|forecast|map|from|correct|reconstruct|regress|learn|recover|infer|approximat|model|train|refine|adapt|denois|improve|"
    r"calibrat|emulat)\w*"
)
_LATEST = re.compile(
    r"(?:the\s)?(?:current|present|latest|last|previous|most recent)\s(?!model\b|estimate\b|iterat|method\b)\w"
)
"""The current glucose, the last reading: the target's own quantity a moment earlier."""
_ITSELF = re.compile(r"\b(?:raw|input|original|unprocessed|source|current|itself|same)\b")
_ENERGY = re.compile(r"energ|hartree|enthalp|\bdft\b|e_total")
_TOTAL = re.compile(r"total energ|e_total|dft energ|hartree")
_SUBTRACTED = re.compile(r"atomi[sz]ation|formation energ|cohesive|per atom")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the words give; `given` says that a reference was named as such."""

    text: str
    reference_text: str
    kinds: tuple[Mapping, ...]
    references: tuple[Reference, ...]
    estimates: tuple[Estimate, ...]
    samples: int | None
    stated: tuple[Stated, ...]
    horizon: Horizon | None

    @property
    def given(self) -> bool:
        """Whether a reference was named as such."""
        return bool(self.reference_text.strip())

    @property
    def kind(self) -> Mapping | None:
        """The kind that most words speak for."""
        return next(iter(self.kinds), None)

    @property
    def reference(self) -> Reference | None:
        """The first reference to try."""
        return next(iter(self.references), None)

    @property
    def name(self) -> str:
        """What the reference is called."""
        if self.reference is not None:
            return self.reference.title
        return re.split(r"[;,.(\n]", self.reference_text.strip(), maxsplit=1)[0].strip()[:60] or "the reference"

    @property
    def deciding(self) -> Estimate | None:
        """The estimate that speaks of the reference at hand; over a range of SNR the least favourable one."""
        shares = [e for e in self.estimates if e.kind == "share"]
        at_hand = ("", self.reference.id if self.reference is not None else "")
        own = [e for e in shares if e.told and named(e.told, self.reference_text)]
        own = own or [e for e in shares if e.reference in at_hand]
        if not own:
            return shares[0] if shares and not self.given else None
        noisy = all(e.reference == "noisy-input" for e in own)
        return max(own, key=lambda e: e.share) if noisy else own[0]

    @property
    def better(self) -> Estimate | None:
        """A stated reference that leaves less than the one at hand."""
        best = self.deciding
        if best is None or not best.told:
            return None
        direct = (e for e in self.estimates if e.law == "direct" and e.told and e.share < best.share)
        return min(direct, key=lambda e: e.share, default=None)

    @property
    def floor(self) -> Estimate | None:
        """Where the reference is at the noise already."""
        return next((e for e in self.estimates if e.kind == "floor" and e.share >= 1), None)

    @property
    def of_energy(self) -> bool:
        """Whether the target is an energy, to which every atom adds its own."""
        return bool(_ENERGY.search(f"{self.text} {self.reference_text}".lower()))

    @property
    def counts_atoms(self) -> bool:
        """Whether the target still holds the energies of the free atoms."""
        said = f"{self.text} {self.reference_text}".lower()
        return bool(_TOTAL.search(said)) or not _SUBTRACTED.search(said)

    @property
    def spread(self) -> Stated | None:
        """The stated standard deviation of the target."""
        return spread_of(list(self.stated))

    @property
    def says_something(self) -> bool:
        """Whether a task, a reference or a telling number was understood."""
        task = bool(_TASK.search(self.text.lower())) and len(re.findall(r"[^\W\d]{3,}", self.text)) >= 3
        named = (self.references and (self.given or task)) or (self.given and task)
        return bool(self.kinds or self.estimates or named)


def read_spoken(mapping: str, reference: str, prose: str, known: Known) -> Spoken:
    """Kinds, references and estimates from the words; `prose` is all of them."""
    kinds = tuple(spoken_for(known.mappings, mapping)) or tuple(spoken_for(known.mappings, prose))
    mentioned = tuple(spoken_for(known.references, mapping))
    candidates = tuple(known.reference(r) for k in kinds[:2] for r in k.references)
    if reference.strip():
        # `the raw EEG`, `the input composite`: the first reference of the kind, in other words.
        latest = (known.reference("persistence"),) if _LATEST.match(reference.strip().lower()) else ()
        itself = bool(kinds) and kinds[0].space != "other" and _ITSELF.search(reference.lower())
        chosen = tuple(spoken_for(known.references, reference))[:2] or latest or (candidates[:1] if itself else ())
    else:
        # Of the kind's own references the ones that the text names come first.
        ids = [m.id for m in mentioned]
        chosen = tuple(sorted(candidates, key=lambda r: ids.index(r.id) if r.id in ids else len(ids))) or mentioned[:2]
    stated, horizon, steps = read_stated(prose), read_horizon(prose), read_steps(prose)
    denoising = bool(kinds) and kinds[0].id == "denoising"
    return Spoken(
        mapping,
        reference,
        kinds,
        tuple(dict.fromkeys(chosen)),
        tuple(_of_whom(e, known) for e in estimates(stated, horizon, reference, denoising, steps)),
        read_samples(prose),
        tuple(stated),
        horizon,
    )


def _of_whom(estimate: Estimate, known: Known) -> Estimate:
    """An estimate whose words name a kind of reference speaks of that kind alone."""
    named = spoken_for(known.references, estimate.told) if estimate.told and not estimate.reference else []
    return replace(estimate, reference=named[0].id) if named else estimate
