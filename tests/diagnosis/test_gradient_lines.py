"""Kinds of lines that settle a matter by themselves, each with numbers of its own."""

from __future__ import annotations

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text

FALLS = "\n".join(f"step {10 * i} loss {2.0 * 0.7**i:.4f}" for i in range(8))
BINARY = "\n".join(f"step {10 * i} loss {x}" for i, x in enumerate((0.694, 0.692, 0.693, 0.694, 0.693)))
UNROLLED = "k;rms_h;rms_grad_h\n" + "\n".join(f"{k};0.41;{1e-9 * 3.0**k:.3e}" for k in range(16))

NAMED = {
    "dead_units": (
        {"measurements": f"{FALLS}\nchannels that are zero on the whole batch of 64: relu1 12%, relu2 99.8%"},
        "dead_relu",
    ),
    "fed_below_zero": (
        {"measurements": "before the final relu: min -9.1 mean -4.0 max -0.7\nloss 3.1"},
        "dead_relu",
    ),
    "output_tanh": (
        {"measurements": "before tanh: mean 11.2 min 9.8 max 13.0\na.weight grad norm 2e-9\nb.weight grad norm 7e-9"},
        "saturation",
    ),
    "top_weight": (
        {"measurements": "attention softmax: mean max weight 0.983\nq grad norm 1.0e-2\nk grad norm 1.1e-2"},
        "saturation",
    ),
    "entropy_share": ({"measurements": "softmax entropy 0.081 nats, uniform is ln 64 = 4.159"}, "saturation"),
    "quantiles": (
        {"measurements": "layer q25 q50 q75\nact1 -1.000 -0.3 1.000\nact2 -0.999 0.9 1.000", "training": "tanh, SGD"},
        "saturation",
    ),
    "rounded": ({"measurements": "torch.round(g, 2) -> [0.0, 0.0, 0.0]\nglobal norm 4.1e-05"}, "print_zeros"),
    "minus_zero": ({"measurements": "W.grad\ntensor([[-0.000, 0.000], [0.000, -0.000]])"}, "print_zeros"),
    "optimizer_state": (
        {"measurements": "second moment (float16): share of zeros 97 %\nupdate: inf", "training": "fp16, no scaler"},
        "underflow_half",
    ),
    "no_label": (
        {"measurements": "labels counted: 0 / 512\nloss 0.0\na.weight grad 0.0\nb.weight grad 0.0"},
        "structural_zero",
    ),
    "two_schedules": (
        {
            "measurements": "loss without warmup: 4.10 4.12 4.05 4.09\nloss with warmup: 4.10 2.20 0.90 0.30",
            "training": "decoder, h = LayerNorm(h + attn(h)), Adam",
        },
        "post_norm_warmup",
    ),
    "unrolled": (
        {"measurements": UNROLLED, "training": "fixed point net unrolled 16 times, tanh"},
        "true_decay_backward",
    ),
    "cosines_by_name": (
        {"measurements": "cosine between nodes: L1 0.51, L2 0.93, L3 0.997, L4 1.000", "training": "GCN"},
        "over_smoothing",
    ),
    "spread_over_norm": (
        {"measurements": "node std / node norm by layer:\n[8.1e-01 2.2e-01 4.0e-02 9.0e-03]", "training": "GCN"},
        "over_smoothing",
    ),
    "binary": ({"measurements": BINARY, "training": "BCEWithLogitsLoss"}, "stuck_at_chance"),
    "integer_division": (
        {"measurements": BINARY, "training": "BCEWithLogitsLoss, images uint8 // 255"},
        "stuck_at_chance",
    ),
    "described": (
        {
            "measurements": "df.describe()\n        pop    area\nmean  81200.0  3.1\nstd   90100.0  1.0\n"
            "step 0 loss 9120.5\nstep 10 loss 801.2\nstep 20 loss 90.3",
            "training": "cross entropy, 2 classes",
        },
        "input_scale",
    ),
    "printed_inputs": ({"measurements": "x[0,:3] = [48210.5, 51112.0, 47903.2]\nstd over rows = 0.0"}, "input_scale"),
    "negative_r2": (
        {"measurements": "y: mean 0.0 std 4.0e-05\n" + FALLS + "\nR2 = -8123.1", "training": "MSE"},
        "target_scale",
    ),
}


@pytest.mark.parametrize("name", NAMED)
def test_each_line_is_understood(name: str) -> None:
    sent, mechanism = NAMED[name]
    said = diagnose_text(library(), measurements=sent["measurements"], training=sent.get("training", ""))
    assert said.mechanism == mechanism, said.verdict


@pytest.mark.parametrize("symptom", ["activations are perfect (mean 0 std 1)", "overflow?", "all dead, exploding?"])
def test_words_of_the_symptom_are_no_evidence_against_measured_rows(symptom: str) -> None:
    rows = "\n".join(f"{3 * i}.weight {200.0 * 0.8**i:.4f}" for i in range(25)) + "\n(gradient norms)"
    assert diagnose_text(library(), symptom, measurements=rows, training="Linear-BN-ReLU").mechanism == "growth"
    healthy = diagnose_text(library(), symptom, measurements=FALLS, training="fp32, Adam")
    assert healthy.mechanism == "nothing_wrong", healthy.verdict


@pytest.mark.parametrize(
    "line",
    [
        "units that are 0 for the whole batch: relu1 3%, relu2 12%",
        "before the last relu: min -3.0 mean -0.1 max 2.9",
        "attention softmax: mean max prob 0.41, entropy 2.9 of ln 32 = 3.466",
        "batch['ids'][0] = [101, 2023, 2003, 102]",
        "labels counted: 412 / 512",
        "R2 = 0.81",
        "y: mean 0.0 std 1.0",
    ],
)
def test_the_same_kinds_of_lines_accuse_no_healthy_run(line: str) -> None:
    said = diagnose_text(library(), measurements=f"{FALLS}\n{line}", training="fp32, Adam 1e-3, MSE")
    assert said.mechanism == "nothing_wrong", said.verdict
