"""Train small networks with a planted fault, or none, and log them in the formats that people paste.

Run where torch is installed: `python tests/full/make_gradient_runs.py [SEED FILE]`. Writes
tests/data/gradient_runs.json.gz: the texts of each run, three wordings of the symptom (the
last one misleads), the true mechanism and layer. Every fault
is checked to be there before its run is written. The faults and the healthy runs stand in the files
`gradient_*.py` beside this one; nothing here knows how the diagnosis decides.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import gradient_faults_kinds
import gradient_faults_loss
import gradient_faults_signal
import gradient_faults_zeros
import gradient_healthy
import torch
from gradient_run import Run, symptoms

SOURCES = (
    gradient_faults_signal,
    gradient_faults_zeros,
    gradient_faults_loss,
    gradient_faults_kinds,
    gradient_healthy,
)
TARGET = Path(__file__).parents[1] / "data" / "gradient_runs.json.gz"


def main(seed: int = 0, target: Path = TARGET) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    begin, made = time.process_time(), list[Run]()
    for source in SOURCES:
        made += [replace(run, symptoms=run.symptoms or symptoms(run.mechanism)) for run in source.runs()]
    assert len({run.name for run in made}) == len(made)
    text = json.dumps([asdict(run) for run in made], ensure_ascii=False)
    target.write_bytes(gzip.compress(text.encode(), mtime=0))
    spent = time.process_time() - begin
    sys.stdout.write(
        f"{len(made)} runs, {len(text):,} characters, {target.stat().st_size:,} bytes, {spent:.0f} s CPU\n"
    )


if __name__ == "__main__":
    main(*((int(sys.argv[1]), Path(sys.argv[2])) if len(sys.argv) > 2 else ()))
