"""References and residuals told in words: whose number it is, and of what."""

from __future__ import annotations

import pytest

from kaiming_mcp.diagnosis.residual.words.laws import estimates
from kaiming_mcp.diagnosis.residual.words.said import read_samples, read_stated
from kaiming_mcp.library import library
from kaiming_mcp.replies.residual import residual_text
from kaiming_mcp.scaffold import Scaffold, render


def _reframe(mapping: str, reference: str = "", data: str = "") -> Scaffold:
    return residual_text(library(), mapping, reference, data)


def test_the_spread_of_a_change_is_what_persistence_leaves() -> None:
    scaffold = _reframe(
        "weather: predict the tendency x(t+1) - x(t), 6 hours ahead",
        "the state now",
        "standard deviation 3350 m2/s2, standard deviation of the 6 h change 490 m2/s2",
    )
    assert "R = persistence: from what is stated it leaves 0.0214" in scaffold.verdict
    assert "RMSE 490 m2/s2" in render(scaffold)


def test_a_model_that_does_not_beat_the_last_value_is_told_so() -> None:
    data = "RMSE of the LSTM {} USD, RMSE of the last value 398 USD, standard deviation of the price 3150 USD"
    worse = _reframe("Predict the Bitcoin price 24 hours ahead", "price now", data.format(412))
    assert worse.findings[0].title == "The model does not beat the reference"
    assert "skill 1 - (model/R)² = -0.0716" in render(worse)
    better = _reframe("Predict the Bitcoin price 24 hours ahead", "price now", data.format(380))
    assert "The model does not beat the reference" not in [f.title for f in better.findings]


def test_noise_that_is_to_be_removed_is_what_the_input_leaves() -> None:
    scaffold = _reframe(
        "Image denoising: predict the noise or the image?",
        "the noisy image",
        "noise sigma 50 of 255, standard deviation of clean images 62",
    )
    assert "it leaves 0.65 of the variance; scaled by 0.606 it leaves 0.394" in scaffold.verdict
    assert "from any model" not in render(scaffold)


def test_a_mean_error_of_a_step_adds_up_and_is_no_error_of_the_reference() -> None:
    scaffold = _reframe(
        "Climate emulator of 6-hourly increments, rolled out for 1460 steps; mean error of an increment 0.002 K",
        "the state now",
        "standard deviation 8 K, standard deviation of the 6 h change 1.9 K",
    )
    assert "leaves 0.0564 of the variance" in scaffold.verdict
    assert "over 1,460 steps, adds up to 2.92 K" in render(scaffold)


def test_a_network_that_is_the_reference_has_its_error_counted() -> None:
    stated = read_stated("10 m wind: standard deviation 4 m/s; RMSE of the UNet 1 m/s; RMSE of the CNN 2 m/s")
    assert [e.share for e in estimates(stated, None, "UNet mean") if e.law == "direct"] == [pytest.approx(1 / 16)]
    assert not [e for e in estimates(stated, None, "persistence") if e.law == "direct"]


def test_digits_behind_a_point_count_no_pairs() -> None:
    assert read_samples("PSNR of bicubic 28.42 dB for images") is None
    assert read_samples("CIFAR-100 images") is None
    assert read_samples("2,000 training images") == 2000


def test_the_stated_spread_of_pixels_replaces_the_usual_one() -> None:
    text = render(_reframe("x4 super-resolution", "bicubic", "PSNR of bicubic 30 dB, variance of the pixels 0.04"))
    assert "with a spread of 0.2 it leaves 0.025" in text


def test_a_fraction_is_not_called_multiplicative_and_a_clip_is_seen() -> None:
    scaffold = _reframe(
        "Sea ice concentration (0 to 1) next week: add the change to the last frame, then clip to [0, 1]",
        "last frame",
        "correlation 0.96",
    )
    titles = [f.title for f in scaffold.findings]
    assert "A clip after the sum has no gradient where it binds" in titles
    assert "Differences of multiplicative quantities" not in titles


