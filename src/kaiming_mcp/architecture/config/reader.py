"""A Hugging Face config.json, read: the family's known layout with the sizes of the file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn, cast

from kaiming_mcp.architecture.config.defaults import defaults
from kaiming_mcp.architecture.config.families import FAMILIES, family_of_class, kind_of_class, nearest
from kaiming_mcp.architecture.config.fields import EXAMPLE, Fields
from kaiming_mcp.architecture.config.parts import Tower
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Assumption, Difference, Layer, Network, Opaque, Reading, Sequence, layers
from kaiming_mcp.architecture.listing import listed

LONGEST = 2_000_000
"""Characters of a text that is read."""
MOST_SHOWN = 12
"""Fields that an assumption lists by name."""

_OPENING = re.compile(r"^[ \t]*+(?:[\w.]++[ \t]*+[=:(]?[ \t]*+){0,3}+\{(?=\s*+[\"'/#}])", re.MULTILINE)
_KEY = re.compile(r"[\"'](\w{1,40})[\"']\s*+:")
_TELLING = frozenset(("model_type", "architectures", "transformers_version"))
_USUAL = frozenset(
    "hidden_size num_hidden_layers num_attention_heads intermediate_size vocab_size max_position_embeddings n_embd "
    "n_layer n_head d_model initializer_range hidden_act layer_norm_eps rms_norm_eps id2label image_size".split()
)
_UNSEEN = (
    "attention_dropout attention_probs_dropout_prob attn_pdrop drop_path_rate layerdrop encoder_layerdrop "
    "decoder_layerdrop"
).split()
# A string (closed or not), a comment, a trailing comma, a word of Python, a bracket of a tuple.
_PIECE = re.compile(
    r"""("(?:[^"\\\n]++|\\.)*+"?)|('(?:[^'\\\n]++|\\.)*+'?)|((?://|\#)[^\n]*+)|(,(?=(?:\s++|(?://|\#)[^\n]*+)*+[}\])]))|\b(True|False|None|torch\.\w++)|([()])"""
)
_PYTHON = {"True": "true", "False": "false", "None": "null", "(": "[", ")": "]"}


def looks_like_config(text: str) -> bool:
    """Whether the text holds a JSON object (or its Python form) with the fields of a transformers config."""
    opening = _OPENING.search(text[:LONGEST])
    if opening is None or "def forward(" in text:
        return False
    keys = {found[1] for found in _KEY.finditer(text[opening.end() : opening.end() + 50_000])}
    return bool(keys & _TELLING) or len(keys & _USUAL) >= 3


def read_config(text: str) -> Reading:
    """Read a config.json, or what print(config) or print(config.to_dict()) gives.

    Raises:
        ReadError: no config, a field of the wrong type or size, or a family that is not known.
    """
    if len(text) > LONGEST:
        raise ReadError(f"The text has {len(text):,} characters; at most {LONGEST:,} are read. Example: {EXAMPLE}")
    values = _parse(text)
    return Reading("hf-config", _networks(values))


def _parse(text: str) -> Mapping[str, Any]:
    opening = _OPENING.search(text)
    start = opening.end() - 1 if opening else text.find("{")
    if start < 0:
        raise ReadError(f"No JSON object was found. Expected a config.json, for example: {EXAMPLE}")
    first = text.count("\n", 0, start)
    decoder = json.JSONDecoder()
    try:
        try:
            found, _ = decoder.raw_decode(text[start:])
        except json.JSONDecodeError:
            found, _ = decoder.raw_decode(_PIECE.sub(_plain, text[start:]))
    except json.JSONDecodeError as wrong:
        line = first + wrong.lineno
        raise ReadError(
            f"Line {line}: no JSON ({wrong.msg}). Expected a config.json, for example: {EXAMPLE}"
        ) from wrong
    except RecursionError as wrong:
        raise ReadError(f"The JSON is nested too deeply. Expected a config.json, for example: {EXAMPLE}") from wrong
    except ValueError as wrong:
        raise ReadError(f"A number of the JSON is too long. Expected a config.json, for example: {EXAMPLE}") from wrong
    return cast(Mapping[str, Any], found)


