"""Writes tests/data/hf_configs.json.gz: configs and the true totals of the models that transformers makes of them.

    python tests/full/make_hf_configs.py

reads hf_configs.txt and needs torch and transformers 5.x. Models live on the meta device, so that no weight is held
in memory. It also compares the table of defaults with the library's configuration classes.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from kaiming_mcp.architecture.config.defaults import defaults
from kaiming_mcp.architecture.config.families import FAMILIES

ROWS = Path(__file__).with_name("hf_configs.txt")
OUTPUT = Path(__file__).parents[1] / "data" / "hf_configs.json.gz"


def _measured(family: str, name: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The config as given and with every field that the library would save, each with the true total."""
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2} if "vocab_size" in fields else {}
    config = CONFIG_MAPPING[family](**{**tokens, **fields})
    with torch.device("meta"):
        model = getattr(transformers, name)(config)
    given = {"model_type": family, "architectures": [name], **fields}
    full = {**json.loads(json.dumps(config.to_dict(), default=str)), **given}
    total = sum(p.numel() for p in model.parameters())
    return [{"parameters": total, "config": given}, {"parameters": total, "config": full}]


def _compare_defaults() -> None:
    for family, fields in defaults().items():
        library = {name: field.default for name, field in CONFIG_MAPPING[family].__dataclass_fields__.items()}
        wrong = {k: v for k, v in fields.items() if v != (list(library[k]) if isinstance(v, list) else library[k])}
        if wrong:
            raise SystemExit(f"defaults of {family} differ from the library's: {wrong}")


def main() -> None:
    """Instantiate every row and write what was measured."""
    transformers.logging.set_verbosity_error()
    _compare_defaults()
    saved: list[dict[str, Any]] = []
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            family, kinds, fields = (part.strip() for part in line.split("|", 2))
            for kind in kinds.split():
                saved += _measured(family, FAMILIES[family].prefix + kind, json.loads(f"{{{fields}}}"))
    with gzip.GzipFile(OUTPUT, "wb", mtime=0) as file:
        file.write(json.dumps({"transformers": transformers.__version__, "rows": saved}).encode())
    sys.stdout.write(f"{len(saved)} configs of {len(FAMILIES)} families\n")


if __name__ == "__main__":
    main()
