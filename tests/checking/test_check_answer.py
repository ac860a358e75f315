"""Sound answers pass without a finding; every mutant of one is caught, and named for what it is."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.checking.answer import read_answer
from kaiming_mcp.checking.facts import numbers_of
from kaiming_mcp.checking.figures import Claim, Figure, agrees, figures
from kaiming_mcp.checking.quotations import source_of
from kaiming_mcp.checking.report import Basis, check, rendered
from kaiming_mcp.library import library
from kaiming_mcp.replies.check import check_text
from kaiming_mcp.request import read_request
from kaiming_mcp.results import Checked
from kaiming_mcp.scaffold import Fact, FormField

ANSWERS = Path(__file__).parents[1] / "data" / "answers"
NAMES = sorted(p.stem for p in ANSWERS.glob("*.json"))
SEEDS = range(4)
_IDS = re.compile(r"\[[AF]\d+(?:, [AF]\d+)*\]")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?")


@dataclass(frozen=True)
class Sound:
    """An answer that a careful reader found sound, and the scaffold that it filled in."""

    answer: str
    request: str
    basis: Basis

    @property
    def form(self) -> list[FormField]:
        return self.basis.form

    def fields(self) -> dict[str, str]:
        return read_answer(self.answer, [f.name for f in self.form]).fields


@cache
def sound(name: str) -> Sound:
    answer = (ANSWERS / f"{name}.md").read_text(encoding="utf-8").partition("-->\n")[2]
    frozen = json.loads((ANSWERS / f"{name}.json").read_text(encoding="utf-8"))
    facts = {f["id"]: Fact.model_validate(f) for f in frozen["facts"]}
    form = [FormField.model_validate(f) for f in frozen["form"]]
    apart = read_request(frozen["request"]).apart
    lasting = {i: f for i, f in facts.items() if i not in apart}
    return Sound(answer, frozen["request"], Basis(form, lasting, apart, tuple(frozen["own"]), frozen["text"]))


def _checked(answer: str, case: Sound, request: str = "") -> Checked:
    """Against the frozen facts; an altered request goes through the tool."""
    return check_text(library(), answer, request) if request else check(answer, case.basis, library())


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_answer_has_no_finding(name: str) -> None:
    result = _checked(sound(name).answer, sound(name))
    assert result.findings == [], rendered(result)
    assert result.verdict.startswith("No findings")


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_answer_as_json_has_no_finding(name: str) -> None:
    assert _checked(json.dumps(sound(name).fields()), sound(name)).findings == []


Mutated = tuple[str, str, str]
"""Answer, altered request or nothing, and the kind of finding that must appear."""


def _field(case: Sound, draw: random.Random) -> tuple[str, str]:
    return draw.choice(sorted(case.fields().items()))


def drop_a_field(case: Sound, draw: random.Random) -> Mutated | None:
    """From its label to the next one."""
    name, _ = _field(case, draw)
    start = case.answer.index(f"**{name}**:")
    following = re.search(r"^\*\*\w+\*\*:", case.answer[start + 2 :], re.MULTILINE)
    end = start + 2 + following.start() if following else len(case.answer)
    left = "" if draw.random() < 0.5 else f"**{name}**: TODO\n\n"
    return case.answer[:start] + left + case.answer[end:], "", "missing"


def change_a_cited_number(case: Sound, draw: random.Random) -> Mutated | None:
    """A number that is its fact's, up or down by 30 %, written with as many digits: then it is none of the fact's."""
    facts = case.basis.facts or {}
    places: list[tuple[int, str, list[Figure]]] = []
    for match in _IDS.finditer(case.answer):
        stretch = _IDS.split(re.split(r"(?<=[.!?;])\s|\n", case.answer[: match.start()])[-1])[-1]
        shown = [f for i in re.findall(r"[AF]\d+", match[0]) if i in facts for f in numbers_of(facts[i])]
        for figure in Claim(stretch, (), figures(stretch)).cited:
            found = _NUMBER.search(case.answer, match.start() - len(stretch) + figure.place)
            if found and found.end() <= match.start() and any(agrees(figure, f) for f in shown):
                places.append((found.start(), found[0], shown))
    draw.shuffle(places)
    for start, text, shown in places:
        value = float(text.replace(",", "")) * draw.choice([0.7, 1.3])
        digits = max(len(re.sub(r"e.*|\D", "", text).lstrip("0")), 2)
        changed = f"{round(value):,}" if text.replace(",", "").isdigit() else f"{value:.{digits}g}"
        (said,) = figures(changed)[:1]
        if changed != text and not any(agrees(said, f) for f in shown):
            return case.answer[:start] + changed + case.answer[start + len(text) :], "", "contradiction"
    return None


def alter_a_quotation(case: Sound, draw: random.Random) -> Mutated | None:
    quoted = [q for q in re.findall(r"“([^“”]{30,})”", case.answer) if source_of(q, library())]
    if not quoted:
        return None
    words = (whole := draw.choice(quoted)).split()
    at = draw.randrange(1, len(words))
    words[at] = draw.choice([w for w in ("never", "simply", "deeper", "noise") if w != words[at]])
    return case.answer.replace(whole, " ".join(words)), "", "quotation"


def attribute_an_invention(case: Sound, draw: random.Random) -> Mutated | None:
    _, text = _field(case, draw)
    said = draw.choice(
        [
            " As Kaiming He said, “depth is nothing but patience with gradients”.",
            " He et al. write: “the skip connection is the memory of the network”.",
            " “ResNet's core idea is simple: it alleviates vanishing gradients” (He et al.).",
        ]
    )
    return case.answer.replace(text, text + said), "", "quotation"


def invent_a_source(case: Sound, draw: random.Random) -> Mutated | None:
    _, text = _field(case, draw)
    source = draw.choice(
        ["(Okafor et al., 2021)", "[@okafor-2021-depth]", "arXiv:2109.99999", "Okafor and Lind (2022)"]
    )
    return case.answer.replace(text, f"{text} See {source}."), "", "unknown source"


def remove_a_test(case: Sound, draw: random.Random) -> Mutated | None:
    wanted = [f.name for f in case.form if "test" in f.wants]
    if not wanted:
        return None
    name = draw.choice(wanted)
    label = re.search(rf"\*\*{name}\*\*: ?", case.answer)
    assert label
    text = case.fields()[name]
    kept = f"It is the right thing to do, and the change follows from {next(iter(case.basis.facts or {}))}."
    return case.answer.replace(text, kept), "", "remedy without a test"


def alter_an_argument(case: Sound, draw: random.Random) -> Mutated | None:
    line = json.loads(case.request)
    name = draw.choice(sorted(line["args"]))
    value: Any = line["args"][name]
    line["args"][name] = (
        value + 1 if isinstance(value, int) and not isinstance(value, bool) else f"{value} " + draw.choice(["x", "2"])
    )
    if draw.random() < 0.3:
        del line["args"][name]
    return case.answer, json.dumps(line), "altered argument"


def speak_as_a_person(case: Sound, draw: random.Random) -> Mutated | None:
    _, text = _field(case, draw)
    said = draw.choice(
        [
            "I, Kaiming He, see it so: ",
            "As Kaiming He, I would say: ",
            "As I showed when I introduced ResNet, ",
            "In my ResNet paper it was the same. ",
        ]
    )
    return case.answer.replace(text, said + text), "", "impersonation"


def cite_a_fact_that_is_not_there(case: Sound, draw: random.Random) -> Mutated | None:
    _, text = _field(case, draw)
    return (
        case.answer.replace(text, f"{text} The ratio is 0.3 [F{draw.randint(60, 99)}]."),
        "",
        "unknown fact",
    )


OPERATORS: list[Callable[[Sound, random.Random], Mutated | None]] = [
    drop_a_field,
    change_a_cited_number,
    alter_a_quotation,
    attribute_an_invention,
    invent_a_source,
    remove_a_test,
    alter_an_argument,
    speak_as_a_person,
    cite_a_fact_that_is_not_there,
]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.__name__)
def test_every_mutant_is_caught_for_what_it_is(operator: Callable[[Sound, random.Random], Mutated | None]) -> None:
    survived: list[str] = []
    tried = 0
    for name in NAMES:
        for seed in SEEDS:
            mutant = operator(sound(name), random.Random(f"{name} {seed}"))
            if mutant is None:
                continue
            answer, request, kind = mutant
            assert request or answer != sound(name).answer
            tried += 1
            result = _checked(answer, sound(name), request)
            if kind not in {f.kind for f in result.findings}:
                survived.append(f"{name} seed {seed}: {rendered(result)}\n{answer}")
    assert tried
    assert not survived, survived[0]


def test_at_least_five_hundred_mutants_are_tried() -> None:
    count = Counter(
        o.__name__ for o in OPERATORS for n in NAMES for s in SEEDS if o(sound(n), random.Random(f"{n} {s}"))
    )
    assert count.total() >= 500, count
