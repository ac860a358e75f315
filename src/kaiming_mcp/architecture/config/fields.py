"""Typed access to the fields of a config: aliases, library defaults for absent fields, bounds, errors by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, cast

from kaiming_mcp.architecture.errors import ReadError

LARGEST = 1_000_000_000
"""No size of a config may be above this."""
MOST_LAYERS = 10_000
MOST_ENTRIES = 64
"""Stages, kernels or labels that a list of a config may hold where it is read."""
EXAMPLE = (
    '{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000, "hidden_size": 2048, '
    '"intermediate_size": 5632, "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4}'
)

_ALIASES = {
    words.split()[0]: tuple(words.split())
    for words in (
        "hidden_size n_embd d_model dim n_embed",
        "num_hidden_layers n_layer n_layers num_layers",
        "num_attention_heads n_head n_heads num_heads",
        "num_key_value_heads num_kv_heads n_head_kv",
        "intermediate_size n_inner ffn_dim hidden_dim d_ff ffn_hidden_size",
        "max_position_embeddings n_positions",
        "hidden_act activation_function activation hidden_activation",
        "layer_norm_eps layer_norm_epsilon rms_norm_eps norm_epsilon norm_eps",
        "initializer_range init_std",
        "hidden_dropout hidden_dropout_prob resid_pdrop resid_dropout residual_dropout dropout dropout_rate",
        "embd_pdrop embed_dropout embedding_dropout",
        "num_local_experts num_experts n_routed_experts",
    )
}
_DEPTHS = frozenset(("num_hidden_layers", "encoder_layers", "decoder_layers", "num_decoder_layers", "depths"))
_Value = TypeVar("_Value")


class Fields:
    """The fields of one config, and which of them the file did not hold.

    Every getter raises ReadError, naming the field, for a value of the wrong type or beyond the bounds.
    """

    def __init__(self, values: Mapping[str, Any], defaults: Mapping[str, Any], place: str = "") -> None:
        self.values = values
        self.defaults = defaults
        self.place = place
        self.assumed: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether the file itself holds the field with a value other than null."""
        return any(self.values.get(alias) is not None for alias in _ALIASES.get(name, (name,)))

    def whole(self, name: str, default: int | None = None, least: int = 1) -> int:
        """A whole number of at least `least`."""
        most = MOST_LAYERS if name in _DEPTHS else LARGEST
        return self._read(name, default, lambda key, value: self._whole(key, value, least, most))

    def knows(self, name: str) -> bool:
        """Whether the family has such a field, with a value by default."""
        return self._default(name) is not None

    def optional(self, name: str) -> int | None:
        """A whole number, or None where the file says null, or file and library leave it out."""
        written = any(alias in self.values for alias in _ALIASES.get(name, (name,)))
        return self.whole(name) if self.has(name) or (self.knows(name) and not written) else None

    def wholes(self, name: str, default: Sequence[int] | None = None) -> tuple[int, ...]:
        """A list of whole numbers."""
        most = MOST_LAYERS if name in _DEPTHS else LARGEST

        def read(key: str, value: Any) -> tuple[int, ...]:
            if not isinstance(value, list | tuple) or not 0 < len(cast(list[Any], value)) <= MOST_ENTRIES:
                self._wrong(key, value, "a list of whole numbers", "[3, 4, 6, 3]")
            return tuple(self._whole(key, item, 1, most) for item in cast(list[Any], value))

        return self._read(name, default, read)

    def real(self, name: str, default: float | None = None, least: float = -LARGEST, most: float = LARGEST) -> float:
        """A finite number."""

        def read(key: str, value: Any) -> float:
            # NaN compares as false.
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                self._wrong(key, value, f"a number from {least:g} to {most:g}", "0.1")
            return float(value)

        return self._read(name, default, read)

    def positive(self, name: str) -> float:
        """A finite number above zero."""
        return self.real(name, least=1e-9)

    def share(self, name: str) -> float:
        """A dropout probability."""
        return self.real(name, 0.0, 0.0, 1.0)

    def widened(self, name: str, width: int) -> int:
        """A width times the real factor `name`."""
        wide = int(self.positive(name) * width)
        return wide if wide else self.refuse(f"`{self.place}{name}` times the width {width:,} is below one")

    def std(self, words: str = "std") -> str:
        """The initialization that initializer_range gives, in words; empty where it is zero."""
        value = self.real("initializer_range", 0.02, 0.0)
        return f"{words} {value:g}" if value else ""

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false."""

        def read(key: str, value: Any) -> bool:
            if not isinstance(value, bool):
                self._wrong(key, value, "true or false", "true")
            return value

        return self._read(name, default, read)

    def word(self, name: str, default: str | None = None) -> str:
        """A short text."""

        def read(key: str, value: Any) -> str:
            if not isinstance(value, str) or not 0 < len(value) <= 100:
                self._wrong(key, value, "a short text", '"gelu"')
            return value

        return self._read(name, default, read)

    def words(self, name: str) -> tuple[str, ...]:
        """A list of texts, or one text with separators; empty where absent."""
        value = self.values.get(name)
        if isinstance(value, str) and len(value) < 1000:
            return tuple(re.findall(r"[\w-]+", value))
        if value is None:
            return ()
        items = cast(list[Any], value) if isinstance(value, list) else []
        if not items or len(items) > MOST_ENTRIES or not all(isinstance(item, str) for item in items):
            self._wrong(name, value, "a list of texts", '["LlamaForCausalLM"]')
        return tuple(cast(list[str], items))

    def indices(self, name: str) -> frozenset[int]:
        """A list of layer numbers; empty where absent."""
        value = self.values.get(name)
        if value is None or value == []:
            return frozenset()
        if not isinstance(value, list) or len(cast(list[Any], value)) > MOST_LAYERS:
            self._wrong(name, value, "a list of layer numbers", "[0, 1]")
        return frozenset(self._whole(name, item, 0, MOST_LAYERS) for item in cast(list[Any], value))

    def labels(self, default: int = 2) -> int:
        """The number of classes: num_labels, or the length of id2label."""
        table = self.values.get("id2label")
        if self.has("num_labels") or not isinstance(table, dict) or not table:
            return self.whole("num_labels", default)
        return len(cast(dict[str, Any], table))

    def nested(self, name: str, defaults: Mapping[str, Any]) -> Fields:
        """The config inside the field `name`; all defaults where it is absent."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            self._wrong(name, value, "a nested config", '{"hidden_size": 768}')
        inside = Fields(cast(Mapping[str, Any], value or {}), defaults, f"{self.place}{name}.")
        inside.assumed = self.assumed
        return inside

    def refuse(self, statement: str) -> NoReturn:
        """Sizes that do not fit together."""
        raise ReadError(f"{statement}. A valid config, for example: {EXAMPLE}")

    def _default(self, name: str) -> Any:
        names = _ALIASES.get(name, (name,))
        return next((self.defaults[alias] for alias in names if self.defaults.get(alias) is not None), None)

    def _read(self, name: str, default: Any, read: Callable[[str, Any], _Value]) -> _Value:
        for alias in _ALIASES.get(name, (name,)):
            if self.values.get(alias) is not None:
                return read(alias, self.values[alias])
        value = self._default(name)
        value = default if value is None else value
        if value is None:
            self.refuse(f"The config has no `{self.place}{name}`, and nothing else tells it")
        self.assumed[f"{self.place}{name}"] = str(value)
        return read(name, value)

    def _whole(self, key: str, value: Any, least: int, most: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._wrong(key, value, f"a whole number from {least} to {most:,}", "768" if most == LARGEST else "12")
        return value

    def _wrong(self, key: str, value: Any, expected: str, example: str) -> NoReturn:
        short = isinstance(value, int | float | str) and len(str(value)[:60]) < 40
        shown = repr(value) if short else f"a {type(value).__name__}"
        raise ReadError(f'`{self.place}{key}` must be {expected}, not {shown}. Example: "{key}": {example}.')
