"""Numbers in prose: what they are worth, what they cite, when two written numbers are one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.checking.facts import contradictions
from kaiming_mcp.checking.figures import agrees, cited, claims, figures, near
from kaiming_mcp.scaffold import Fact


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.00168 at the end", [0.00168]),
        ("1,179,648 values", [1179648]),
        ("x0.167 per layer, ×2.5", [0.167, 2.5]),
        ("2.3×10⁻⁴ and 4.05e-08", [2.3e-4, 4.05e-8]),
        ("10^-3, 2^10, 2 ** 4", [1e-3, 1024, 16]),
        ("35.8 % of runs", [35.8]),
        ("-3 and −3, 3–5 seeds", [-3, -3, 3, 5]),
        ("resnet18, fp16, conv2d, F3, k3, A12", []),
        ("arXiv:1512.03385", [1512.03385]),
        ("½ and three", []),
        ("1e99999 is no number to break on", [1e300]),
    ],
)
def test_numbers_are_read_in_the_ways_people_write_them(text: str, values: list[float]) -> None:
    assert [f.value for f in figures(text)] == pytest.approx(values)


def test_what_a_number_is_for_shows_in_the_words_before_it() -> None:
    layer, share, threshold, foretold = figures("At layer 12 the share is 0.4, below 0.5. I predict a ratio of 1.0")
    assert (layer.label, share.label, threshold.bound, foretold.foretold) == (True, False, True, True)
    assert not share.bound
    assert not share.foretold


def test_a_claim_reaches_from_one_citation_to_the_next_within_its_sentence() -> None:
    text = "The ratio is 0.5 [F3] and 0.25 [F4, A1]. F2: 11,000 parameters; nothing 7 here."
    assert [(c.ids, [f.text for f in c.figures]) for c in claims(text)] == [
        (("F3",), ["0.5"]),
        (("F4", "A1"), ["0.25"]),
        (("F2",), ["11,000"]),
    ]
    assert cited(text) == ["F3", "F4", "A1", "F2"]


@pytest.mark.parametrize(
    ("said", "fact", "same"),
    [
        ("0.807", "0.8072", True),
        ("0.81", "0.807", True),
        ("0.8", "0.807", True),
        ("about 0.75", "0.807", True),
        ("0.75", "0.807", False),
        ("81 %", "0.807", True),
        ("0.81", "81 %", True),
        ("1,200", "1,234", True),
        ("1,604", "1,234", False),
        ("600 times", "0.00167", True),
        ("-3", "3", True),
        ("0", "3e-20", True),
        ("0", "3", False),
    ],
)
def test_two_written_numbers_are_one_within_the_rounding_of_either(said: str, fact: str, same: bool) -> None:
    assert agrees(figures(said)[0], figures(fact)[0]) is same


@given(st.floats(1e-12, 1e12), st.sampled_from([0.7, 1.3]), st.integers(3, 6))
@settings(max_examples=300)
def test_a_number_that_was_changed_by_thirty_per_cent_never_agrees(value: float, factor: float, digits: int) -> None:
    fact, said = figures(f"{value:.{digits}g}")[0], figures(f"{value * factor:.{digits}g}")[0]
    assert agrees(fact, fact)
    # "8 times smaller" may stand for 0.125: the one number whose change lands on its own reciprocal is left out.
    if abs(value * value * factor - 1) > 0.05:
        assert not agrees(said, fact)
    assert near(said, fact)


@given(st.text())
@settings(max_examples=300)
def test_any_text_is_read_into_finite_numbers_that_stand_in_it(text: str) -> None:
    for figure in figures(text):
        assert not math.isnan(figure.value)
        assert 0 <= figure.place <= len(text)
    for claim in claims(text):
        assert claim.ids


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("after 24 layers the ratio is 9.16 [F1]", ["9.16"]),
        ("the ratio is 4.41 [F1]", []),
        ("from 4.41 one gets 86 [F1]", []),
        ("0.5 instead of 4.41 [F1]", []),
        ("falls from 5.7 to 0.25 [F1]", ["5.7"]),
        ("the ratio is 4.41, and I expect 1.0 [F1]", []),
        ("| 3.1 [F1] |", ["3.1"]),
    ],
)
def test_the_number_of_a_citation_must_be_its_facts_or_derived_from_one(text: str, wrong: list[str]) -> None:
    fact = Fact(id="F1", statement="over 24 layers the ratio is 4.41, then 0.25", basis="computed", value=4.41)
    assert [c.said for c in contradictions(text, {"F1": fact})] == wrong