def test_the_current_value_is_persistence_and_a_gru_is_a_model() -> None:
    scaffold = _reframe(
        "Glucose 30 minutes ahead with a GRU",
        "current glucose",
        "RMSE of the GRU 19.5 mg/dL, RMSE of the current value 27 mg/dL, standard deviation 58 mg/dL",
    )
    assert "R = persistence: from what is stated it leaves 0.217" in scaffold.verdict
    assert "skill 1 - (model/R)² = 0.478" in render(scaffold)


def test_a_share_of_another_reference_stands_beside_the_refusal() -> None:
    scaffold = _reframe(
        "Solar irradiance one hour ahead from sky images",
        "the operator's own product",
        "RMSE of smart persistence 92 W/m2, standard deviation of the irradiance 260 W/m2",
    )
    assert scaffold.verdict.startswith("Cannot tell")
    assert "smart persistence leaves 0.125 as stated" in scaffold.verdict


def test_the_error_of_the_named_reference_decides_and_a_better_one_is_told() -> None:
    data = "load std 420 MW; persistence error 95 MW rmse; one day ago rmse 160 MW; model rmse 80 MW"
    scaffold = _reframe("predict the next hour electricity load from the last 48 hours", "load one day ago", data)
    assert "R = load one day ago: from what is stated it leaves 0.145 of the variance" in scaffold.verdict
    assert "persistence leaves less, 0.0512" in scaffold.verdict
    assert "80 MW against a spread" not in render(scaffold)


def test_an_error_may_be_told_as_off_by_so_much() -> None:
    data = "std 240 kcal/mol; xTB after a linear fit off by 12 kcal/mol rms, target accuracy 1 kcal/mol"
    scaffold = _reframe("predict the DFT energy of a molecule", "semi-empirical GFN2-xTB energy", data)
    assert "it leaves 0.0025 of the variance" in scaffold.verdict


def test_the_lead_of_an_error_is_no_error_and_the_error_of_the_labels_no_reference() -> None:
    glucose = "SD of glucose 52 mg/dL; RMSE of current value at 30 min 24 mg/dL; LSTM RMSE 19 mg/dL"
    assert "leaves 0.213" in _reframe("blood glucose in 30 minutes from CGM", "current glucose", glucose).verdict
    airfoil = "Cp std 0.8, XFOIL error 0.15, CFD mesh error 0.02"
    scaffold = _reframe("predict surface pressure on an airfoil", "panel method (XFOIL)", airfoil)
    assert scaffold.verdict.endswith("it leaves 0.0352 of the variance.")
    assert "at most 0.982 of it can be learned" in render(scaffold)


def test_modules_that_nothing_defines_are_taken_by_their_names_and_told() -> None:
    code = "def forward(self, x):\n    h = self.fc2(F.gelu(self.fc1(x)))\n    return self.norm(x + h)"
    scaffold = residual_text(library(), code, depth=12)
    assert scaffold.verdict.startswith("Post-norm")
    text = render(scaffold)
    assert "taken by their names: self.fc1 = linear 64 64, self.fc2 = linear 64 64, self.norm = layernorm" in text
    # Two layers at 1/sqrt(3 fan_in) with a GELU between them, not the GELU alone.
    assert "a² = E[F(x)²]/E[x²] = 0.045" in text


def test_a_module_that_no_name_explains_is_said_to_keep_the_scale() -> None:
    text = render(residual_text(library(), "def forward(self, x): return x + self.attn(self.ln1(x))", depth=12))
    assert "self.attn taken to keep the scale" in text


@pytest.mark.parametrize(
    ("formula", "grown"),
    [
        ("y = x + W2 relu(W1 x)", "E[x²] grows to 4.1e+03"),
        (r"x_{l+1} = x_l + \alpha W_2 \sigma(W_1 x_l), alpha = 0.1", "E[x²] becomes 1.13"),
        ("h = h + W2 relu(W1 LN(h))", "over 12 sums E[x²] becomes 13"),
        ("x + alpha * f(x), alpha = 0", "E[x²] becomes 1,"),
    ],
)
def test_matrices_before_what_they_multiply_are_read(formula: str, grown: str) -> None:
    assert grown in residual_text(library(), formula, depth=12).verdict
