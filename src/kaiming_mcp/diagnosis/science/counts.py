"""What is counted in a text: samples, and the groups that they fall into."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.science.plain import NUMBER
from kaiming_mcp.diagnosis.science.subjects import Counted, sciences
from kaiming_mcp.diagnosis.science.units import leading_unit

_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_COUNT = re.compile(
    rf"({NUMBER})(?:(k|m|b)(?=[\s-])|\s?(thousand|million|billion)\b)?[\s-]+"
    r"((?:[a-z&][\w&/'-]*(?:[ ]|$|(?=[^\w\s]))){1,5})",
    re.IGNORECASE,
)
_STOP = re.compile(
    r"\b(?:of|from|in|with|per|and|at|on|for|to|each|by|as|over|across|vs|or|than|are|is|was|were|using|have|has|that|which|"
    r"but|so|out|into|between|among|labelled|labeled|held|be|been|run|can|will|would|should|does|do|not|only|used|when|while)\b",
    re.IGNORECASE,
)
_EACH = re.compile(r"\s*(?:each|apiece|per\s+(\w+))\b", re.IGNORECASE)
_EACH_BEFORE = re.compile(
    r"\beach(?:\s+\w+)?\s+(?:has|have|with|gives?|contains?|of|yields?)?\s*(?:about|~|up to)?\s*$", re.I
)
_OF = re.compile(r"\w of (?:about |~)?$", re.IGNORECASE)
_USED = re.compile(
    r"\b(?:used on|applied to|apply (?:it )?to|deployed on|predict(?:ed)? for|instead of)\W+(?:\w+\W+){0,1}$", re.I
)
_LINK = re.compile(r"\b(?:of|from|by|across|over)\s*$", re.IGNORECASE)
_AT = re.compile(r"\bat\s*$", re.IGNORECASE)
_TEST = re.compile(
    r"\b(?:test(?:ed)?(?: set| on| with)?|core set|held[- ]?out|hold[- ]?out|(?<!cross-)(?<!cross )validation(?: set)?|external(?: set)?)[^\w.\n]+(?:\w+[^\w.\n]+){0,2}$",
    re.I,
)
_NOT_COUNTED = re.compile(
    r"(?:differ|disagree|scatter|var(?:y|ies)|deviat|off|fall|drop|rise|improv|chang|mov|shift|wrong)\w* (?:\w+ ){0,4}by\s*$|"
    r"\b(?:at|of size|dimension|resolution|order|version|level|top|figure|table|eq\.?|ref\.?)\s*$",
    re.I,
)
_PLURAL = re.compile(rf"({NUMBER})\s+(?:[a-z-]+\s+)?([a-z]{{4,20}}[^s\W]s)\b", re.IGNORECASE)
_NO_SAMPLES = frozenset(
    "years months weeks days hours minutes seconds layers epochs blocks heads steps classes labels features channels atoms electrons "
    "parameters dimensions degrees percent times levels bands bins seeds folds tokens residues variables metres meters units numbers "
    "species strains genera varieties categories predictors stages models networks methods losses iterations things questions points inputs outputs words sets".split()
)
_PARTS = re.compile(
    rf"({NUMBER}) (?:\w+ )?(?:cases|patients|positives|tumou?rs|cancers)\W+(?:and |vs\.? |versus )?({NUMBER}) (?:\w+ )?(?:controls|healthy(?: \w+)?|negatives)\b",
    re.IGNORECASE,
)
"""Both arms of a design: 84 cases and 96 controls are 180 people."""
_BARE_SET = re.compile(
    rf"\b((?:test|core|hold-?out|held-?out|validation|external)(?: set)? of {NUMBER})(?=\s*(?:[,.;)\n]|$))",
    re.IGNORECASE,
)
_AGGREGATED = re.compile(
    rf"\b(?:aggregated|averaged|binned|gridded|pooled)\s+(?:in)?to\s+(?:about )?({NUMBER})", re.IGNORECASE
)
_SCORED = re.compile(
    r"\b(?:mae|rmse|rmsep|mape|mean absolute error|last value|persistence|climatology|naive(?: forecast)?)\s*(?:of|is|=|:|at|about)?\s*$",
    re.IGNORECASE,
)
"""An error of 41 admissions counts none."""
_TRAINED = re.compile(r"\b(?:after|trained for|training for|train for)\s*$", re.IGNORECASE)
"""After 500,000 steps of training there are no 500,000 time steps."""
_NAME_BEFORE = re.compile(r"[A-Za-z]-\d+$")
"""CIFAR-10 images are no 10 images."""
_TEST_WORD = re.compile(r"(?:test|held-out|holdout|validation|external)\b", re.IGNORECASE)
_PEOPLE = frozenset({"patient", "subject", "animal"})
MOST_ITEMS, FEWEST_UNLISTED = 1e15, 20
MANY_SETTINGS = 30
"""Above so many, settings are units of their own (150 countries), no handful to be recognised."""


@dataclass(frozen=True, slots=True)
class Count:
    """So many of something; `per` where the number is for each of another thing, `test` for a test set."""

    number: float
    noun: Counted
    said: str
    per: bool = False
    test: bool = False

    @property
    def many(self) -> str:
        """The person's own word in the plural, or the list's."""
        return self._forms[1]

    @property
    def one(self) -> str:
        """The same in the singular."""
        return self._forms[0]

    @property
    def _forms(self) -> tuple[str, str]:
        word, noun = self.said, self.noun
        if " " in word or word in (noun.one, noun.many) or len(word) < 4 or word.endswith(("series", "species")):
            return noun.one, noun.many
        if word.endswith("s") and not word.endswith("ss"):
            ends = (("ies", "y"), ("xes", "x"), ("ches", "ch"), ("sses", "ss"), ("s", ""))
            return next(word.removesuffix(end) + new for end, new in ends if word.endswith(end)), word
        # An irregular plural, such as mice, is left to the list.
        return (word, plural(word)) if self.number == 1 else (noun.one, noun.many)


@dataclass(frozen=True, slots=True)
class Sample:
    """The finest thing counted, and the coarser ones, the finest first; `variables` counted beside individuals."""

    items: Count | None
    groups: tuple[Count, ...]
    test: tuple[Count, ...] = ()
    variables: int | None = None

    @property
    def inner(self) -> Count | None:
        """The coarsest thing whose rows are alike: a new one of it is what a claim is about."""
        alike = [
            g
            for g in self.groups
            if g.number > 1 and not g.noun.set and (g.noun.kind != "context" or g.number > MANY_SETTINGS)
        ]
        return alike[-1] if alike else None

    @property
    def outer(self) -> Count | None:
        """The coarsest setting (site, survey) or else the coarsest group: a claim about new ones rests on it."""
        contexts = [g for g in self.groups if g.noun.kind == "context" and g.number <= MANY_SETTINGS]
        return contexts[-1] if contexts else self.groups[-1] if self.groups else None


_OF_ONE = re.compile(
    r"\s*(?:of|from|in) (?:1|one|each|every|the same|a single) (?:individual|patient|subject|participant|person|donor|animal|mouse)\b"
)
"""2 nights of one individual: so many of each, no total."""


def plural(word: str) -> str:
    """The plural of a plain English noun."""
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def read_counts(text: str) -> tuple[Count, ...]:
    """Every count of a known noun in a plain text, in order."""
    found: list[Count] = []
    text = _PARTS.sub(lambda m: f"{float(m[1]) + float(m[2]):.0f} subjects", text)
    text = _BARE_SET.sub(r"\1 samples", text)
    for match in _COUNT.finditer(text):
        number = abs(float(match[1])) * _SCALES.get((match[2] or match[3] or "").lower(), 1.0)
        stop = _STOP.search(match[4])
        phrase = match[4][: stop.start()] if stop else match[4]
        noun, said = _noun(phrase)
        before = text[max(0, match.start() - 60) : match.start()]
        if noun is not None and noun.set:
            noun = _setting(noun, said)
        # A plural that is not in the list counts after "images of 300 …", and where it has parts: "10,000 grasps of …".
        if noun is None and ((found and _LINK.search(before)) or (stop and number >= FEWEST_UNLISTED)):
            noun, said = _new_noun(phrase)
        if (
            noun is None
            or leading_unit(match[4]) is not None
            or not 1 <= number < MOST_ITEMS
            or number != int(number)
            or (_NOT_COUNTED.search(before) and not (noun.set and _AT.search(before)))
            or _USED.search(before)
            or _SCORED.search(before)
            or (_TRAINED.search(before) and noun.id == "frame")
            or _NAME_BEFORE.search(text[: match.end(1)][-20:])
        ):
            continue
        after = text[match.start(4) + len(phrase.rstrip()) :][:40]
        # "100 trajectories of 1,000 steps" are 100,000 steps, "112,000 images of 30,805 patients" no product.
        inside = (
            noun.kind == "item"
            and not _TEST.search(before)
            and bool(_OF.search(before))
            and bool(found)
            and found[-1].noun.kind == "replica"
        )
        each = inside or bool(_OF_ONE.match(after)) or bool(_EACH.match(after)) or bool(_EACH_BEFORE.search(before))
        found.append(Count(number, noun, said, each, bool(_TEST.search(before) or _TEST_WORD.match(phrase))))
    aggregated = _AGGREGATED.search(text)
    if aggregated:
        # What was averaged away counts no more: 12 million trees in 60,000 pixels are 60,000 rows.
        found = [c for c in found if c.number <= float(aggregated[1])]
    return tuple(found) or _unlisted(text)


def _new_noun(phrase: str) -> tuple[Counted | None, str]:
    """A plural that is not in the list, after "images of 300 …"."""
    plurals = (w.lower().strip(".,;:") for w in phrase.split()[:3])
    word = next((w for w in plurals if w.endswith("s") and not w.endswith(("ss", "us", "is"))), "")
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss") or word in _NO_SAMPLES:
        return None, ""
    return Counted(id=word, one=word.removesuffix("s"), many=word, kind="replica", words=(word,)), word


def _setting(noun: Counted, said: str) -> Counted:
    """A value that was set, under the person's own name: 20 viscosities are no 60 initial conditions."""
    many = said if said.endswith("s") else plural(said)
    one = f"{many[:-3]}y" if many.endswith("ies") else many.removesuffix("s")
    return noun.model_copy(update={"id": many, "one": one, "many": many, "words": (one[:-1] or one,)})


