"""Source is parsed, never executed, wherever in it code stands that would run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kaiming_mcp.architecture.ir import Linear, layers
from kaiming_mcp.architecture.read import read_architecture

RUNS = "__import__('pathlib').Path({mark!r}).write_text('ran')"
PLACES = {
    "at the top": "{runs}\n{net}",
    "in an import": "import antigravity, {module}\n{net}",
    "in a decorator": "@(lambda c: ({runs}, c)[1])\n{net}",
    "in a default": "{net}\n    def extra(self, x={runs}): return x",
    "in a base class": "class Base(({runs}, object)[1]): pass\n{net}",
    "in a class body": "{net}\n    width = {runs}",
    "in a forward": "{net}\n        {runs}",
    "in an f-string": 'name = f"{{{runs}}}"\n{net}',
    "in a size": "W = len(str({runs}))\n{net}",
    "under __main__": "{net}\n\nif __name__ == '__main__':\n    {runs}",
}
NET = """class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(8, 8)

    def forward(self, x):
        x = F.relu(self.a(x))
        return self.b(x)"""


@pytest.mark.parametrize("place", PLACES)
def test_code_in_the_source_does_not_run(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted.py").write_text(RUNS.format(mark=str(tmp_path / "mark")), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = RUNS.format(mark=str(tmp_path / "mark"))
    text = "import torch.nn as nn, torch.nn.functional as F\n" + PLACES[place].format(
        runs=runs, net=NET, module="planted"
    )
    compile(text, "the text is valid Python", "exec")
    network = read_architecture(text).networks[0]
    assert sum(isinstance(layer.op, Linear) for layer, _ in layers(network.root)) == 2
    assert not (tmp_path / "mark").exists()
    assert "planted" not in sys.modules
