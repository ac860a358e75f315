"""The messages of the five prompts. Each embeds the principle's text and, where the server can establish facts, the
scaffold itself: nothing tells the model to go and call a tool."""

from __future__ import annotations

import re
from collections.abc import Callable

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.patterns import era_step, stack_step, symmetry_step
from kaiming_mcp.diagnosis.science.subjects import recognise, sciences
from kaiming_mcp.headings import Situation
from kaiming_mcp.library import Library, Principle
from kaiming_mcp.pages import quote_line, section_page
from kaiming_mcp.replies import answer
from kaiming_mcp.replies.fencing import quoted, ticked
from kaiming_mcp.scaffold import Scaffold, Step, render

_ESSENCE = ("Rationale", "When it does not apply", "Questions to ask", "First measurement")
_SITUATIONS: tuple[tuple[Situation, str], ...] = (
    (
        "gradients",
        r"gradient|vanish|explod|nan\b|diverg|does(n't| not) train|dead relu|saturat|loss (is )?stuck",
    ),
    ("generative", r"generat|diffusion|sampl|distribution|inverse|forecast|synthes|posterior|uncertain"),
    (
        "science",
        r"protein|molecul|physic|chemi|climate|weather|biolog|medic|patient|astronom|material|neuro|econom",
    ),
)


def think_like_kaiming(content: Library, roots: Roots, problem: str) -> str:
    """The three ways of reasoning, then the principles of the situation."""
    situation = _situation(problem)
    served = content.for_situation(situation)
    facts = Facts()
    steps = [way(problem, facts) for way in (symmetry_step, stack_step, era_step)]
    found = _established(situation, problem, roots)
    body = [
        "Think this problem through, step by step, and fill in each step in writing.",
        quoted("Problem", problem),
        f"It reads like the situation '{situation}'; the principles that serve it, in order: "
        + ", ".join(p.title for p in served)
        + ". Say so if it is another.",
        ticked(_ways(steps, facts), [problem]),
        *([] if found.needs else [f"# What the server established\n\n{render(found)}"]),
        *(_essence(content, p) for p in served if p.kind == "principle"),
        "End with one change, the number you predict for it, and the measurement that would refute it. Mark what "
        "you assume. Quote only the quotations given here, with their grade.",
    ]
    return "\n\n".join(body)


def review_network(content: Library, roots: Roots, architecture: str) -> str:
    """The critique of a network, with the two principles that it rests on."""
    scaffold = answer("critique_architecture", {"architecture": architecture}, roots)
    principles = [content.principles[k] for k in ("residual-learning", "activation-aware-initialization")]
    return _embedded(content, render(scaffold), principles)


def debug_gradients(content: Library, roots: Roots, symptom: str) -> str:
    """The order in which to look, and the diagnosis from the symptom's own numbers."""
    principles = [p for p in content.for_situation("gradients") if p.kind == "principle"]
    task = (
        "Work in this order: data, labels and batch norm bugs; scale at initialization; "
        "is the *training* error worse when deeper; only then capacity. For each step name the measurement that "
        "decides and its threshold. List at least two competing explanations with the evidence for and against "
        "each. If the symptom does not decide, say so and ask for the one measurement that does."
    )
    found = answer("diagnose_gradients", {"symptom": symptom}, roots)
    established = [] if found.needs else [render(found)]
    return "\n\n".join([quoted("Symptom", symptom), _embedded(content, task, principles), *established])


def formulate_generatively(content: Library, roots: Roots, problem: str) -> str:  # noqa: ARG001 - as all prompts
    """The reframing, with its principle."""
    principles = [content.principles["generative-models-as-universal-solvers"]]
    return _embedded(content, render(answer("reframe_as_generative", {"problem": problem})), principles)


def bring_ai_to_science(content: Library, roots: Roots, field: str, problem: str) -> str:  # noqa: ARG001 - as all prompts
    """The translation, with its principle."""
    principles = [content.principles["ai-as-a-common-language"]]
    scaffold = answer("translate_to_science", {"field": field, "problem": problem})
    return _embedded(content, render(scaffold), principles)


PROMPTS: dict[str, Callable[..., str]] = {
    message.__name__: message
    for message in (think_like_kaiming, review_network, debug_gradients, formulate_generatively, bring_ai_to_science)
}


def _situation(problem: str) -> Situation:
    words = problem.lower()
    for name, pattern in _SITUATIONS:
        if re.search(pattern, words):
            return name
    return "design" if recognise("", words, sciences()).subject is None else "science"


def _established(situation: Situation, problem: str, roots: Roots) -> Scaffold:
    """The scaffold of the tool that serves a situation, from the problem alone."""
    try:
        match situation:
            case "gradients":
                return answer("diagnose_gradients", {"symptom": problem}, roots)
            case "generative":
                return answer("reframe_as_generative", {"problem": problem})
            case "science":
                return answer("translate_to_science", {"problem": problem})
            case "design":
                network = answer("critique_architecture", {"architecture": problem}, roots)
                return answer("simplify_method", {"pipeline": problem}) if network.needs else network
    except ToolError as error:
        return Scaffold(tool="", verdict="Nothing was established.", needs=str(error))


def _ways(steps: list[Step], facts: Facts) -> str:
    """The ways of reasoning as numbered steps, each with the fact it starts from."""
    known = {f.id: f.statement for f in facts.items}
    lines = [
        f"{i}. *{s.way}*: " + " ".join([*(f"{known[c]}." for c in s.cites), s.prompt]) for i, s in enumerate(steps, 1)
    ]
    return "# Three ways of reasoning\n\n" + "\n".join(lines)


def _essence(content: Library, principle: Principle) -> str:
    sections = "\n\n".join(section_page(principle, name) for name in _ESSENCE)
    quotes = "\n".join(quote_line(content, q) for q in principle.quotes[:3])
    return f"# {principle.title}\n\n{principle.claim}\n\n{sections}\n\nQuotations:\n{quotes}"


def _embedded(content: Library, task: str, principles: list[Principle]) -> str:
    return "\n\n".join([task, *(_essence(content, p) for p in principles)])