def _unlisted(text: str) -> tuple[Count, ...]:
    """Plural nouns after a number, where no listed noun is counted: "2,186 languages"."""
    found: list[Count] = []
    for match in _PLURAL.finditer(text):
        word, number = match[2].lower(), abs(float(match[1]))
        named = _NAME_BEFORE.search(text[: match.end(1)][-20:]) or _SCORED.search(text[: match.start()][-40:])
        if word in _NO_SAMPLES or number != int(number) or number < 2 or named:
            continue
        noun = Counted(id=word, one=word.removesuffix("s"), many=word, kind="replica", words=(word,))
        found.append(Count(number, noun, word))
    return tuple(found[:3])


def sample(counts: tuple[Count, ...]) -> Sample:
    """Order what was counted from fine to coarse; a number per group multiplies the finest group."""
    whole: dict[str, Count] = {}
    for count in counts:
        if not count.per and not count.test:
            known = whole.get(count.noun.id)
            # The larger of two numbers for one noun is the total, the other a part.
            whole[count.noun.id] = count if known is None or count.number > known.number else known
    for count in counts:
        # "1,200 trajectories of 50 steps, rolled out 50 steps": so many for each are no total.
        if count.per and count.noun.id in whole and whole[count.noun.id].number <= count.number:
            del whole[count.noun.id]
    _sessions_of_each(whole)
    individuals = any(c.noun.individual for c in whole.values())
    axes = [c for c in whole.values() if c.noun.axis and individuals]
    ordered = sorted((c for c in whole.values() if c not in axes), key=lambda c: -c.number)
    for count in counts:
        if count.per and ordered and count.noun.id not in whole and not count.noun.axis:
            base = ordered[0]
            if count.noun.kind == "replica" and base.noun.kind == "item":
                # 64 molecules per frame are what a frame holds, no samples.
                continue
            ordered.insert(0, Count(base.number * count.number, count.noun, count.said))
    test = tuple(c for c in counts if c.test and not c.per)
    variables = int(max(c.number for c in axes)) if axes else None
    if not ordered or all(c.noun.kind == "context" for c in ordered):
        return Sample(None, tuple(ordered), test, variables)
    items = next(c for c in ordered if c.noun.kind != "context")
    # "12,000 molecules, 30 measurements": single values are no groups of anything.
    # Nor are rows groups of what has rows: 1,200 trajectories are not 50 steps.
    groups = tuple(
        c
        for c in ordered
        if c is not items
        and c.noun.id != "record"
        and c.one != items.one
        and c.number < items.number
        and (c.noun.kind != "item" or items.noun.kind == "item")
    )
    return Sample(items, groups, test, variables)


def _sessions_of_each(whole: dict[str, Count]) -> None:
    """9 subjects, 2 sessions: fewer sessions or trials than people are so many for each of them."""
    people = max((c.number for k, c in whole.items() if k in _PEOPLE), default=0.0)
    for name in ("session", "frame"):
        inside = whole.get(name)
        if inside is not None and inside.number < people:
            whole[name] = Count(inside.number * people, inside.noun, inside.said)


def _noun(phrase: str) -> tuple[Counted | None, str]:
    words = phrase.split()
    for i in range(len(words) - 1, -1, -1):
        word = words[i].lower().strip(".,;:'")
        pair = f"{words[i - 1].lower()} {word}" if i else word
        for entry in sciences().counted:
            if entry.found(pair if " " in pair and any(" " in w for w in entry.words) else word):
                return entry, pair if " " in pair and not entry.found(word) else word
    return None, ""
