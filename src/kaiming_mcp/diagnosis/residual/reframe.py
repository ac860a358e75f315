"""The reframing as a scaffold: what the columns measure comes first, then the block, then the words."""

from __future__ import annotations

import json
import re

from kaiming_mcp.diagnosis.draft import Draft, numbered, worst_first
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.patterns import era_step, patterns, stack_step, symmetry_step
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.diagnosis.residual.block.part import block_part
from kaiming_mcp.diagnosis.residual.block.trunk import even_scale
from kaiming_mcp.diagnosis.residual.columns.part import columns_part
from kaiming_mcp.diagnosis.residual.columns.table import FEWEST_ROWS, read_table, too_few
from kaiming_mcp.diagnosis.residual.inputs import Request, asked_of, measured
from kaiming_mcp.diagnosis.residual.known import Known, known
from kaiming_mcp.diagnosis.residual.texts import Asking, Part, Teller
from kaiming_mcp.diagnosis.residual.words.part import spoken_aside, spoken_part
from kaiming_mcp.diagnosis.residual.words.spoken import Spoken, read_spoken
from kaiming_mcp.knowledge import LONGEST_READ, spoken_for
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import ORDINARY, FormField, Scaffold

NAME = "reframe_as_residual"
MOST_FINDINGS = 4
MOST_STEPS, FEWEST_STEPS = 5, 3
MOST_LIMITS = 4
EXAMPLE = (
    'mapping = "predict next-day temperature from today\'s"  reference = "persistence"  data = "x,r\\n12.1,11.4\\n…" (8 rows or more)\n'
    'mapping = "residual { conv 64 64 k3 ; relu ; conv 64 64 k3 }"  depth = 50'
)
NEEDS = (
    "Say what is mapped to what (mapping), or send the block: print(block), its forward(), the layer notation or a formula such as "
    "y = x + F(x). Name the cheap reference, or paste columns (target, reference, and what else is known) of 8 rows or more; `depth` is "
    "the number of blocks."
)
_STEP_INDEX = re.compile(r"\b[xhu]_?\{?[tlni] ?\+ ?1\}?")
"""x_{t+1} in a formula of a block is no forecast."""
_OF_BLOCKS = re.compile(r"\b(?:residual|skip|shortcut|block)\w*")


