"""The reframing as a scaffold: decision, numbers, findings, families, and the frame."""

from __future__ import annotations

from kaiming_mcp.catalogue import Family, catalogue
from kaiming_mcp.diagnosis.draft import Draft, numbered
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.advice import advise, families
from kaiming_mcp.diagnosis.generative.decide import Decision, decide
from kaiming_mcp.diagnosis.generative.numbers import add_numbers
from kaiming_mcp.diagnosis.generative.pairs import Spread, read_pairs, spread
from kaiming_mcp.diagnosis.generative.statement import Task, read_task, says_something
from kaiming_mcp.diagnosis.principles import GENERATIVE, SIMPLE
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import SEVERITIES, FormField, Scaffold, Step, number

NAME = "reframe_as_generative"
MOST_FINDINGS = 4
EXAMPLE = (
    'problem = "predict rainfall for the next 18 frames from radar; several futures are possible"\n'
    'condition = "6 frames of 256x256"  target = "18 frames of 256x256"\n'
    'data = "50,000 sequences"  metric = "MSE"  samples_per_query = 20'
)
FORM = [
    FormField(name="x_and_y", holds="x, y, the direction of the arrow, the group that leaves p(x|y) alone"),
    FormField(name="posterior", holds="point or spread, with R (fact id) or how it will be measured"),
    FormField(name="output", holds="what the network outputs; token width against hidden width"),
    FormField(name="contract", holds="what the consumer may rely on; error rate x calls"),
    FormField(name="era_test", holds="the stage that never sees the metric; what refutes the analogy"),
    FormField(name="baseline", holds="the boring baseline, its score, the gap that drops the generator"),
]


def reframe(
    problem: str,
    condition: str,
    target: str,
    data: str,
    metric: str,
    samples_per_query: int,
    library: Library,
) -> Scaffold:
    """Everything of the scaffold but the request line, or what to send when nothing was said."""
    known = catalogue()
    task = read_task(problem, condition, target, data, metric, samples_per_query, known)
    pairs = read_pairs(data) or read_pairs(problem)
    measured = spread(pairs) if pairs is not None else None
    if measured is None and not says_something(task):
        return Scaffold(
            tool=NAME,
            verdict="Nothing was established yet.",
            needs="Say what is given at query time (condition, with its size), what is wanted (target, with its size), how "
            "many samples there are, how success is scored, and how many samples are drawn per query; or paste at least 8 "
            "pairs as CSV with a header.",
            example=EXAMPLE,
        )
    facts = Facts()
    decision = decide(task, measured, facts)
    ids = add_numbers(task, decision.answer in {"regress", "classify"}, facts)
    drafts = sorted(advise(task, decision, ids, facts), key=lambda d: (SEVERITIES.index(d.severity), -d.weight))
    fitting, unfit = families(task, decision, known)
    family = facts.add(_families(fitting, unfit), "assumed", source=_sources(fitting))
    principle = library.principles[GENERATIVE]
    return Scaffold(
        tool=NAME,
        verdict=_verdict(decision),
        key_numbers=_key_numbers(measured, ids, facts),
        first_change=_first_change(task, decision, drafts, fitting),
        established=facts.items,
        findings=numbered(drafts[:MOST_FINDINGS], library),
        frame=_frame(task, decision, ids, fitting, family, drafts),
        answer_form=FORM,
        limits=_limits(task, measured, drafts, library),
        quotes=[quote_of(library, principle, f"{decision.answer} {task.text[:500]} distribution mapping problems")],
        measure=_measure(task, decision),
    )


def _verdict(decision: Decision) -> str:
    text = {
        "generate": "Pose it as p(x|y) and sample",
        "regress": "Regress: a generator would add error here",
        "classify": "Classify: a calibrated softmax is already p(x|y)",
        "mean and residual": "Regress the mean, then generate the residual",
        "cannot tell": "Cannot tell yet: measure R first",
    }[decision.answer]
    sure = "measured" if decision.measured else "from what was said; R decides"
    return f"{text}: {decision.reason} ({sure})."


def _key_numbers(measured: Spread | None, ids: dict[str, str], facts: Facts) -> list[str]:
    wanted = [
        ids[name] for name in ("token", "chain", "shares", "rare", "arrow", "cost", "pairs", "coverage") if name in ids
    ]
    lines = [] if measured is None else [f"R = {number(measured.ratio)} ± {number(measured.error)} (measured)"]
    known = {f.id: f for f in facts.items}
    return [*lines, *(f"{known[i].statement} [{i}]" for i in wanted)][:3]


def _first_change(task: Task, decision: Decision, drafts: list[Draft], fitting: list[Family]) -> str:
    if drafts and drafts[0].severity == "high":
        return drafts[0].remedy[0].upper() + drafts[0].remedy[1:]
    if decision.answer == "cannot tell":
        return (
            "Measure R = E Var[X|Y]/Var[X] on held-out pairs before any model: below 0.05 regress, above 0.3 generate."
        )
    baseline = task.kind.baselines[0] if task.kind else "the conditional mean"
    return f"Score {baseline} first; then {fitting[0].title}, because {fitting[0].because}."


