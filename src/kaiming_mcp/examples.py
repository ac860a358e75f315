"""A valid call of each tool, shown in every error."""

from __future__ import annotations

import json

EXAMPLE_REQUEST = '{"tool": "derive_initialization", "args": {"activation": "relu", "fan_in": 256}}'
EXAMPLES = {
    "critique_architecture": (
        '{"architecture": "repeat 20 { linear 256 256 ; relu } ; linear 256 10", "input": "256", '
        '"initialization": "he", "goal": "train without normalization"}'
    ),
    "diagnose_gradients": (
        '{"symptom": "the first layers do not learn", "measurements": "fc1.weight grad norm 2.1e-09\\nfc2.weight grad norm '
        '5.3e-08\\nfc3.weight grad norm 1.2e-06\\nfc4.weight grad norm 3.1e-05\\nfc5.weight grad norm 8.0e-04", '
        '"training": "fp32, Adam lr 1e-3, cross entropy, 10 classes"}'
    ),
    "trace_signal": (
        '{"architecture": "repeat 20 { linear 256 256 ; tanh }", "input": "256", "initialization": "xavier gain 5/3", '
        '"simulate": true}'
    ),
    "derive_initialization": '{"activation": "gelu", "fan_in": 1024, "fan_out": 1024, "depth": 30, "framework": "pytorch"}',
    "reframe_as_generative": (
        '{"problem": "predict rainfall for the next 3 hours from radar", "condition": "the last 6 radar frames, 256x256", '
        '"target": "the next 18 frames", "data": "50,000 sequences, 4 years", "metric": "MSE", "samples_per_query": 20}'
    ),
    "reframe_as_residual": (
        '{"mapping": "predict tomorrow\'s temperature from today\'s", "reference": "persistence", '
        '"data": "lag-1 autocorrelation 0.7, std 5 K, noise 0.3 K"}'
    ),
    "simplify_method": (
        '{"pipeline": "L = L_rec + 0.1 L_kl + 0.5 L_adv; EMA 0.999; cosine schedule with warm-up; mixup", '
        '"evidence": "full 71.5 ± 0.3 (3 seeds), without EMA 71.2 ± 0.3 (3 seeds), without mixup 70.1", '
        '"metric": "top-1 on 10,000 test images, claimed gain 0.4", "budget": "8 GPU-hours per run, 500 GPU-hours"}'
    ),
    "translate_to_science": (
        '{"field": "medicine", "problem": "find pneumonia on chest X-rays", "data": "112,000 images of 30,805 patients '
        'from 3 hospitals, 8 % positive, random 80/20 split", "measurements": "AUC 0.93 random split, 0.81 on a held-out '
        'hospital"}'
    ),
    "read_principle": '{"id": "residual-learning", "section": "When it does not apply"}',
    "check_answer": json.dumps(
        {"answer": "**direction**: forward, std 0.0884 [F1]\n**prediction**: …", "request": EXAMPLE_REQUEST},
        ensure_ascii=False,
    ),
}
