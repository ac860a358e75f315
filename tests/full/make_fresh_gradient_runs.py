"""Train the second examiner's runs and store them: python tests/full/make_fresh_gradient_runs.py (needs torch).

Made by someone who had read neither the rules of the diagnosis nor the first examiner's runs. Every truth is built in
and checked by a measurement of its own; a run whose truth does not hold stops the script.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import blind_run
import fresh_calm
import fresh_depth
import fresh_healthy
import fresh_loss
import fresh_scaler
import fresh_scales
import fresh_signal
import fresh_units
import fresh_zeros

MODULES = (
    fresh_signal,
    fresh_loss,
    fresh_scales,
    fresh_units,
    fresh_depth,
    fresh_healthy,
    fresh_calm,
    fresh_zeros,
    fresh_scaler,
)
OUT = Path(__file__).parents[1] / "data" / "gradient_fresh.json"


def main() -> None:
    """Write every run with its truth."""
    warnings.simplefilter("ignore")
    runs = [
        {"name": name, "half": "held_out", **truth, **make()}
        for module in MODULES
        for name, truth, make in blind_run.CASES
        if make.__module__ == module.__name__
    ]
    OUT.write_text(json.dumps(runs, indent=1, ensure_ascii=False) + "\n")
    kinds = dict(Counter(run["mechanism"] for run in runs))
    sys.stdout.write(f"{len(runs)} runs, {OUT.stat().st_size} bytes: {kinds}\n")


if __name__ == "__main__":
    main()
