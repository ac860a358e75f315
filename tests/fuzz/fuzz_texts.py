"""Real inputs to begin from: printed models, summaries, configs, sources, logs, messages, answers."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kaiming_mcp.library import YAML_LOADER

DATA = Path(__file__).parents[1] / "data"
LONGEST = 12_000
"""Characters; the few longer ones would take all the time."""


@cache
def architectures() -> tuple[str, ...]:
    found = [path.read_text("utf-8") for folder in ("model_texts", "source_texts") for path in _files(folder)]
    found += [model["text"] for model in _packed("printed_models")["models"]]
    found += [table["text"] for table in _packed("torch_tables")["tables"]]
    return tuple(text for text in found if len(text) <= LONGEST)


@cache
def measurements() -> tuple[str, ...]:
    found = [run["measurements"] for run in _packed("gradient_runs") if isinstance(run.get("measurements"), str)]
    found += [path.read_text("utf-8") for path in sorted(DATA.glob("measurements_*"))]
    return tuple(text for text in found if len(text) <= LONGEST)


@cache
def messages() -> tuple[str, ...]:
    entries = yaml.load((DATA / "gradient_messages.yaml").read_text("utf-8"), YAML_LOADER)
    return tuple(entry["symptom"] for entry in entries if "symptom" in entry)


@cache
def answers() -> tuple[str, ...]:
    return tuple(path.read_text("utf-8") for path in _files("answers") if path.suffix == ".md")


def _files(folder: str) -> list[Path]:
    return sorted(path for path in (DATA / folder).iterdir() if path.suffix in (".txt", ".json", ".md", ".py"))


def _packed(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))
