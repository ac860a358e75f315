"""What a person can change in the picture, as places in the layer notation where the value stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from kaiming_mcp.picture.model import Control, Span
from kaiming_mcp.picture.statements import Statement, statements

MOST_DEPTHS, MOST_SCALES = 6, 3
SCALES = ("1", "0.5", "0.25", "0.1", "0")
ACTIVATIONS = ("relu", "leaky_relu 0.2", "gelu", "silu", "mish", "elu", "selu", "tanh", "sigmoid", "softplus", "sin")
INITIALIZATIONS = (
    "pytorch default",
    "he",
    "he fan_out",
    "xavier",
    "xavier gain 5/3",
    "lecun",
    "orthogonal",
    "std 0.02",
    "gpt2",
    "fixup",
)
NORMS = ("layernorm", "rmsnorm", "batchnorm")
NONE = "none"
_OTHER_NORMS = ("groupnorm", "instancenorm")


def controls(text: str, initialization: str, hidden: str) -> list[Control]:
    """The controls of a network written in the notation; `hidden` is the name of its hidden nonlinearity, or empty."""
    found = list(statements(text))
    made = [*_depths(found), _activation(found, hidden), _initialization(initialization), *_scales(found)]
    return [control for control in (*made, _norm(found, text, hidden)) if control is not None]


def applied(text: str, changes: Sequence[tuple[Control, str]]) -> str:
    """The text with new values: from its end to its beginning, a replacement before an insertion at the same place."""
    edits = list[tuple[int, int, int, str]]()
    for control, value in changes:
        gone = value == NONE
        for i, (start, end) in enumerate(control.spans):
            template = control.templates[i] if control.templates else "{}"
            edits.append((start, 1, end, "" if gone else template.replace("{}", value)))
        edits += [(at, 0, at, "" if gone else template.replace("{}", value)) for at, template in control.insert]
    for start, _, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _depths(found: Sequence[Statement]) -> Iterator[Control]:
    """The longest repeats, in the order of the text."""
    repeats = [(i, s) for i, s in enumerate(found) if s.word == "repeat" and s.arguments]
    longest = sorted(repeats, key=lambda pair: -int(pair[1].arguments[0].text))[:MOST_DEPTHS]
    for number, (i, s) in enumerate(sorted(longest), 1):
        count = s.arguments[0]
        inside = found[i + 1].word if i + 1 < len(found) else ""
        yield Control(
            kind="depth",
            label=f"repeat {number} ({inside} …)",
            value=count.text,
            spans=[_span_of(count.at, count.text)],
        )


def _activation(found: Sequence[Statement], hidden: str) -> Control | None:
    shown = [s for s in found if s.word == hidden]
    if not shown:
        return None
    value = _words(shown[0])
    # Statements that are written in another way (another slope) are another nonlinearity.
    spans = [s.span for s in shown if _words(s) == value]
    return Control(kind="activation", label="activation", value=value, spans=spans, choices=_with(value, ACTIVATIONS))


def _initialization(value: str) -> Control:
    return Control(kind="initialization", label="initialization", value=value, choices=_with(value, INITIALIZATIONS))


def _scales(found: Sequence[Statement]) -> Iterator[Control]:
    """One control for each scale that residual blocks have; where none is written there is place for one."""
    blocks = [(s, s.after("scale")) for s in found if s.word == "residual"]
    values = Counter(token.text if token else "1" for _, token in blocks)
    for value, count in values.most_common(MOST_SCALES):
        same = [(s, token) for s, token in blocks if (token.text if token else "1") == value]
        label = "branch scale" if len(values) == 1 else f"branch scale {value} ({count} of {len(blocks)})"
        yield Control(
            kind="scale",
            label=label,
            value=value,
            spans=[_span_of(token.at, token.text) for _, token in same if token],
            choices=_with(value, SCALES),
            insert=[(s.span[1], " scale {}") for s, token in same if not token],
        )


def _norm(found: Sequence[Statement], text: str, hidden: str) -> Control | None:
    """The most frequent norm; where there is none, a place before each hidden nonlinearity."""
    norms = Counter(s.word for s in found if s.word in (*NORMS, *_OTHER_NORMS))
    if not norms:
        places = [(s.head.at, "{} ; ") for s in found if s.word == hidden]
        choices = [NONE, *NORMS]
        return Control(kind="norm", label="norm", value=NONE, choices=choices, insert=places) if places else None
    word, count = norms.most_common(1)[0]
    same = [s for s in found if s.word == word]
    label = "norm" if len(norms) == 1 else f"norm ({word}, {count} of {norms.total()})"
    groups = Counter(s.arguments[0].text for s in same) if word == "groupnorm" else None
    value = word if groups is None else f"{word} {groups.most_common(1)[0][0]}"
    same = [s for s in same if _words(s).startswith(value)]
    rest = [text[s.span[0] + len(value) : s.span[1]] for s in same]
    choices = [NONE, *_with(value, NORMS)]
    return Control(
        kind="norm",
        label=label,
        value=value,
        spans=[s.span for s in same],
        choices=choices,
        templates=["{}" + one for one in rest],
    )


def _words(s: Statement) -> str:
    return " ".join([s.head.text, *(t.text for t in s.arguments)])


def _span_of(at: int, text: str) -> Span:
    return at, at + len(text)


def _with(value: str, choices: Sequence[str]) -> list[str]:
    return list(choices) if value in choices else [value, *choices]
