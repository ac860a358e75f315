"""Writes beside each sound answer the scaffold that it fills in, as it was when the answer was written.

    python tests/checking/freeze_answers.py [NAME ...]

An answer cites facts by their ids, and the facts of a scaffold may improve: so the tests of the checker hold answers
against what they answered. Run it after writing an answer, never to make an old one pass.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kaiming_mcp.library import library
from kaiming_mcp.replies.check import REPEATABLE
from kaiming_mcp.scaffold import render

ANSWERS = Path(__file__).parents[1] / "data" / "answers"


def freeze(path: Path) -> None:
    call = json.loads(path.read_text(encoding="utf-8").partition("-->\n")[0].removeprefix("<!--"))
    arguments = {"with_simulation" if k == "simulate" else k: v for k, v in call["args"].items()}
    scaffold = REPEATABLE[call["tool"]].run(library(), **arguments)
    frozen = {
        "request": scaffold.request,
        "form": [f.model_dump(mode="json") for f in scaffold.answer_form],
        "facts": [f.model_dump(mode="json") for f in scaffold.established],
        "own": [str(v) for v in call["args"].values()],
        "text": render(scaffold),
    }
    path.with_suffix(".json").write_text(json.dumps(frozen, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    for each in sorted(ANSWERS.glob("*.md")):
        if len(sys.argv) == 1 or each.stem in sys.argv[1:]:
            freeze(each)
