"""One's own score beside a paper's, samples that are alike, coverage by lead, and printed likelihoods."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kaiming_mcp.diagnosis.generative.leads import read_leads
from kaiming_mcp.diagnosis.generative.published import Pair, read_published
from kaiming_mcp.diagnosis.generative.quantities import size
from kaiming_mcp.library import library
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import Scaffold, render


def _reframe(problem: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), problem, **rest)


def _titles(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("our crps is 0.1594 while the paper has 0.017", Pair("crps", 0.1594, 0.017)),
        ("the paper reports fid of 1.8. however, the fid logged during training is 27", Pair("fid", 27, 1.8)),
        (
            "the fid was 3.39, which is far behind the 2.99 in your paper obtained with 1000 steps",
            Pair("fid", 3.39, 2.99),
        ),
        ("i am trying to replicate your fid scores below 3. the fid score gives me 32.17", Pair("fid", 32.17, 3)),
        (
            "in the dpm++ paper the fid for [s=8.0, nfe=25] on imagenet256 is 8.39; our result shows fid 200",
            Pair("fid", 200, 8.39),
        ),
        ("the resulting fid is 18.77, which is different from the paper (13.36)", Pair("fid", 18.77, 13.36)),
    ],
)
def test_ones_own_score_and_the_papers_are_told_apart(text: str, pair: Pair) -> None:
    assert read_published(text) == pair


def test_one_score_alone_is_no_pair() -> None:
    assert read_published("the fid is 27 with 2000 samples and 12 with 50000 samples") is None


def test_a_score_beside_a_papers_asks_for_its_definition_and_its_n() -> None:
    scaffold = _reframe(
        "The paper reports FID of 1.8. However, the FID here is 27, computed with 2000 samples.",
        target="32x32x3 images",
        metric="FID",
    )
    text = render(scaffold)
    assert scaffold.verdict.startswith(
        "Compare like with like first: FID 27 of one's own against 1.8 published: 15 times"
    )
    assert "at 2,000 samples it is 25 times that at the usual 50,000" in text
    assert "2,000 pairs" not in text


def test_samples_drawn_for_a_query_are_not_learned_from() -> None:
    text = render(
        _reframe(
            "best performing sequence from 100 samples",
            condition="2 frames 64x64x3",
            target="28 frames 64x64x3",
            metric="PSNR",
            samples_per_query=100,
        )
    )
    assert "100 samples do not support" not in text


def test_a_lack_of_diversity_speaks_for_no_spread() -> None:
    scaffold = _reframe(
        "Missing MRI sequence: with different seeds samples are almost exactly the same. A lack of diversity a fault?",
        samples_per_query=20,
    )
    assert "'divers'" not in scaffold.verdict
    assert any(t.startswith("Samples at one condition are alike") for t in _titles(scaffold))


def test_one_image_for_every_seed_is_not_an_ignored_class() -> None:
    scaffold = _reframe(
        "Conditional GAN gives the same image for every seed; class selection works fine.",
        target="256x256x3 image",
        metric="FID",
    )
    assert "The condition is not used" not in _titles(scaffold)
    ignored = _reframe("Conditional GAN gives the same image for every class", target="256x256x3 image", metric="FID")
    assert "The condition is not used" in _titles(ignored)


def test_a_good_reconstruction_with_a_small_kl_is_no_unused_latent() -> None:
    scaffold = _reframe(
        "VAE: almost perfect reconstructions while samples from the prior are noise; KL loss about 0.05",
        target="128x128x3 image",
    )
    assert "The latent is unused" not in _titles(scaffold)
    assert "Codes of data and draws from the prior lie apart" in _titles(scaffold)
    collapsed = _reframe("VAE: vae_kl_loss 3.8e-07, all outputs are the average frame", target="64x64x3 frames")
    assert "The latent is unused" in _titles(collapsed)


def test_what_a_vae_restores_is_no_inverse_problem() -> None:
    assert "inverse problem" not in render(_reframe("VAE reconstructions are blurry", target="64x64x3 image"))


def test_a_term_of_the_loss_is_no_score_of_the_task() -> None:
    scaffold = _reframe(
        "VAE with an L2 reconstruction term; samples from the prior are noise", target="128x128x3 image"
    )
    assert "l2" not in scaffold.verdict


def test_coverage_that_falls_with_the_lead_is_given_by_lead() -> None:
    text = "the 90% interval covers 88% at the first step and 61% at step 24"
    assert read_leads(text) == (("first step", 0.88), ("step 24", 0.61))
    scaffold = _reframe(f"DeepAR forecast: {text}", target="next 24 hours", metric="CRPS")
    assert "the width must grow 1.06 and 1.91 times" in render(scaffold)


def test_a_negative_likelihood_is_read_per_value() -> None:
    scaffold = _reframe("flow on CIFAR10, NLL around -30000", target="32x32x3 image", metric="NLL")
    assert any(f.value == pytest.approx(-30000 / 3072 / math.log(2), rel=0.01) for f in scaffold.established)
    assert "No code of 256 levels is shorter than 0 bits" in _titles(scaffold)
    fine = _reframe("flow on CIFAR10, NLL around -9000", target="32x32x3 image", metric="NLL")
    assert "No code of 256 levels is shorter than 0 bits" not in _titles(fine)


def test_a_chunk_of_actions_counts_every_number() -> None:
    assert size("chunk of 100 actions of 14 joints") == 1400
    assert size("16 actions of 4 numbers") == 64


def test_a_success_rate_has_a_binomial_interval() -> None:
    text = render(
        _reframe(
            "diffusion policy for stacking: success 23% over 100 episodes",
            target="16 actions of 4 numbers",
            metric="success rate",
        )
    )
    assert "23% of 100 trials is known to ± 0.082" in text


def test_a_metric_alone_does_not_decide_an_inverse_problem() -> None:
    scaffold = _reframe(
        "seismic inversion: velocity model from shot gathers", target="velocity model 70x70", metric="MAE"
    )
    assert scaffold.verdict.startswith("Cannot tell yet")


@pytest.mark.parametrize(
    ("problem", "title"),
    [
        (
            "super-resolution by diffusion, a colour shift in the output",
            "The lowest frequencies are off, which y has measured",
        ),
        (
            "mixture density network: one component dominates",
            "One component takes all; either p(x|y) has one mode or the start decided",
        ),
    ],
)
def test_signs_of_a_fault_lead_to_its_own_entry(problem: str, title: str) -> None:
    assert title in _titles(_reframe(problem, target="2 numbers", metric="NLL"))


def test_downscaling_names_the_mean_of_the_coarse_cell() -> None:
    text = render(
        _reframe(
            "downscale rain fields to 10 km",
            condition="18x36",
            target="180x360 field",
            data="11000 samples",
            samples_per_query=20,
        )
    )
    assert "its mean over the coarse cell is the input" in text


def test_images_that_are_generated_and_scored_are_no_training_set() -> None:
    text = render(_reframe("I generated 1000 images and the FID is 32", target="32x32x3 images", metric="FID"))
    assert "1,000 pairs" not in text
    assert "1,000 images" not in text
