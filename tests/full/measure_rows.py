"""Measure the rows beside the oracle with torch and write tests/data/measured.json.

    python tests/full/measure_rows.py [NAME ...]        (all rows, or those whose name contains NAME)

8 seeds, float64. q: mean over seeds with its standard error; g: summed squared gradient per sample, geometric
mean with the standard error of its ln; all with a random cotangent of G = 1 at the output.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from execute import measure
from rows import ROWS, STEPS, Row, Sequences
from torch import nn

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import trace

SEEDS = 8
FILE = Path(__file__).parents[1] / "data" / "measured.json"


def network_row(row: Row) -> dict[str, Any]:
    network = read_notation(row.text).networks[0]
    init = parse_initialization(row.init)
    followed = trace(network, init, row.batch)
    places = [next(i for i, s in enumerate(followed.stations) if s is station) for station in followed.main_path()]
    runs = [measure(network, init, row.batch, seed) for seed in range(SEEDS)]
    assert all(len(run) == len(followed.stations) for run in runs)
    chosen = sorted({places[0], places[len(places) // 2], places[-1]})
    return {
        **row._asdict(),
        "stations": [
            {
                "index": i,
                "q": _mean([r[i]["q"] for r in runs]),
                "g": _geometric([r[i]["g"] for r in runs]),
                "w": None if math.isnan(runs[0][i]["w"]) else _geometric([r[i]["w"] for r in runs]),
            }
            for i in chosen
        ],
    }


def sequence_row(row: Sequences) -> dict[str, Any]:
    """ln of the squared gradient at the first input step over that at the last, cotangent at the last output."""
    torch.set_default_dtype(torch.float64)
    logs, seconds = [], []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        cell = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[row.kind](row.hidden, row.hidden, batch_first=True)
        x = torch.randn(8, row.steps, row.hidden, requires_grad=True)
        y, _ = cell(x)
        (y[:, -1] * torch.randn(8, row.hidden)).sum().backward()
        assert x.grad is not None
        g = x.grad.pow(2).sum(-1).mean(0)
        logs.append(math.log(g[0].item() / g[-1].item()))
        seconds.append(y.detach()[:, -1].pow(2).mean().item())
    error = float(torch.tensor(logs).std()) / math.sqrt(SEEDS)
    return {**row._asdict(), "log_ratio": sum(logs) / SEEDS, "log_error": error, "q": _mean(seconds)}


def _mean(values: list[float]) -> dict[str, float]:
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return {"mean": mean, "stderr": spread / math.sqrt(len(values))}


def _geometric(values: list[float]) -> dict[str, float]:
    logs = [math.log(max(v, 1e-300)) for v in values]
    mean = sum(logs) / len(logs)
    spread = math.sqrt(sum((v - mean) ** 2 for v in logs) / (len(logs) - 1))
    return {"geomean": math.exp(mean), "log_error": spread / math.sqrt(len(logs))}


def main(names: list[str]) -> None:
    old = json.loads(FILE.read_text(encoding="utf-8")) if names and FILE.exists() else {"rows": [], "sequences": []}
    wanted = [r for r in ROWS if not names or any(n in r.name for n in names)]
    steps = [r for r in STEPS if not names or any(n in r.name for n in names)]
    rows = {r["name"]: r for r in old["rows"]} | {r.name: network_row(r) for r in wanted}
    sequences = {r["name"]: r for r in old["sequences"]} | {r.name: sequence_row(r) for r in steps}
    document = {
        "how": "python tests/full/measure_rows.py",
        "torch": torch.__version__,
        "seeds": SEEDS,
        "rows": [rows[r.name] for r in ROWS if r.name in rows],
        "sequences": [sequences[r.name] for r in STEPS if r.name in sequences],
    }
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
