"""One door for every input format: clean, tell apart, read, or say what to send."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.architecture.config.reader import looks_like_config, read_config
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Assumption, Reading
from kaiming_mcp.architecture.keras.summary import read_keras_summary
from kaiming_mcp.architecture.keras.table import looks_like_keras_summary
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.notation import looks_like_notation, read_notation
from kaiming_mcp.architecture.pairing import with_configuration, with_table, with_tables
from kaiming_mcp.architecture.paste.clean import clean
from kaiming_mcp.architecture.paste.parts import Parts, fenced, parts
from kaiming_mcp.architecture.shorthand import looks_like_shorthand, read_shorthand
from kaiming_mcp.architecture.source.printed import read_with_printout
from kaiming_mcp.architecture.source.reader import is_bare, looks_like_source, read_source
from kaiming_mcp.architecture.tables.torchinfo import looks_like_torchinfo, read_torchinfo
from kaiming_mcp.architecture.tables.torchsummary import looks_like_torchsummary, read_torchsummary
from kaiming_mcp.architecture.torch_reader import read_torch_repr
from kaiming_mcp.architecture.torch_repr import looks_like_torch_repr, parse

EXAMPLE = """input 3x32x32
conv 3 64 k3 ; batchnorm ; relu
repeat 8 { residual { conv 64 64 k3 ; batchnorm ; relu ; conv 64 64 k3 ; batchnorm } ; relu }
globalpool ; linear 64 10"""

ACCEPTED = (
    "Send what PyTorch's print(model) gives, a torchinfo, torchsummary or Keras summary, a Hugging Face config.json, "
    "the source of the model's class, or the network in the layer notation (one word and its numbers for each layer): "
    "kaiming://guide/formats"
)
LONGEST_TEXT, MOST_LINES, MOST_NAMED = 2_000_000, 100_000, 10


class NotAnArchitectureError(ReadError):
    """No known format was recognised: prose, or something that is no network."""


def read_architecture(text: str, wanted: str = "", entering: int = 0) -> Reading:
    """Read the networks of a text in whichever formats it holds; the one named `wanted` comes first.

    `entering` is the width of the input where it is known, for layers jotted down without it.

    Raises:
        NotAnArchitectureError: no format was recognised.
        ReadError: a format was recognised and the text breaks its rules, or there is no network of that name.
    """
    if len(text) > LONGEST_TEXT or text.count("\n") > MOST_LINES:
        raise ReadError(
            f"The text has {len(text):,} characters in {text.count(chr(10)) + 1:,} lines; at most {LONGEST_TEXT:,} in "
            f"{MOST_LINES:,} are read. Send the model alone. Example:\n{EXAMPLE}"
        )
    text = fenced(clean(text))
    if looks_like_notation(text) and (not looks_like_torch_repr(text) or 'unknown "' in text):
        return _first(read_notation(text), wanted)
    found = Parts(source=text) if is_bare(text) else parts(text)
    reading = (
        _printed(text, found)
        or _written(found, wanted)
        or _tabled(text)
        or _configured(text)
        or _jotted(text, entering)
    )
    if reading is not None:
        return _first(_with_gaps(reading, text), wanted)
    raise NotAnArchitectureError(f"{_what(text)} {ACCEPTED}.")


def _printed(text: str, found: Parts) -> Reading | None:
    """Printed modules, with what source code or a configuration in the same paste adds."""
    if not looks_like_torch_repr(found.printed or text):
        return None
    if looks_like_source(found.source):
        reading = _unless(lambda: read_with_printout(found.source, parse(found.printed).models))
        if isinstance(reading, Reading):
            return replace(reading, format="torch-repr + python-source")
    reading = read_torch_repr(found.printed if found.source else text)
    table = _unless(lambda: _tabled(found.table)) if found.table else None
    if isinstance(table, Reading):
        return Reading(f"{reading.format} + {table.format}", with_tables(reading.networks, table.networks))
    if looks_like_config(found.config):
        other = _unless(lambda: read_config(found.config))
        if isinstance(other, Reading) and len(other.networks) == 1:
            first = with_configuration(reading.networks[0], other.networks[0])
            return Reading("torch-repr + hf-config", (first, *reading.networks[1:]))
        if isinstance(other, ReadError):
            return _noted(reading, other)
    return reading


def _written(found: Parts, wanted: str) -> Reading | None:
    """Source code, with the total of a summary table in the same paste."""
    if not looks_like_source(found.source):
        return None
    table = _unless(lambda: _tabled(found.table)) if found.table else None
    try:
        reading = _without_shared_loss(read_source(found.source, wanted))
    except ReadError as fault:
        if isinstance(table, Reading):
            return _noted(table, fault)
        if found.config:
            return None
        raise
    if isinstance(table, Reading):
        first = with_table(reading.networks[0], table.networks[0])
        return Reading(f"{reading.format} + {table.format}", (first, *reading.networks[1:]))
    return reading


def _without_shared_loss(reading: Reading) -> Reading:
    """One loss in a text of several networks belongs to one of them, and the text need not say to which."""
    if len(reading.networks) == 1:
        return reading
    return replace(reading, networks=tuple(replace(n, loss="") for n in reading.networks))


def _tabled(text: str) -> Reading | None:
    for looks, read in (
        (looks_like_torchinfo, read_torchinfo),
        (looks_like_torchsummary, read_torchsummary),
        (looks_like_keras_summary, read_keras_summary),
    ):
        if looks(text):
            return read(text)
    return None


def _configured(text: str) -> Reading | None:
    return read_config(text) if looks_like_config(text) else None


def _jotted(text: str, entering: int) -> Reading | None:
    return read_shorthand(text, entering) if looks_like_shorthand(text) else None


def _unless(read: Callable[[], Reading | None]) -> Reading | ReadError | None:
    try:
        return read()
    except ReadError as fault:
        return fault


def _noted(reading: Reading, fault: ReadError) -> Reading:
    """The reading, with what became of the other part of the paste."""
    first, *others = reading.networks
    note = Assumption(f"another part of the text was not understood and left aside: {fault}", "that part corrected")
    return replace(reading, networks=(replace(first, assumptions=(*first.assumptions, note)), *others))


_GAP = re.compile(
    r"^[ \t|│├└─#]*(?:\.{3,}|…|\[(?:\.{3}|…)\]|<[^<>\n]{0,40}(?:snip|truncat|omit)[^<>\n]{0,40}>)[ \t]*$", re.MULTILINE
)


def _with_gaps(reading: Reading, text: str) -> Reading:
    """The reading of a printout, with the lines named at which its sender left something out."""
    if "source" in reading.format or reading.format == "hf-config":
        return reading
    gaps = [str(text.count("\n", 0, m.start()) + 1) for m in _GAP.finditer(text)]
    if not gaps:
        return reading
    where = f"line {gaps[0]}" if len(gaps) == 1 else f"lines {listed(gaps, MOST_NAMED)}"
    note = Assumption(f"something is left out at {where} of the text, and missing from what was read", "the whole text")
    first, *others = reading.networks
    return replace(reading, networks=(replace(first, assumptions=(note, *first.assumptions)), *others))


def _first(reading: Reading, wanted: str) -> Reading:
    if not wanted:
        return reading
    chosen = next((n for n in reading.networks if n.name.lower() == wanted.lower()), None)
    if chosen is None:
        names = [*dict.fromkeys(n.name for n in reading.networks)]
        raise ReadError(
            f"No network is named {wanted[:60]!r} here; there is: {', '.join(names[:MOST_NAMED])}. "
            f"Example: path:models/net.py#{names[0]}"
        )
    return replace(reading, networks=(chosen, *(n for n in reading.networks if n is not chosen)))


def _what(text: str) -> str:
    if not text.strip():
        return "`architecture` is empty."
    if text.lstrip().startswith("{"):
        return "This looks like JSON, but not like a config.json with a model_type."
    return "No network was recognised in this text, and prose is not guessed at."
