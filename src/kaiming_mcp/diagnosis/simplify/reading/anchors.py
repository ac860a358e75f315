"""What a sentence names: removals, additions, the full method, the baseline; and where its parts stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.diagnosis.simplify.reading.labels import Change, names_of

_STOP = (
    r"(?:is|was|are|were|gives?|gets?|got|yields?|reaches|reached|scores?|scored|drops?|dropped|falls?|fell|costs?|cost|loses?|lost|hurts?|reduces?|"
    r"reduced|lowers?|degrades?|decreases?|improves?|improved|increases?|increased|raises?|raised|adds?|brings?|changes?|changed|leads?|makes?|made|causes?|"
    r"results?|from|to|by|at|we|it|the|our|has|had|does|did|do|training|collapses?|collapsed|diverges?|diverged|fails?|failed|accuracy|score|"
    r"performance|fid|map|miou|vs|versus|compared|against|while|whereas|but|only|still|in|on|over|for|with|without|then|worth|alone|matters?|helps?|"
    r"works?|trains?|converges?|never|cannot|can|should|would|keeps?|leaves?|stays?|almost|barely|hardly|after|when|if|because|so|full|ours|baseline|takes?|took|brought|went|top|ap|auc|auroc|miou|psnr|ssim|bleu|wer|cer|f1|dice|recall|precision|rmse|mse|mae|mrr|ndcg|perplexity|and (?:got|get|see|saw|found|the)|i|you|they|=)"
)
_NAMED = rf"(?:(?:(?!{_STOP}(?![\w-]))[A-Za-zλβαγ∇][\w./'λβαγ-]*\s?(?:\+\s|&\s)?|\d[a-z]{{2}}\s){{1,6}})?"
_ANCHOR = re.compile(
    r"\b(?P<removed>without|w/o|wo|minus|removing|remove|removed|removal of|dropping|drop(?=\s(?:the|out|our)\s)|dropped|ablating|ablated|disabling|disabled|excluding|"
    r"turning off|switching off|no(?!\s(?:change|difference|effect|gain|loss|improvement|drop|longer|more|impact|matter|visible|clear|ablation|seed|evidence|idea|number|single|one|other|measur|statistic|signific|error)))\b"
    rf"\s*(?:the\s|our\s|any\s|an?\s|both\s)?\s*(?P<without>{_NAMED})"
    rf"|\b(?P<swapped>replacing|swapping|exchanging)\s+(?:the\s|our\s|an?\s)?(?P<gone>(?>{_NAMED}))\s*(?:by|with|for)\s+(?:the\s|an?\s)?(?P<new>{_NAMED})"
    r"|\b(?P<full>(?:full|complete|whole|proposed|final|default|original) (?:model|method|system|pipeline|version|setup|loss|recipe|run|config\w*)|full|ours|everything|all (?:parts|components|on|in)|reference|with everything)\b"
    r"|\b(?P<base>baseline|vanilla|plain (?:model|baseline)|base model|backbone alone)\b"
    r"|\b(?P<off>off|disabled)(?=\s*[:=(])|\b(?P<on>on|enabled)(?=\s*[:=(])"
    rf"|\b(?P<added>adding|added|with|plus|w/)\s*(?:the\s|our\s|an?\s)?\s*(?P<and>{_NAMED})",
    re.IGNORECASE,
)


def anchors_of(sentence: str, last: tuple[str, ...], names: tuple[str, ...]) -> Iterator[tuple[int, Change]]:
    """Every anchor with its place; a removal without a name means the `last` one, an addition must be known."""
    for found in _ANCHOR.finditer(sentence):
        if found["removed"]:
            said = names_of(found["without"] or "") or last
            last = said
            yield found.start(), Change("removed", said)
        elif found["swapped"]:
            gone, new = names_of(found["gone"] or ""), names_of(found["new"] or "")
            if gone:
                yield found.start(), Change("replaced", (gone[0], new[0] if new else "another"))
        elif found["off"]:
            yield found.start(), Change("removed", last or mentioned(sentence[: found.start()], names)[-1:])
        elif found["added"]:
            said = tuple(n for n in names_of(found["and"] or "") if is_known(n, names))
            if said:
                yield found.start(), Change("added", said)
            elif not found["and"] and last:
                yield found.start(), Change("full")
        elif found["full"] or found["on"]:
            yield found.start(), Change("full")
        elif found["base"]:
            yield found.start(), Change("base")


def is_known(name: str, names: tuple[str, ...]) -> bool:
    """Whether a name is among the known ones, up to case and punctuation."""
    plain = _flat(name)
    return any(plain and (plain in _flat(n) or _flat(n) in plain) for n in names if _flat(n))


def _flat(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def mentioned(sentence: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of parts that stand in the sentence, in its order."""
    lower = sentence.lower()
    places: list[tuple[int, str]] = []
    for name in names:
        at = re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?:e?s)?(?![a-z0-9])", lower) if len(name) > 1 else None
        if at:
            places.append((at.start(), name))
    return tuple(n for _, n in sorted(places))
