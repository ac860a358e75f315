"""Ablations as people tell them: sequences that start anywhere, methods without a part, parts that are gone."""

from __future__ import annotations

from kaiming_mcp.diagnosis.simplify.lists import lists
from kaiming_mcp.diagnosis.simplify.subject import Subject, read_subject
from kaiming_mcp.library import library
from kaiming_mcp.replies.simplify import simplify_text
from kaiming_mcp.scaffold import render


def _subject(pipeline: str, evidence: str = "", metric: str = "") -> Subject:
    return read_subject(pipeline, evidence, metric, "", lists())


def _effects(s: Subject) -> dict[str, float | None]:
    return {" + ".join(a.names): None if a.effect is None else round(a.effect, 6) for a in s.ablations}


def test_a_sequence_starts_at_its_first_row_whatever_that_is_called() -> None:
    table = "| Model | AIME24 |\n|---|---|\n| Naive GRPO | 30 |\n| + Overlong Filtering | 36 |\n| + Clip-Higher | 38 |"
    s = _subject("overlong filtering, clip-higher, token-level loss", table)
    assert _effects(s) == {"Overlong Filtering": 6, "Clip-Higher": 2}
    assert s.base is not None
    assert s.base.label == "Naive GRPO"


def test_a_method_without_a_part_is_compared_with_the_method() -> None:
    table = (
        "| Model | AP (mean ± std, 3 seeds) |\n|---|---|\n| baseline | 51.2 ± 0.9 |\n| + MoT | 51.9 ± 1.1 |\n"
        "| MoT without shared expert | 51.7 ± 0.8 |"
    )
    s = _subject("router, shared expert, load-balancing loss", table)
    assert _effects(s) == {"MoT": 0.7, "shared expert": 0.2}


def test_what_is_said_to_be_gone_is_no_part() -> None:
    s = _subject("DAPO: overlong filtering, clip-higher, dynamic sampling, KL term removed.")
    assert not [p.name for p in s.inventory.parts if "KL" in p.name]


def test_a_part_named_after_what_it_lacks_is_not_that() -> None:
    table = (
        "| Methods | AP |\n|---|---|\n| YOLOv3 baseline | 38.5 |\n| + decoupled head | 39.6 |\n| + NMS free | 38.8 |"
    )
    text = render(simplify_text(library(), "decoupled head, SimOTA, NMS-free (optional)", table, "AP"))
    assert "AP without it, and with the threshold moved" not in text


def test_a_part_that_is_said_to_do_nothing_goes_first() -> None:
    pipeline = "focal loss, auxiliary loss with weight 0.2, deformable convolution, feature aggregator"
    s = _subject(pipeline, "The weight of the auxiliary loss has little effect on the results.", "F1")
    assert s.order[0].part.name.startswith("auxiliary loss")
    gone = _subject(pipeline, "The auxiliary losses are not necessary anymore.", "F1")
    assert gone.order[0].part.name.startswith("auxiliary loss")


def test_a_plural_means_every_part_of_that_name() -> None:
    s = _subject("auxiliary Re head, auxiliary AoA head, EMA", "full 80.1, no aux heads 78.0", "accuracy")
    told = {j.part.name: j.verdict for j in s.judged if j.ablation}
    assert told == {"auxiliary Re head": "joint", "auxiliary AoA head": "joint"}


def test_one_of_several_own_losses_stays_as_the_objective() -> None:
    s = _subject("surrogate with surface loss, volume loss, gradient clipping, EMA")
    assert [p.name for p in s.inventory.parts if p.only] == ["surface loss"]


def test_a_part_that_helps_is_not_called_one_under_which_the_metric_falls() -> None:
    text = render(
        simplify_text(library(), "base loss, sparsity loss, guide loss", "full 39.8, w/o sparsity loss 37.2", "mAP")
    )
    assert "cannot judge" not in text


def test_a_baseline_that_is_better_is_the_verdict() -> None:
    worse = simplify_text(library(), "EMA, mixup, cutmix", "full 5.28, baseline 4.62", "error, lower is better")
    assert worse.verdict.startswith("The baseline as given is better than the full method by 0.66")
    assert "by 0.66 better than the full method" in render(worse)


def test_scores_under_bare_names_are_asked_about_and_not_guessed() -> None:
    evidence = "ResNet-50: 78.8\npatchify stem: 79.5\ndepthwise convolution: 80.5\ninverted bottleneck: 80.6"
    pipeline = "ConvNeXt: patchify stem, depthwise convolution, inverted bottleneck, LayerNorm"
    scaffold = simplify_text(library(), pipeline, evidence, "top-1")
    assert scaffold.verdict.startswith("Cannot tell: 3 scores are named after parts")
    assert "write '+ part' or 'w/o part'" in render(scaffold)


def test_a_gain_within_the_errors_of_the_test_cases_is_told_in_the_verdict() -> None:
    scaffold = simplify_text(
        library(),
        "Stack of 12 models with pseudo-labels",
        "stack: accuracy 0.912; best single LightGBM: 0.911; without pseudo-labels 0.9115",
        "accuracy on 3,000 test rows",
    )
    assert "the whole gain of 0.001 is 0.137 standard errors of the test set" in scaffold.verdict


def test_a_size_in_a_name_is_no_weight() -> None:
    s = _subject("ConvNeXt: patchify stem, depthwise convolution, 7x7 kernel, GELU")
    assert "7x7 kernel" in [p.name for p in s.inventory.parts]


def test_a_metric_of_one_letter_picks_its_column() -> None:
    table = (
        "| Variant | Base | New | H |\n|---|---|---|---|\n| MaPLe | 82.28 | 75.14 | 78.55 |\n"
        "| + FiLM | 83.10 | 75.30 | 79.01 |"
    )
    s = _subject("FiLM transform, linear probe head, ITM loss", table, "harmonic mean H over 11 datasets")
    assert _effects(s) == {"FiLM": 0.46}


def test_seeds_that_differ_by_so_much_give_the_noise() -> None:
    s = _subject("IoU-aware loss, EMA", "full 50.9 AP, without EMA 50.8 AP. Seeds differ by about 0.2 AP.", "COCO AP")
    assert s.noise is not None
    assert s.noise.deviation == 0.2


def test_a_formula_ends_at_the_comma_behind_its_last_term() -> None:
    s = _subject("L = L_GAN + 10 L_FM + 5 L_ID + 0.1 L_TV, two-scale discriminator, EMA 0.999")
    told = {p.name: p.weight for p in s.inventory.parts if p.kind == "loss"}
    assert told == {"GAN": "", "FM": "10", "ID": "5", "TV": "0.1"}
    assert [p.name for p in s.inventory.parts if p.only] == ["GAN"]


def test_a_digit_in_the_name_of_an_added_part_hides_no_step() -> None:
    s = _subject("extra P2 head, BiFPN, EMA", "baseline 39.1; + P2 head 42.6; + BiFPN 42.9", "mAP50")
    assert _effects(s) == {"P2 head": 3.5, "BiFPN": 0.3}


def test_a_number_in_place_of_another_is_a_knob_and_no_score() -> None:
    s = _subject(
        "self-consistency with 20 samples, verifier model",
        "full 81.0% on 1,319 questions; no verifier 80.4%; 5 samples instead of 20: 79.8%",
        "GSM8K accuracy",
    )
    assert _effects(s) == {"verifier": 0.6}