def _plain(match: re.Match[str]) -> str:
    """One piece of Python, or of JSON with comments, as JSON."""
    double, single, comment, comma, word, bracket = match.groups()
    if double is not None:
        return double
    if single is not None:
        return json.dumps(re.sub(r"\\(['\\])", r"\1", single[1:].removesuffix("'")))
    if comment is not None or comma is not None:
        return ""
    return _PYTHON.get(word or bracket) or json.dumps(word)


def _networks(values: Mapping[str, Any]) -> tuple[Network, ...]:
    f = Fields(values, {})
    named = f.words("architectures")
    cls = named[0][:80] if named else ""
    told = f.word("model_type") if f.has("model_type") else ""
    inside = None if told in FAMILIES or f.has("hidden_size") else f.values.get("text_config")
    if isinstance(inside, dict):
        return _inner(cls or told, cast(Mapping[str, Any], inside))
    family = told if told in FAMILIES else family_of_class(cls)
    notes = list[Assumption]()
    if not family:
        family = nearest(f) or _unknown(told or cls)
        notes.append(
            Assumption(
                f"the family {told or cls or '(not named)'} is not known: read as {family}, whose fields it has; the "
                "total is that of this layout",
                "print(model)",
            )
        )
    known = FAMILIES[family]
    if not cls:
        cls = known.prefix + known.usual
        notes.append(
            Assumption(f"the file names no class (`architectures`): taken as {cls}", "the class that loads the config")
        )
    f.defaults = defaults()[family]
    towers = known.read(f, kind_of_class(cls))
    notes += _unseen(f)
    return tuple(_network(cls, tower, notes) for tower in towers)


def _inner(name: str, values: Mapping[str, Any]) -> tuple[Network, ...]:
    """The language model of a config that holds one among other parts."""
    if "text_config" in values:
        _unknown(name)
    rest = Layer(Opaque("parts beside text_config"), "rest")
    note = Assumption(
        f"only the language model (text_config) of {name} is read; a vision or audio tower and what joins them are not "
        "counted",
        "print(model)",
    )
    return tuple(
        replace(n, root=Sequence((n.root, rest)), assumptions=(note, *n.assumptions)) for n in _networks(values)
    )


def _unknown(name: str) -> NoReturn:
    shown = f"The family {name[:60]!r} is not known" if name else "The config names no model_type"
    raise ReadError(f"{shown}. Known: {', '.join(FAMILIES)}. For any other model paste what print(model) gives.")


def _unseen(f: Fields) -> list[Assumption]:
    """What training does that no layer shows."""
    active = [name for name in _UNSEEN if f.has(name) and f.real(name) > 0]
    if not active:
        return []
    listed = ", ".join(f"{name} = {f.real(name):g}" for name in active)
    return [
        Assumption(
            f"dropout of attention weights or of whole branches is not modelled: {listed}", "a run with them at zero"
        )
    ]


def _network(cls: str, tower: Tower, notes: list[Assumption]) -> Network:
    root = Sequence(tuple(tower.steps))
    assumptions = [*notes, *tower.assumptions]
    if tower.fields.assumed:
        pairs = [f"{name} = {value}" for name, value in tower.fields.assumed.items()]
        assumptions.append(
            Assumption(
                f"not in the file, taken from the library's defaults: {listed(pairs, MOST_SHOWN)}",
                "print(model.config)",
            )
        )
    return Network(
        f"{cls} {tower.name}".strip(),
        root,
        tower.input,
        tuple(assumptions),
        tuple(Difference(count, reason) for reason, count in tower.differences.items()),
        sum(times for _, times in layers(root)),
        tower.initialization,
    )
