"""Real problems of real users: the mechanism, its number, and the advice that must not be given.

The texts stand in tests/data/gradient_cases.json as the users gave them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold, render

DATA = Path(__file__).parents[1] / "data"
CASES: dict[str, dict[str, str]] = json.loads((DATA / "gradient_cases.json").read_text(encoding="utf-8"))

MECHANISMS = {
    "V02": "true_decay_backward",
    "V03": "structural_zero",
    "V04": "structural_zero",
    "V05": "cannot_tell",
    "V07": "stuck_at_chance",
    "V10": "over_smoothing",
    "V11": "bias_floor",
    "V12": "saturation",
    "V13": "cannot_tell",
    "E02": "nan_origin",
    "E03": "nan_origin",
    "E05": "growth",
    "E06": "target_scale",
    "E08": "target_scale",
    "E10": "input_scale",
    "E11": "cannot_tell",
}
HOLDS = {
    "V02": r"x0\.353 per layer.*norm inside of the branch.*Skips alone are not enough",
    "V03": r"B = 0.*requires_grad.*not for depth",
    "V04": r"zero-initialised layer moves first",
    "V05": r"pre-norm residual path.*precision",
    "V07": r"ln 10 = 2\.303",
    "V10": r"never overfitting.*[Cc]osine",
    "V11": r"x0\.408 per layer.*with he.*leaves 4 features",
    "V12": r"0\.0066 at \|z\| = 5.*leaky clip",
    "V13": r"Not explained by depth.*receptive field.*masks.*detach",
    "E02": r"65504.*bfloat16",
    "E03": r"inside the root.*5e3.*denominator behind the root does not help",
    "E05": r"x19\.8 of He's.*std 8\.85",
    "E06": r"1\.00e\+08.*std 11\.4: E\[phi'²\] = 0\.00579",
    "E08": r"varies by less than x2 between seeds.*non-dimensional",
    "E10": r"E\[x²\] = 3\.33e\+05.*Standardise every input",
    "E11": r"1 \+ l after l blocks.*521 times.*hides such a fault",
}
WRONG = {
    "V03": r"vanish\w* with depth|add (?:skip|residual)|more data",
    "V04": r"can(?:not|'t| never) train|replace the zero",
    "V05": r"turn off|the cause is",
    "V10": r"overfits|more regulari[sz]ation|add dropout",
    "V12": r"too deep|add skips",
    "V13": r"add (?:residual|skip|layer ?norm)",
    "E02": r"initiali[sz]e every|[Ll]ower the learning rate",
    "E03": r"[Cc]lip the gradient",
    "E05": r"back to sigmoid",
    "E08": r"[Rr]estart until",
    "E10": r"depth-dependent|divide.*by depth",
    "E11": r"[Ss]et gamma to 0",
}


def _diagnose(case: str, where: str) -> Scaffold:
    texts: dict[str, Any] = {
        "measurements": {"measurements": CASES[case]["text"]},
        "symptom": {"symptom": CASES[case]["text"]},
        "both": {"symptom": CASES[case]["title"], "measurements": CASES[case]["text"]},
    }
    return diagnose_text(library(), **texts[where])


def _flat(scaffold: Scaffold) -> str:
    parts = [scaffold.verdict, *(f.statement for f in scaffold.established), scaffold.first_change, scaffold.needs]
    parts += [f"{f.title} {f.remedy} {f.predicted_effect} {f.test}" for f in scaffold.findings]
    return " ".join(" ".join(parts).split())


@pytest.mark.parametrize("where", ["measurements", "symptom", "both"])
@pytest.mark.parametrize("case", MECHANISMS)
def test_each_case_has_its_mechanism_wherever_its_text_is_pasted(case: str, where: str) -> None:
    scaffold = _diagnose(case, where)
    assert scaffold.mechanism == MECHANISMS[case]
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= 8000


@pytest.mark.parametrize("case", HOLDS)
def test_each_case_has_its_number_and_its_remedy(case: str) -> None:
    text = _flat(_diagnose(case, "measurements"))
    for part in HOLDS[case].split(".*"):
        assert re.search(part, text), part


@pytest.mark.parametrize("case", WRONG)
def test_no_case_gets_the_wrong_advice(case: str) -> None:
    for where in ("measurements", "both"):
        scaffold = _diagnose(case, where)
        advice = " ".join([scaffold.first_change, *(f.remedy for f in scaffold.findings), scaffold.needs])
        assert not re.search(WRONG[case], advice)


@pytest.mark.parametrize("case", ["V05", "V13"])
def test_words_without_numbers_get_a_short_reply_with_measurements_to_take(case: str) -> None:
    scaffold = _diagnose(case, "measurements")
    assert scaffold.needs.count("(") >= 3
    assert "kaiming-mcp probe signal" in scaffold.needs
    assert len(render(scaffold)) <= 1_300


def test_the_case_of_twenty_layers_agrees_with_theory_where_the_network_is_sent() -> None:
    network = "input 16x16x16 ; repeat 20 { conv 16 16 k3 ; relu } ; globalpool ; linear 16 5"
    scaffold = diagnose_text(library(), measurements=CASES["V11"]["text"], architecture=network)
    rates = [f.value for f in scaffold.established if f.unit == "per layer in theory" and f.value]
    assert rates[0] == pytest.approx(0.408, rel=0.03)
    assert "predicted" in scaffold.verdict


def test_a_vgg_that_is_stuck_has_its_cause_from_theory() -> None:
    vgg = (
        "input 3x32x32 ; repeat 2 { conv 3 3 k3 ; relu } ; conv 3 64 k3 ; relu ; repeat 10 { conv 64 64 k3 ; relu } ; "
        "globalpool ; linear 64 10"
    )
    scaffold = diagnose_text(library(), measurements=CASES["V07"]["text"], architecture=vgg)
    assert scaffold.mechanism == "stuck_at_chance"
    assert "bias floor" in scaffold.verdict
    assert "traced on this network" in scaffold.first_change