def reframe(request: Request, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line, or what to send when nothing can be established.

    Raises:
        NotMeasuredError: columns were pasted that hold nothing to measure.
    """
    lists, facts, parts = known(), Facts(), list[Part]()
    table = read_table(request.data)
    inside = read_table(request.mapping) if table is None and request.network is None else None
    texts = (inside.around if inside else request.words, request.reference, table.around if table else request.data)
    prose = "\n".join(t[:LONGEST_READ] for t in texts if t.strip())
    spoken = read_spoken(_STEP_INDEX.sub(" ", request.words), request.reference, prose, lists)
    asked, words = asked_of(request, prose, lists)
    columns = table or inside
    if columns is not None:
        parts.append(columns_part(measured(columns, request, spoken, prose), lists, facts))
    words_first = request.jotted and not asked.blocks and bool(spoken.kinds)
    if words_first:
        _add_spoken(parts, spoken, request, lists, facts)
    named = words.about and asked.count > 1 and bool(_OF_BLOCKS.search(request.words.lower()))
    if asked.block is not None or asked.trained is not None or named:
        parts.append(block_part(asked, words.indexed, lists, facts))
    if not words_first:
        _add_spoken(parts, spoken, request, lists, facts)
    return _scaffold(request, parts, prose, lists, facts, library) if parts else _nothing(request)


def _add_spoken(parts: list[Part], spoken: Spoken, request: Request, lists: Known, facts: Facts) -> None:
    """The words as a part of their own, or what they add where another part has decided."""
    silent = not spoken.says_something or (request.network is not None and not spoken.given and not request.jotted)
    of_depth = not spoken.given and not spoken.estimates and any(k.id == "depth-of-network" for k in spoken.kinds[:3])
    own = not parts or (spoken.kinds and not of_depth and not parts[0].on_task)
    if own and not silent:
        parts.append(spoken_part(spoken, lists, facts))
    elif parts:
        spoken_aside(spoken, lists, facts, parts[-1])


def _few(request: Request) -> str:
    rows = too_few(request.data)
    return f"`data` holds {rows} rows of numbers; {FEWEST_ROWS} or more are needed to measure a share." if rows else ""


def _nothing(request: Request) -> Scaffold:
    unread = f"({request.unread[:200]})" if request.unread else ""
    needs = " ".join(t for t in (_few(request), NEEDS, unread) if t)
    return Scaffold(tool=NAME, verdict="Nothing was established yet.", needs=needs, example=EXAMPLE)


def _scaffold(
    request: Request, parts: list[Part], prose: str, lists: Known, facts: Facts, library: Library
) -> Scaffold:
    main = parts[0]
    found = {d.title: d for d in reversed([d for p in parts for d in p.drafts])}
    drafts = worst_first(found.values())
    if request.depth > 1 and not any(f.unit == "branch scale" for f in facts.items):
        scale = even_scale(request.depth)
        Teller(lists.texts["block"], facts).fact("start-unseen", scale, count=request.depth, scale=scale)
    steps = _steps(main, prose, lists, facts)
    quote = next((p.corrects for p in parts if p.corrects), main.quote)
    sentence, change = next((p.first for p in parts if p.first), ("", main.change))
    return Scaffold(
        tool=NAME,
        verdict=f"{sentence} {main.verdict}".strip(),
        key_numbers=list(dict.fromkeys(k for p in parts for k in p.keys))[:3],
        first_change=change,
        established=facts.items,
        findings=numbered(drafts[:MOST_FINDINGS], library),
        frame=[s for s, _ in steps],
        answer_form=[f for _, f in steps],
        limits=_limits(request, parts, drafts, library),
        quotes=[quote_of(library, library.principles[RESIDUAL], quote)],
        measure=main.measure,
    )


def lean(part: Scaffold) -> Scaffold:
    """The scaffold within ORDINARY characters: facts that nothing cites go first, then the last steps."""
    while len(json.dumps(part.structured(), ensure_ascii=False)) > ORDINARY:
        cited = {i for f in part.findings for i in f.evidence} | {i for s in part.frame for i in s.cites}
        cited |= {f.id for f in part.established if any(f"[{f.id}]" in line for line in part.key_numbers)}
        kept = [f for f in part.established if f.id in cited]
        if len(kept) < len(part.established):
            part = part.model_copy(update={"established": kept})
        elif len(part.frame) > FEWEST_STEPS:
            part = part.model_copy(update={"frame": part.frame[:-1], "answer_form": part.answer_form[:-1]})
        else:
            break
    return part


def _limits(request: Request, parts: list[Part], drafts: list[Draft], library: Library) -> list[str]:
    unread = f"Read as prose, not as layers: {request.unread[:160]}" if request.unread else ""
    lines = [line for line in (unread, _few(request), *(line for p in parts for line in p.limits)) if line]
    for words in dict.fromkeys([parts[0].limit, *(d.limit for d in drafts[:MOST_FINDINGS])]):
        line = limit_of(library.principles[RESIDUAL], words) if words and len(lines) < MOST_LIMITS else ""
        lines += [line] if line and line not in lines else []
    return lines


def _steps(main: Part, prose: str, lists: Known, facts: Facts) -> list[Asking]:
    """The steps of the first part, and the ways of reasoning that the words speak for."""
    ways, extra = patterns(), list[Asking]()
    said = _OF_BLOCKS.sub(" ", prose) if main.on_task else prose
    eras = spoken_for(ways.eras, said)

    def form(name: str) -> FormField:
        text = lists.texts["words"][name]
        return FormField(name=text.field, holds=text.holds, wants=[*text.wants])

    if main.on_task and spoken_for(ways.symmetries, said):
        extra.append((symmetry_step(said, facts), form("symmetry")))
    if main.on_task and spoken_for(ways.stacks, said):
        extra.append((stack_step(said, facts), form("stack")))
    if eras and (len(extra) < 2 if main.on_task else eras[0].id == "degradation"):
        extra.append((era_step(said, facts), form("era")))
    if main.on_task and not extra:
        extra.append(Teller(lists.texts["words"], facts).ask("contract", *(f.id for f in facts.items[:1])))
    return [*main.steps, *extra][:MOST_STEPS]
