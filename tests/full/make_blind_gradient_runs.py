"""Makes tests/data/gradient_blind.json: small networks trained with a planted fault or none, logged in many hands.

    python tests/full/make_blind_gradient_runs.py

Written by someone who did not know the rules of the diagnosis. Every run checks its own truth by a measurement in
float64 and is not stored when it does not hold. `also`: other answers that are as true; `layers`: names of the place,
any of which is right. Half of each kind is `development`, half `held_out`: rules are corrected by the first alone.
"""

from __future__ import annotations

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from blind_run import CASES

DATA = Path(__file__).parents[1] / "data" / "gradient_blind.json"
MODULES = (
    "decay floor depth healthy healthy_kinds loss nan scales open postnorm second units growth half zeros amp".split()
)
TEXTS = ("symptom", "architecture", "measurements", "training", "input", "initialization")


def main() -> None:
    """Train, check, and store."""
    warnings.simplefilter("ignore")
    for name in MODULES:
        import_module(f"blind_{name}")
    seen, runs = dict[str, int](), list[dict[str, object]]()
    for name, truth, make in CASES:
        sys.stderr.write(f"{name}\n")
        call = make()
        kind = str(truth["mechanism"])
        seen[kind] = seen.get(kind, 0) + 1
        half = "development" if seen[kind] % 2 else "held_out"
        runs.append({"name": name, "half": half, **truth, **{k: call[k] for k in TEXTS if call.get(k)}})
    DATA.write_text(json.dumps(runs, indent=1, ensure_ascii=False) + "\n")
    sys.stderr.write(f"{len(runs)} runs, {DATA.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
