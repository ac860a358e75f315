"""The look-alikes told apart on texts made by rule: other sizes, formats and words than in the cases of users."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaiming_mcp.diagnosis.gradients.mechanisms import TITLES
from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold, render


def _diagnose(**texts: Any) -> Scaffold:
    return diagnose_text(library(), **texts)


def _decay(n: int, rate: float, start: float = 1e-2, seed: int = 1, noise: float = 0.1) -> list[float]:
    """Gradients from the first layer to the last; `rate` is ln of the factor towards the input."""
    draw = random.Random(seed)
    return [start * math.exp(rate * (n - 1 - i) + draw.gauss(0, noise)) for i in range(n)]


def _lines(values: list[float], form: str = "{:.3e}", name: str = "fc{}.weight") -> str:
    return "\n".join(f"{name.format(i + 1)} grad norm {form.format(v)}" for i, v in enumerate(values))


def _losses(values: list[float], form: str = "step {} loss {:.4f}") -> str:
    return "\n".join(form.format(10 * i, v) for i, v in enumerate(values))


FALLING = _losses([2.31, 2.1, 1.8, 1.5, 1.2, 1.0, 0.9])
STUCK = _losses([2.35, 2.304, 2.303, 2.303, 2.302, 2.303])
PLAIN = "input 64 ; repeat 19 { linear 64 64 ; relu } ; linear 64 10"

VARIATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "decay of 14 layers": ("true_decay_backward", {"measurements": _lines(_decay(14, -0.9))}),
    "decay in a table": (
        "true_decay_backward",
        {
            "measurements": "| layer | grad rms |\n|---|---|\n"
            + "\n".join(f"| enc.{i}.weight | {v:.2e} |" for i, v in enumerate(_decay(24, -0.6)))
        },
    ),
    "decay that is learned through is none": (
        "nothing_wrong",
        {"measurements": _lines(_decay(8, -0.5)) + "\n\n" + FALLING},
    ),
    "decay forward": (
        "true_decay_forward",
        {"measurements": "\n".join(f"layer{i} activation rms {10 ** (-0.5 * i):.3e}" for i in range(12))},
    ),
    "decay of both directions": (
        "true_decay_backward",
        {
            "measurements": "layer,act rms,activation grad rms\n"
            + "\n".join(f"{i},{10 ** (-0.4 * i):.3e},{1e-3 * 10 ** (0.4 * (i - 11)):.3e}" for i in range(12))
        },
    ),
    "floor by cosine": (
        "bias_floor",
        {
            "measurements": "layer,rms activation,cosine\n"
            + "\n".join(f"fc{i},{0.3 + 0.01 * i:.3f},{1 - 10 ** (-0.4 * i):.8f}" for i in range(1, 16))
        },
    ),
    "floor in theory": ("bias_floor", {"architecture": PLAIN, "symptom": "it does not learn"}),
    "saturated shares": (
        "saturation",
        {"measurements": "\n".join(f"tanh{i}: saturated 0.{90 - i} act std 0.97" for i in range(1, 7))},
    ),
    "tanh at its limits": (
        "saturation",
        {
            "measurements": "\n".join(f"layer{i} activation rms 0.9{i}" for i in range(2, 9)),
            "training": "tanh network, weights N(0, 1)",
        },
    ),
    "dead units": (
        "dead_relu",
        {"measurements": "relu1 dead 0.02\nrelu2 dead 0.61\nrelu3 dead 0.97\nrelu4 dead 1.00"},
    ),
    "growth of activations": (
        "growth",
        {"measurements": "\n".join(f"block{i} output std {1.9**i:.4g}" for i in range(18))},
    ),
    "growth of gradients": (
        "growth",
        {"measurements": "\n".join(f"bn{i} output grad norm {1.22 ** (40 - i):.3e}" for i in range(40))},
    ),
    "growth over the steps": (
        "growth",
        {"measurements": _losses([2.3, 2.9, 14, 310, 8.1e4, 6.6e7, math.nan])},
    ),
    "underflow in half": (
        "underflow_half",
        {
            "measurements": _lines([0, 0, 0, 1.2e-6, 8e-6, 4e-5], "{:.3e}"),
            "training": "pure fp16 weights, no loss scaling",
        },
    ),
    "printed with four digits": ("print_zeros", {"measurements": _lines([2e-5, 1e-5, 3e-5, 2e-5, 3e-4], "{:.4f}")}),
    "printed zeros only": ("print_zeros", {"measurements": _lines([2e-5, 1e-5, 3e-5, 2e-5], "{:.3f}")}),
    "lora": (
        "structural_zero",
        {"measurements": "\n".join(f"h.{i}.lora_A grad norm 0.0\nh.{i}.lora_B grad norm 1.{i}e-2" for i in range(5))},
    ),
    "frozen": (
        "structural_zero",
        {"measurements": "stem.weight grad None\nbody.weight grad None\nhead.weight grad norm 0.31"},
    ),
    "amp start": (
        "amp_calibrating",
        {
            "measurements": "step 0 overflow, skipping step, loss scale 65536 -> 32768\n"
            "step 1 overflow, skipping step, loss scale 32768 -> 16384\n"
            "step 2 loss 2.30\nstep 3 loss 2.27\nstep 4 loss 2.21",
            "training": "AMP, GradScaler",
        },
    ),
    "stuck": ("stuck_at_chance", {"measurements": STUCK, "training": "cross entropy, 10 classes"}),
    "stuck at 0.693": ("stuck_at_chance", {"measurements": _losses([0.6934, 0.6931, 0.6932, 0.6931, 0.6931])}),
    "stuck in Keras": (
        "stuck_at_chance",
        {
            "measurements": "\n".join(
                f"Epoch {i}/3\n100/100 [==] - 1s 3ms/step - loss: 4.6052 - accuracy: 0.0100" for i in (1, 2, 3)
            )
        },
    ),
    "died": (
        "died_after_learning",
        {"measurements": _losses([2.3, 1.7, 1.1, 0.7, 0.5, 2.31, 2.303, 2.303, 2.304, 2.303])},
    ),
    "log at zero": (
        "nan_origin",
        {
            "measurements": "step 40 loss 0.31\n"
            "RuntimeError: Function 'LogBackward0' returned nan values in its 0th output."
        },
    ),
    "range of float16": (
        "nan_origin",
        {"measurements": _losses([3.1, 2.9, 2.8, 2.7, math.nan]), "training": "fp16, GPT-2"},
    ),
    "pixels": ("input_scale", {"symptom": "images in [0, 255] go in", "measurements": STUCK}),
    "large first layer": (
        "input_scale",
        {"measurements": "\n".join(f"fc{i} activation rms {v}" for i, v in enumerate([410, 390, 402, 380, 371, 395]))},
    ),
    "prices": (
        "target_scale",
        {
            "measurements": _losses([7.3e10, 7.2e10, 7.3e10, 7.25e10], "step {} loss {:.4g}"),
            "training": "MSE",
        },
    ),
    "idle clip": (
        "clip_never_binds",
        {
            "measurements": "\n".join(f"step {i} loss 2.{90 - i} grad_norm 0.0{3 + i % 4}" for i in range(9)),
            "training": "clip_grad_norm_(1.0)",
        },
    ),
    "three layers": (
        "too_shallow",
        {"measurements": _lines([2e-3, 1.1e-2, 6e-2]), "symptom": "vanishing gradients in a sigmoid net"},
    ),
    "post-norm": (
        "post_norm_warmup",
        {
            "measurements": _losses([10.9, 10.83, 10.825, 10.824, 10.825, 10.824]),
            "training": "post-norm transformer, no warm-up, Adam lr 1e-3, vocab size 50257",
        },
    ),
    "relu in a PINN": (
        "second_derivative",
        {
            "measurements": _losses([31.2, 31.2, 31.2, 31.2]),
            "training": "PINN with u_xx",
            "architecture": "linear 2 64 ; relu ; linear 64 64 ; relu ; linear 64 1",
        },
    ),
    "graph": (
        "over_smoothing",
        {
            "measurements": "\n".join(
                f"gcn{i} cosine between nodes {x}" for i, x in enumerate([0.3, 0.7, 0.93, 0.985, 0.998])
            )
        },
    ),
    "healthy": ("nothing_wrong", {"measurements": FALLING + "\n\n" + _lines([0.11, 0.2, 0.14, 0.3, 0.21, 0.4])}),
    "flat weight gradients": ("cannot_tell", {"measurements": _lines([0.11, 0.2, 0.14, 0.3, 0.21, 0.4])}),
    "nothing at all": ("cannot_tell", {"symptom": "my network does not work"}),
}


@pytest.mark.parametrize("name", VARIATIONS)
def test_each_variation_has_its_mechanism_within_its_size(name: str) -> None:
    mechanism, texts = VARIATIONS[name]
    scaffold = _diagnose(**texts)
    assert scaffold.mechanism == mechanism, scaffold.explanations
    assert mechanism in TITLES
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= 8000


WORDS = (
    "My gradients vanish.",
    "Exploding gradients, which clip value should I take?",
    "Many neurons are dead I guess",
    "The loss is stuck and nothing is learned",
    "what is going on here",
)


@pytest.mark.parametrize("name", [n for n, (_, texts) in VARIATIONS.items() if "symptom" not in texts])
def test_the_words_of_the_symptom_decide_nothing(name: str) -> None:
    mechanism, texts = VARIATIONS[name]
    for words in WORDS:
        assert _diagnose(symptom=words, **texts).mechanism == mechanism, words


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.floats(-1.2, -0.5), st.integers(12, 30), st.floats(-8, 4))
def test_order_names_scale_and_print_change_neither_mechanism_nor_layer(
    seed: int, rate: float, n: int, scale: float
) -> None:
    values = _decay(n, -abs(rate), seed=seed, noise=0.05)
    values = values[::-1] if values[0] > values[-1] else values
    base = _diagnose(measurements=_lines(values))
    lines = _lines(values).split("\n")
    random.Random(seed).shuffle(lines)
    shuffled = _diagnose(measurements="\n".join(lines))
    renamed = _diagnose(measurements=_lines(values, name="net.blocks.{}.proj.weight"))
    scaled = _diagnose(measurements=_lines([v * 10**scale for v in values]))
    coarse = _diagnose(measurements=_lines(values, "{:.1e}"))
    assert {s.mechanism for s in (base, shuffled, renamed, scaled, coarse)} == {"true_decay_backward"}
    assert shuffled.located == base.located == scaled.located == coarse.located
    assert re.findall(r"\d+", renamed.located) == re.findall(r"\d+", base.located)


def test_a_decay_that_the_print_cuts_off_is_extrapolated() -> None:
    values = [1e-1 * math.exp(-1.0 * (15 - i)) for i in range(16)]
    scaffold = _diagnose(measurements=_lines(values, "{:.6f}"))
    assert scaffold.mechanism == "true_decay_backward"
    assert "extrapolated" in " ".join(f.statement for f in scaffold.established)


def test_the_break_is_located_where_the_decay_begins() -> None:
    flat = [1.0 + 0.01 * i for i in range(10)]
    steep = [flat[0] * math.exp(-1.2 * (10 - i)) for i in range(10)]
    scaffold = _diagnose(measurements=_lines(steep + flat, "{:.4e}"))
    assert scaffold.mechanism == "true_decay_backward"
    assert scaffold.located in ("fc10.weight", "fc9.weight", "fc11.weight")


def test_the_rate_agrees_with_theory_in_sigmas_and_the_change_is_traced() -> None:
    values = [1e-1 * 0.408 ** (19 - i) for i in range(20)]
    text = "layer,output grad norm\n" + "\n".join(f"{2 * i},{v:.4e}" for i, v in enumerate(values))
    scaffold = _diagnose(measurements=text, architecture=PLAIN)
    facts = " ".join(f.statement for f in scaffold.established)
    assert scaffold.mechanism == "true_decay_backward"
    assert "agrees with x0.408 of theory" in facts
    assert re.search(
        r"traced on this network: gradient amplitude first/last [\d.e-]+ -> (1|0\.9)", scaffold.first_change
    )


def test_without_a_network_the_change_comes_from_the_measured_rate() -> None:
    scaffold = _diagnose(measurements=_lines([1e-1 * 0.5 ** (15 - i) for i in range(16)], "{:.5e}"))
    assert "by 2" in scaffold.first_change
    assert "0.5 -> 1" in scaffold.first_change


OPERATIONS = {
    "SqrtBackward0": "inside the root",
    "LogBackward0": "log_softmax",
    "SoftmaxBackward0": "finfo",
    "DivBackward0": "clamp_min",
    "PowBackward0": r"\(u \+ 1e-8\) \*\* a",
    "ExpBackward0": "maximum first",
    "AcosBackward0": "atan2",
    "LinalgVectorNormBackward0": "inside the root",
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_anomaly_mode_names_the_operation_and_its_exact_fix(name: str) -> None:
    line = f"RuntimeError: Function '{name}' returned nan values in its 0th output."
    scaffold = _diagnose(measurements=line, symptom="Should I clip the gradients?")
    assert scaffold.mechanism == "nan_origin"
    assert re.search(OPERATIONS[name], scaffold.first_change)
    assert "Clipping cannot touch it" in scaffold.first_change


@pytest.mark.parametrize(
    ("source", "guarded"),
    [("d = torch.sqrt(((a - b) ** 2).sum(-1))", "d = torch.sqrt(((a - b) ** 2).sum(-1) + 1e-8)")],
)
def test_a_root_with_eps_inside_is_no_suspect(source: str, guarded: str) -> None:
    log = _losses([1.0, 0.9, 0.8, math.nan])
    assert "Sqrt at 0" in _diagnose(measurements=log, architecture=source).verdict
    assert "Sqrt at 0" not in _diagnose(measurements=log, architecture=guarded).verdict


def test_relu_is_never_proposed_where_second_derivatives_are_needed() -> None:
    sigmoid = "repeat 12 { linear 64 64 ; sigmoid } ; linear 64 1"
    for texts in (
        {"architecture": sigmoid},
        {"measurements": _lines(_decay(12, -1.5))},
        {"measurements": _lines(_decay(12, -1.5)), "architecture": sigmoid},
    ):
        scaffold = _diagnose(symptom="sigmoid net, nothing is learned", training="PINN, loss on u_xx", **texts)
        advice = " ".join([scaffold.first_change, *(f.remedy for f in scaffold.findings)])
        assert "relu" not in advice.lower().replace("for relu with pytorch's default", "")


@pytest.mark.parametrize("seed", range(6))
def test_healthy_runs_raise_no_alarm(seed: int) -> None:
    draw = random.Random(seed)
    n = 3 + 4 * seed
    values = [0.1 * math.exp(draw.gauss(0, 0.5) + draw.choice([-0.1, 0.1]) * i) for i in range(n)]
    log = _losses([2.3 * math.exp(-0.1 * i) + draw.gauss(0, 0.02) for i in range(15)])
    assert _diagnose(measurements=log + "\n\n" + _lines(values)).mechanism in ("nothing_wrong", "too_shallow")


@pytest.mark.parametrize("name", sorted(VARIATIONS))
def test_a_verdict_comes_with_its_rivals_and_asks_for_what_tells_them_apart(name: str) -> None:
    scaffold = _diagnose(**VARIATIONS[name][1])
    if scaffold.needs or scaffold.mechanism in ("nothing_wrong", "cannot_tell"):
        return
    assert len(scaffold.explanations) >= 2
    assert any(field.name == "rival" and "test" in field.wants for field in scaffold.answer_form)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(VARIATIONS)), st.integers(0, 10**6), st.text(max_size=30))
def test_no_mutilated_text_breaks_it(name: str, seed: int, noise: str) -> None:
    draw = random.Random(seed)
    texts = dict(VARIATIONS[name][1])
    text = texts.get("measurements", "")
    cut, at = draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)
    texts["measurements"] = text[:cut] + noise + text[at:]
    scaffold = _diagnose(**texts)
    assert scaffold.mechanism in TITLES
    assert render(scaffold)
    json.dumps(scaffold.structured(), allow_nan=False)
