"""The five prompts. Each embeds the principle's text and, where the server can establish facts, the
scaffold itself: nothing tells the model to go and call a tool."""

from __future__ import annotations

import re
from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver import Message, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import Field

from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.patterns import era_step, stack_step, symmetry_step
from kaiming_mcp.diagnosis.science.subjects import recognise, sciences
from kaiming_mcp.library import Library, Principle, Situation
from kaiming_mcp.pages import quote_line, section_page
from kaiming_mcp.scaffold import Scaffold, Step, render
from kaiming_mcp.tools.critique import critique_text
from kaiming_mcp.tools.generative import reframe_text
from kaiming_mcp.tools.gradients import diagnose_text
from kaiming_mcp.tools.science import translate_text
from kaiming_mcp.tools.simplify import simplify_text

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


def register_prompts(server: MCPServer, content: Library, roots: Roots) -> None:
    """Register the user-invoked prompts."""

    @server.prompt(title="Think like Kaiming He")
    def think_like_kaiming(
        problem: Annotated[str, Field(description="The problem, in a few sentences; a network may stand in it")],
    ) -> list[Message]:
        """Think a problem through: the symmetry, the stack, the earlier era, then the principles."""
        situation = _situation(problem)
        served = content.for_situation(situation)
        facts = Facts()
        steps = [way(problem, facts) for way in (symmetry_step, stack_step, era_step)]
        found = _established(content, situation, problem, roots)
        body = [
            f"Think this problem through, step by step, and fill in each step in writing.\n\nProblem: {problem}",
            f"It reads like the situation '{situation}'; the principles that serve it, in order: "
            + ", ".join(p.title for p in served)
            + ". Say so if it is another.",
            _ways(steps, facts),
            *([] if found.needs else [f"# What the server established\n\n{render(found)}"]),
            *(_essence(content, p) for p in served if p.kind == "principle"),
            "End with one change, the number you predict for it, and the measurement that would refute it. Mark what "
            "you assume. Quote only the quotations given here, with their grade.",
        ]
        return [UserMessage("\n\n".join(body))]

    @server.prompt(title="Review a network")
    def review_network(
        architecture: Annotated[
            str, Field(description="A printed model, its source, a summary, a config.json, or path:models/net.py")
        ],
    ) -> list[Message]:
        """Review an architecture with the facts computed for it."""
        try:
            scaffold = critique_text(content, architecture, roots=roots)
        except ToolError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        principles = [content.principles[k] for k in ("residual-learning", "activation-aware-initialization")]
        return [UserMessage(_embedded(content, render(scaffold), principles))]

    @server.prompt(title="Debug gradients")
    def debug_gradients(
        symptom: Annotated[str, Field(description="What you see: losses, norms, layers, numbers")],
    ) -> list[Message]:
        """Find what makes gradients vanish or explode, beginning with what decides."""
        principles = [p for p in content.for_situation("gradients") if p.kind == "principle"]
        task = (
            f"Symptom: {symptom}\n\nWork in this order: data, labels and batch norm bugs; scale at initialization; "
            "is the *training* error worse when deeper; only then capacity. For each step name the measurement that "
            "decides and its threshold. List at least two competing explanations with the evidence for and against "
            "each. If the symptom does not decide, say so and ask for the one measurement that does."
        )
        found = diagnose_text(content, symptom, roots=roots)
        established = [] if found.needs else [render(found)]
        return [UserMessage("\n\n".join([_embedded(content, task, principles), *established]))]

    @server.prompt(title="Formulate as a generative task")
    def formulate_generatively(
        problem: Annotated[str, Field(description="What is given, what is wanted, the data and the metric")],
    ) -> list[Message]:
        """Decide whether a task is generative and how to pose it."""
        principles = [content.principles["generative-models-as-universal-solvers"]]
        return [UserMessage(_embedded(content, render(reframe_text(content, problem)), principles))]

    @server.prompt(title="Bring AI to a science")
    def bring_ai_to_science(
        field: Annotated[str, Field(description="The science, such as materials science")],
        problem: Annotated[str, Field(description="The problem in the words of that science")],
    ) -> list[Message]:
        """Carry machine learning into another science without leaking and without weak baselines."""
        principles = [content.principles["ai-as-a-common-language"]]
        return [UserMessage(_embedded(content, render(translate_text(content, field, problem)), principles))]

    _ = think_like_kaiming, review_network, debug_gradients, formulate_generatively, bring_ai_to_science


def _situation(problem: str) -> Situation:
    words = problem.lower()
    for name, pattern in _SITUATIONS:
        if re.search(pattern, words):
            return name
    return "design" if recognise("", words, sciences()).subject is None else "science"


def _established(content: Library, situation: Situation, problem: str, roots: Roots) -> Scaffold:
    """The scaffold of the tool that serves a situation, from the problem alone."""
    try:
        match situation:
            case "gradients":
                return diagnose_text(content, problem, roots=roots)
            case "generative":
                return reframe_text(content, problem)
            case "science":
                return translate_text(content, problem=problem)
            case "design":
                network = critique_text(content, problem, roots=roots)
                return simplify_text(content, problem) if network.needs else network
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