def _families(fitting: list[Family], unfit: list[Family]) -> str:
    fits = (
        "; ".join(f"{f.title} ({f.because}; {f.cost})" for f in fitting) + f". The first fails when {fitting[0].fails}"
    )
    against = "; ".join(f"{f.title} (fails when {f.fails})" for f in unfit)
    return f"families that fit, best first: {fits}" + (f". Tempting, but: {against}" if against else "")


def _sources(fitting: list[Family]) -> str:
    cited = [key for f in fitting for key in f.sources]
    return ", ".join(cited) if cited else "general knowledge"


def _frame(
    task: Task, decision: Decision, ids: dict[str, str], fitting: list[Family], family: str, drafts: list[Draft]
) -> list[Step]:
    kind = task.kind
    named = kind.title if kind else "this task"
    sizes = f"x has {task.size_x:,} values" if task.size_x else "the size of x is not given"
    sizes += f", y {task.size_y:,}" if task.size_y else ", that of y is not given"
    turn = {
        "regress": "What observation would make you generate after all?",
        "classify": "Which label would have to become structured before you would generate?",
        "generate": "What value of R would send you back to regression?",
    }.get(decision.answer, "Which of the two does R decide for, and at what value?")
    chain = (
        f"{task.steps} steps are composed; " if task.steps else ""
    ) + "what may the consumer rely on: calibrated marginals, joint samples, or a mean?"
    evidence = list(decision.evidence) or [family]
    output = [ids["token"]] if "token" in ids else [family]
    return [
        Step(
            way="Fundamental symmetry",
            prompt=f"Recognition and generation are one arrow in two directions; here {sizes}. Name x, y and the group "
            "that leaves p(x|y) alone (shift, rotation, relabelling, units).",
            cites=[ids["arrow"]] if "arrow" in ids else [family],
            field="x_and_y",
        ),
        Step(
            way="The principle",
            prompt=f"Is p(x|y) of {named} a point or a spread? The server says: {decision.answer}, because "
            f"{decision.reason}. {turn}",
            cites=evidence,
            field="posterior",
        ),
        Step(
            way="Mathematical reality",
            prompt=f"x, eps and v are algebraically equal, not for a finite network. With {fitting[0].title}: what does the "
            "network output, and does that quantity lie on the manifold of the data?",
            cites=output,
            field="output",
        ),
        Step(way="Abstraction stack", prompt=chain[0].upper() + chain[1:], cites=[ids["cost"]], field="contract"),
        Step(
            way="Earlier era",
            prompt="Before AlexNet deep nets were pre-trained layer by layer. Which stage of your pipeline is trained on a "
            f"loss that never sees {task.proper or task.squared or task.two_sample or 'the final metric'}? "
            "What would show that the analogy is wrong?",
            cites=[family],
            field="era_test",
        ),
        Step(
            way="Simplicity",
            prompt="What do "
            + (", ".join(kind.baselines[:3]) if kind else "the conditional mean and k-nearest neighbours")
            + " score on your split? Remove first what the score does not see.",
            cites=[d.evidence[0] for d in drafts[:1]] or [family],
            field="baseline",
        ),
    ]


def _limits(task: Task, measured: Spread | None, drafts: list[Draft], library: Library) -> list[str]:
    principle = library.principles[GENERATIVE]
    lines: list[str] = []
    missing = [
        name
        for name, value in (
            ("size of x (target)", task.size_x),
            ("size of y (condition)", task.size_y),
            ("number of samples (data)", task.samples),
            ("metric", task.squared or task.proper or task.two_sample),
        )
        if not value
    ]
    if missing:
        lines.append("Not found in the text: " + ", ".join(missing) + ".")
    if measured is None:
        lines.append("Point or spread is read from words here; only R measured on pairs decides.")
    for words in dict.fromkeys(d.limit for d in drafts if d.limit):
        line = limit_of(library.principles[SIMPLE] if words == "Another regime" else principle, words)
        if len(lines) < 4 and line not in lines:
            lines.append(line)
    if len(lines) < 2:
        lines.append(limit_of(principle, "Only a functional"))
    return lines


def _measure(task: Task, decision: Decision) -> str:
    pairs = f"{min(task.samples, 1000):,}" if task.samples else "1,000"
    text = (
        f"R = E Var[X|Y]/Var[X]: standardise x, take {pairs} held-out pairs, k = 10 nearest neighbours in y, average the "
        "variance inside, divide by Var[X]; repeat with k = 5 to see the bias. Below 0.05 regress, above "
        "0.3 or with two modes generate"
    )
    return f"{text}." if not decision.measured else f"{text}. Measured once; repeat on held-out pairs with k halved."
