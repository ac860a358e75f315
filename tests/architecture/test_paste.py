"""Noise round a paste, and several parts in one: what is taken off, and which lines stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.architecture.paste.clean import clean
from kaiming_mcp.architecture.paste.parts import fenced, parts

PRINTED = """Net(
  (conv): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
  (body): Sequential(
    (0): ReLU()
    (1): Flatten(start_dim=1, end_dim=-1)
  )
  (fc): Linear(in_features=72, out_features=10, bias=True)
)"""
SOURCE = """import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        # the only layer
        return self.fc(x)"""
TABLE = """=================================================================
Layer (type:depth-idx)                   Param #
=================================================================
Net                                      --
├─Linear: 1-1                            16
=================================================================
Total params: 16
================================================================="""
CONFIG = """{
  "model_type": "gpt2",
  "n_embd": 768
}"""

PREFIXES = [
    "2024-05-01 12:00:00,123 - train - INFO - ",
    "2024-05-01 12:00:00.123 | INFO     | __main__:<module>:12 - ",
    "[2024-05-01T12:00:00Z] ",
    "[12:00:01] INFO: ",
    "INFO:root:",
    "DEBUG: ",
    "[rank0]: ",
    "> ",
    ">>> ",
]


@pytest.mark.parametrize("body", [PRINTED, SOURCE], ids=["printed", "source"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_on_every_line_is_taken_off(prefix: str, body: str) -> None:
    assert clean("\n".join(prefix + line for line in body.split("\n"))) == body


@pytest.mark.parametrize("form", ["{:4d} ", "{}| ", "{}: ", "{:>3}. "])
@pytest.mark.parametrize("body", [PRINTED, SOURCE], ids=["printed", "source"])
def test_line_numbers_are_taken_off_and_the_indentation_stays(form: str, body: str) -> None:
    assert clean("\n".join(form.format(i) + line for i, line in enumerate(body.split("\n"), 9))) == body


def test_numbers_that_do_not_count_lines_stay() -> None:
    text = "3 layers\n3 heads\n3 blocks\n3 things"
    assert clean(text) == text


def test_colours_line_ends_and_invisible_characters_are_taken_off() -> None:
    assert clean("\x1b[1;32mNet\x1b[0m(\r\n\ufeff  (fc): Linear\u200b(3, 4)\r\n)") == "Net(\n  (fc): Linear(3, 4)\n)"


def test_a_paste_with_escaped_breaks_gets_its_lines_back() -> None:
    assert clean("Net(\\n  (fc): ReLU()\\n)") == "Net(\n  (fc): ReLU()\n)"


@pytest.mark.parametrize("text", [PRINTED, SOURCE, TABLE, CONFIG, "conv 3 64 k3 ; relu\nlinear 64 10"])
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_only_what_stands_in_fences_is_kept_where_there_are_any() -> None:
    text = f"Here is my model = broken\n```python\n{SOURCE}\n```\nwhich prints (as you see):\n```\n{PRINTED}\n```"
    found = fenced(text)
    assert "broken" not in found
    assert "as you see" not in found
    assert found.split("\n")[2] == "import torch"
    assert PRINTED in found


def test_source_and_printout_of_one_paste_are_told_apart_on_their_own_lines() -> None:
    text = f"My net:\n{SOURCE}\n\nprint(model) says\n{PRINTED}\nthanks"
    found = parts(text)
    assert PRINTED in found.printed
    assert "import" not in found.printed
    assert SOURCE in found.source
    assert "Conv2d" not in found.source
    assert found.source.split("\n")[1] == "import torch"
    assert found.printed.split("\n").index("Net(") == text.split("\n").index("Net(")


def test_configuration_and_printout_are_told_apart() -> None:
    found = parts(f"{CONFIG}\n\n{PRINTED}")
    assert found.config.strip() == CONFIG
    assert found.printed.strip() == PRINTED
    assert found.source == ""


def test_source_and_table_are_told_apart() -> None:
    found = parts(f"{SOURCE}\n\nsummary(model)\n{TABLE}")
    assert TABLE in found.table
    assert "class Net" in found.source
    assert "Layer (type" not in found.source


def test_a_dictionary_in_code_is_no_configuration() -> None:
    assert parts('cfg = {\n    "depth": 3,\n}\nnet = Net(cfg)').config == ""


@given(st.text(alphabet="(){}:=-_>│├ \n\t\x1b[0mA1.,\"'#", max_size=400))
def test_any_text_keeps_its_number_of_lines(text: str) -> None:
    cleaned = clean(text)
    found = parts(fenced(cleaned))
    for part in (found.printed, found.table, found.config, found.source):
        assert part == "" or part.count("\n") == cleaned.count("\n")


@pytest.mark.parametrize(
    "text", ["(" * 500_000, " " * 500_000, "(A" * 250_000, "a-1" * 200_000, "(a): B(\n" * 20_000, "{\n" * 50_000]
)
def test_a_strange_text_is_told_apart_in_linear_time(text: str) -> None:
    begin = time.monotonic()
    parts(fenced(clean(text)))
    assert time.monotonic() - begin < 5
