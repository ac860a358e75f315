"""One valid call of everything that the server offers."""

from __future__ import annotations

import json
from typing import Any

from kaiming_mcp.examples import EXAMPLES

TOOLS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in EXAMPLES.items()}
PROMPTS: dict[str, dict[str, str]] = {
    "think_like_kaiming": {"problem": "my loss is stuck and gradients vanish"},
    "review_network": {"architecture": "repeat 20 { linear 64 64 ; relu }"},
    "debug_gradients": {"symptom": "the first layers do not move"},
    "formulate_generatively": {"problem": "forecast the next 24 hours, several futures are possible"},
    "bring_ai_to_science": {"field": "chemistry", "problem": "predict reaction yields"},
}
FAULTS: dict[str, dict[str, Any]] = {
    "critique_architecture": {"architecture": "linear 3 4 ; reluu"},
    "diagnose_gradients": {"symptom": "nan", "measurement": "fc1 1e-9"},
    "trace_signal": {"architecture": "linear 3 4", "batch": -1},
    "derive_initialization": {"activation": "relu", "fan_in": -1},
    "reframe_as_generative": {"problem": "x", "samples_per_query": -3},
    "reframe_as_residual": {"mapping": "x", "depth": -1},
    "simplify_method": {"pipelin": "a, b"},
    "translate_to_science": {"fields": "medicine"},
    "read_principle": {"id": "residual-lerning"},
    "check_answer": {"answer": ""},
}
"""A call of each tool that must be refused."""
