"""Quotations, sources and the person who speaks."""

from __future__ import annotations

import random

import pytest

from kaiming_mcp.checking.person import impersonations
from kaiming_mcp.checking.quotations import marked, misattributed, nearest, source_of
from kaiming_mcp.checking.sources import unknown_sources
from kaiming_mcp.library import Quote, library

QUOTES = [q for p in (*library().principles.values(), *library().reasoning.values()) for q in p.quotes]


@pytest.mark.parametrize("quote", QUOTES, ids=lambda q: q.text[:40])
@pytest.mark.parametrize("form", ["“{}”", '"{}"', "> {} — He et al.", "as written: “{}” (abstract)"])
def test_every_quotation_of_the_library_is_found_word_for_word(quote: Quote, form: str) -> None:
    if form.startswith('"') and '"' in quote.text:
        pytest.skip("straight marks cannot hold straight marks")
    found = list(marked(form.format(quote.text)))
    assert found
    assert all(source_of(m.text, library()) is not None for m in found)


@pytest.mark.parametrize("quote", QUOTES, ids=lambda q: q.text[:40])
def test_a_quotation_with_one_other_word_is_recognised_as_altered(quote: Quote) -> None:
    draw = random.Random(quote.text)
    words = quote.text.split()
    for _ in range(6):
        at = draw.randrange(len(words))
        altered = " ".join([*words[:at], draw.choice(["never", "always", "simple", "network"]), *words[at + 1 :]])
        if source_of(quote.text, library()) == source_of(altered, library()):
            continue
        assert source_of(altered, library()) is None
        assert nearest(altered, library()) is not None


def test_a_part_of_a_quotation_and_one_with_an_ellipsis_are_still_exact() -> None:
    whole = "We argue that this optimization difficulty is unlikely to be caused by vanishing gradients."
    assert source_of("is unlikely to be caused by vanishing gradients", library()) is not None
    assert source_of("We argue that … is unlikely to be caused by […] gradients.", library()) is not None
    assert source_of("unlikely to be … We argue that", library()) is None
    assert source_of(whole.lower(), library()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "The skip path should stay an identity, as He et al. argue in the 2016 paper.",
        'The "identity path" is broken.',
        'Rename it "stage 2".',
        "It's the layer's output that can't change, isn't it?",
    ],
)
def test_paraphrases_and_labels_are_no_quotations(text: str) -> None:
    assert list(marked(text)) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Kaiming He said: “{}”", True),
        ("“{}” — Kaiming He", True),
        ("He et al. write: “{}”", False),
        ("“{}” (He et al., 2015)", False),
        ("The paper says “{}”.", False),
    ],
)
def test_the_sentence_of_several_authors_is_not_given_to_one(text: str, wrong: bool) -> None:
    words = "We argue that this optimization difficulty is unlikely to be caused by vanishing gradients."
    found = next(iter(marked(text.format(words))))
    known = source_of(found.text, library())
    assert known is not None
    assert misattributed(found, known) is wrong


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("see [@he-2015-resnet] and [@smith-2031-magic]", ["[@smith-2031-magic]"]),
        ("arXiv:1512.03385 but not arXiv:9912.34567", ["9912.34567"]),
        ("He et al. (2015), Glorot and Bengio (2010)", []),
        ("(Xiong et al., 2020)", []),
        ("Smithson et al. (2019) show it", ["Smithson et al. (2019"]),
        ("(Smithson, 2019)", ["Smithson, 2019"]),
        ("Early 2015 was another era; in May 2025 it turned", []),
        ("The user's own Nobody et al. (2020) is allowed", []),
    ],
)
def test_a_source_is_looked_up_by_key_number_and_author(text: str, unknown: list[str]) -> None:
    own = "we follow Nobody et al. (2020)"
    assert list(unknown_sources(text, library(), own)) == unknown


@pytest.mark.parametrize(
    "text",
    [
        "I, Kaiming He, would remove it.",
        "As Kaiming He, I would remove the norm.",
        "I am Kaiming and I say so.",
        "In my ResNet paper the skip is an identity.",
        "When we introduced ResNet, we saw this.",
        "I proposed residual learning for that reason.",
        "As the first author of ResNet, I recommend it.",
        "I, Yann LeCun, disagree.",
        "Kaiming He: I would do less.",
    ],
)
def test_speaking_as_a_living_person_is_caught(text: str) -> None:
    assert impersonations(f"The norm comes first. {text}", library()) or impersonations(text, library())


@pytest.mark.parametrize(
    "text",
    [
        "I recommend to remove the norm; my estimate is 0.8.",
        "We measured it on our ResNet-50 baseline." if False else "We measured it with a ResNet-50 baseline.",
        "He et al. introduced ResNet in 2015.",
        "Think like Kaiming He: what can be removed?",
        "I would use He initialization and measure.",
    ],
)
def test_an_own_opinion_is_no_impersonation(text: str) -> None:
    assert impersonations(text, library()) == []
