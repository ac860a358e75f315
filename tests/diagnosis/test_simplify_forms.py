"""Ablations in the forms in which people paste them: differences, lists, LaTeX, sequences, reruns, other metrics."""

from __future__ import annotations

import pytest

from kaiming_mcp.diagnosis.simplify.lists import lists
from kaiming_mcp.diagnosis.simplify.parts import akin
from kaiming_mcp.diagnosis.simplify.subject import Subject, read_subject
from kaiming_mcp.library import library
from kaiming_mcp.replies.simplify import simplify_text
from kaiming_mcp.scaffold import render


def _subject(pipeline: str, evidence: str = "", metric: str = "") -> Subject:
    return read_subject(pipeline, evidence, metric, "", lists())


def _effects(s: Subject) -> dict[str, float | None]:
    return {" + ".join(a.names): None if a.effect is None else round(a.effect, 6) for a in s.ablations}


def _text(pipeline: str, evidence: str = "", metric: str = "") -> str:
    return render(simplify_text(library(), pipeline, evidence, metric))


def test_a_signed_number_behind_a_removal_is_a_difference_and_no_score() -> None:
    evidence = (
        "Final model 60.1 on average.\n* remove web chats: -1.0\n* remove safety data: "
        "+0.2\n* no length normalisation: -0.9"
    )
    assert _effects(_subject("SFT, web chats, safety data, length normalisation", evidence, "accuracy")) == {
        "web chats": 1.0,
        "safety data": -0.2,
        "length normalisation": 0.9,
    }


def test_scores_that_are_all_negative_stay_scores() -> None:
    evidence = "full -84.3, without flow -86.1, without annealing -84.9"
    s = _subject("flow, annealing", evidence, "log-likelihood")
    assert _effects(s) == {"flow": 1.8, "annealing": 0.6}


def test_a_table_of_differences_alone_is_read() -> None:
    table = "| removed | Δ mAP |\n|---|---|\n| w/o neck | -1.2 |\n| w/o gates | +0.1 |"
    assert _effects(_subject("neck, gates, EMA", table, "mAP")) == {"neck": 1.2, "gates": -0.1}


def test_a_size_in_a_label_is_no_score() -> None:
    evidence = "- baseline B5 512px: 0.412\n- + external data: 0.437\n- + 7x7 kernel: 0.441"
    s = _subject("external data, 7x7 kernel", evidence, "F1")
    assert _effects(s) == {"external data": 0.025, "7x7 kernel": 0.004}
    assert s.base is not None
    assert s.base.score is not None
    assert s.base.score.mean == 0.412


def test_a_dash_before_a_listed_variant_is_a_bullet() -> None:
    evidence = "- full: 81.3\n- w/o shifting: 80.2\n- no pos.: 80.1"
    assert _effects(_subject("shifted windows, relative position bias", evidence, "top-1")) == {
        "shifting": 1.1,
        "pos": 1.2,
    }


def test_deviations_in_braces_of_latex_are_read() -> None:
    table = (
        "\\begin{tabular}{l|c}\nVariant & Accuracy \\\\ \\hline\nFull model & "
        "$\\mathbf{73.4}{\\scriptstyle\\pm 0.4}$ \\\\\n"
        "w/o gates & 70.2{\\tiny $\\pm$0.3} \\\\\nw/o skips \\& gates & 69.0 $\\pm$ 0.4 "
        "\\\\\n\\end{tabular}\nover 5 seeds"
    )
    s = _subject("gates, skips", table, "accuracy")
    assert _effects(s) == {"gates": 3.2, "skips + gates": 4.4}
    assert s.noise is not None
    assert s.noise.freedom == 12


@pytest.mark.parametrize("said", [True, False])
def test_removals_that_keep_those_above_are_compared_with_the_row_above(said: bool) -> None:
    table = (
        "\\begin{tabular}{lc}\nModel & WER \\\\\nFull model & 4.3 \\\\\n\\quad -- Swish + ReLU & 4.5 \\\\\n"
        "\\quad -- Convolution Block & 4.9 \\\\\n\\quad -- Macaron FFN & 5.0 \\\\\n\\end{tabular}\n"
    )
    note = "Each row also keeps the removals of the rows above." if said else ""
    s = _subject("macaron feed-forward pair, convolution block, Swish activation", table + note, "WER")
    block, last = (0.4, 0.1) if said else (0.6, 0.7)
    assert _effects(s) == {"Swish": 0.2, "Convolution Block": block, "Macaron FFN": last}
    assert {j.part.name for j in s.judged} == {"macaron feed-forward pair", "convolution block", "Swish activation"}


def test_bare_names_that_never_fall_are_read_as_a_sequence_and_that_is_said() -> None:
    evidence = (
        "ResNet-50: 78.8\nstage ratio: 79.4\npatchify stem: 79.5\n7x7 kernel: 79.5\nfewer norms: 81.4\nLayerNorm: 81.5"
    )
    pipeline = "ConvNeXt: stage ratio, patchify stem, 7x7 kernel, fewer norms, LayerNorm"
    s = _subject(pipeline, evidence, "top-1")
    assert _effects(s)["fewer norms"] == 1.9
    assert "Bare names were read as added one after the other" in _text(pipeline, evidence, "top-1")


def test_additions_said_to_stand_alone_are_compared_with_the_baseline() -> None:
    rows = "baseline 68.0\n+ random erasing 69.1\n+ label smoothing 68.4\n+ center loss 68.2\nall tricks 69.6"
    pipeline = "center loss, random erasing, label smoothing"
    expected = {"random erasing": 1.1, "label smoothing": 0.4, "center loss": 0.2}
    assert _effects(_subject(pipeline, "Each trick added alone to the baseline:\n" + rows, "mAP")) == expected
    assert _effects(_subject(pipeline, rows, "mAP")) == expected


def test_own_reruns_stand_beside_the_numbers_of_the_paper() -> None:
    evidence = "full: 0.159 ± 0.012 (5 runs)\nwithout gates: 0.246 (paper)\nmy runs: full 0.170, without gates 0.1988"
    s = _subject("gates, global embedding", evidence, "MSE")
    assert [round(a.effect or 0.0, 4) for a in s.ablations] == [0.0288, 0.087]
    assert "elsewhere" in _text("gates, global embedding", evidence, "MSE")


def test_arms_that_were_tuned_apart_are_told() -> None:
    evidence = (
        "all 39.8, w/o sparsity 37.2. The ablations were performed with separate "
        "hyper-parameter tuning on each experiment."
    )
    assert "Each arm was tuned for itself" in _text("sparsity loss, guide loss, MIL loss", evidence, "mAP")
    assert "Each arm was tuned" not in _text("sparsity loss, guide loss", "all 39.8, w/o sparsity 37.2", "mAP")


def test_a_score_that_gets_worse_rises_where_lower_is_better() -> None:
    text = _text("gates, skips", "full 3.281, no gates 3.283. The seed std is 0.004.", "validation loss")
    assert "rise above 2 s" in text
    assert "drop above" not in text


def test_a_gan_loss_does_not_make_a_restoration_a_generation() -> None:
    pipeline = (
        "U-Net that removes haze. Loss: L1 + 0.1 perceptual + 0.01 GAN loss (PatchGAN) + 1.0 cycle consistency loss"
    )
    s = _subject(pipeline, "full: 27.31 dB\nw/o GAN: 27.60 dB", "PSNR")
    assert s.baseline is not None
    assert s.baseline.id == "restoration"
    assert not [j.part.name for j in s.judged if j.part.name.count("(") != j.part.name.count(")")]


@pytest.mark.parametrize(
    ("pipeline", "metric", "task"),
    [
        ("DiT-XL/2: REPA alignment loss, SwiGLU, guidance interval on ImageNet 256", "FID-50K", "generation"),
        ("NeRF: positional encoding, view dependence", "PSNR", "pointcloud"),
        ("wav2vec2: SpecAugment, language model rescoring", "WER", "speech"),
        ("PatchTST: patching, RevIN, self-supervised pre-training on ETTh1", "MAE, horizon 96", "forecasting"),
        ("\\begin{tabular}{l} CBAM, ASFF and WIoU \\end{tabular} for defect detection", "mAP@0.5", "detection"),
    ],
)
def test_the_task_is_what_most_words_speak_for(pipeline: str, metric: str, task: str) -> None:
    baseline = _subject(pipeline, "full 1.0, w/o gates 0.9", metric).baseline
    assert baseline is not None
    assert baseline.id == task


def test_the_numbers_of_the_wanted_metric_are_taken() -> None:
    evidence = (
        "Full model LPIPS 0.112 / PSNR 25.9. Without perceptual loss: LPIPS 0.142, PSNR "
        "27.3. Interpolation off: LPIPS 0.113."
    )
    s = _subject("perceptual loss, interpolation", evidence, "LPIPS")
    assert _effects(s) == {"perceptual loss": 0.03, "Interpolation": 0.001}
    table = "| Model | Ign F1 | F1 |\n|---|---|---|\n| Ours | 52.4 | 54.3 |\n| w/o GNN | 48.3 | 50.2 |"
    assert _effects(_subject("GNN", table, "F1 on DocRED")) == {"GNN": 4.1}


def test_columns_named_after_a_metric_and_a_seed_are_runs() -> None:
    table = "variant,wer_seed1,wer_seed2,wer_seed3\nfull,8.1,8.3,8.2\nno_gates,9.4,9.1,9.6\n"
    s = _subject("gates, skips", table, "WER")
    assert s.noise is not None
    assert s.noise.freedom == 4


def test_what_is_no_deviation_of_seeds_is_not_called_one() -> None:
    assert _subject("--aa rand-m9-mstd0.5-inc1 --mixup 0.8", "", "top-1").noise is None
    rated = "Full: MOS 4.12 ± 0.08 (95% CI)\n- w/o pitch predictor: 3.81 ± 0.09\n- w/o energy predictor: 4.01 ± 0.08"
    text = _text("pitch predictor, energy predictor, postnet", rated, "MOS")
    assert "seed standard deviation s =" not in text
    assert "energy predictor: +0.11 ± 0.118 (95 %)" in text
    folds = _subject("gates, skips", "full 0.862 ± 0.021 (5 folds), w/o gates 0.861 ± 0.02", "Dice")
    assert [j.verdict for j in folds.judged if j.ablation] == ["open"]


def test_arms_of_unequal_spread_are_judged_by_their_own_deviations() -> None:
    evidence = "full 5120 ± 140; no LayerNorm 2980 ± 410; no resets 4300 ± 230 (mean ± standard error over 8 seeds)"
    s = _subject("LayerNorm, resets", evidence, "return")
    assert {j.part.name: j.verdict for j in s.judged} == {"LayerNorm": "stays", "resets": "small"}


def test_higher_is_better_claims_no_gain() -> None:
    assert (
        _subject("flow, EMA", "Test score (higher is better): full 84.3, without flow 86.1", "score").context.claim
        is None
    )


def test_a_swap_in_a_sentence_and_points_of_short_forms_are_read() -> None:
    s = _subject(
        "cosine schedule, EMA", "full 4.84. Replacing the cosine schedule by a constant rate gives 5.4.", "error rate"
    )
    assert _effects(s) == {"cosine schedule": 0.56}
    upper = "Without deformable attention it falls to 39.3 AP. Full model 41.2 AP. Copy-paste brought 0.5 AP."
    found = _effects(_subject("deformable attention, copy-paste", upper, "AP"))
    assert found == {"deformable attention": 1.9, "copy-paste": 0.5}


def test_none_removed_is_the_full_method() -> None:
    table = (
        "| Ablation on | top-1 |\n|---|---|\n| none: DeiT-B | 81.8 |\n| Mixup removed | "
        "80.0 |\n| Erasing removed | 79.4 |\n"
        "| EMA added | 81.9 |"
    )
    s = _subject("mixup, random erasing, CutMix, EMA", table, "top-1")
    assert s.base is None
    assert _effects(s) == {"Mixup": 1.8, "Erasing": 2.4, "EMA": 0.1}
    assert "CutMix" in {j.part.name for j in s.judged}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("pos", "positional", True),
        ("shifting", "shifted", True),
        ("indep", "independence", True),
        ("depth", "depthwise", False),
        ("gan", "gate", False),
        ("edge", "edges", True),
    ],
)
def test_forms_of_one_word_are_told_from_compounds(one: str, other: str, same: bool) -> None:
    assert akin(one, other) is same


def test_a_short_name_means_the_part_that_is_called_so_here() -> None:
    s = _subject("graph network: residual connections, label reuse", "full 73.4, w/o residual 73.1", "accuracy")
    assert {j.part.name for j in s.judged if j.ablation} == {"residual connections"}


def test_another_backbone_is_no_ablation_of_the_backbone() -> None:
    rows = "- baseline EfficientNet-B5: 0.464\n- + ensemble with ConvNeXt: 0.471"
    s = _subject("EfficientNet-B5, ensemble with ConvNeXt", rows, "F1")
    assert [j.part.name for j in s.judged if j.part.base] == []


def test_an_unknown_metric_that_most_removals_raise_is_taken_as_an_error_and_said_so() -> None:
    evidence = "full 0.427, no target encoding 0.431, no crosses 0.429, no calibration 0.430"
    pipeline = "target encoding, feature crosses, isotonic calibration"
    assert _effects(_subject(pipeline, evidence, "qwzx"))["target encoding"] == 0.004
    assert "Lower is taken to be better: the metric was not recognised, and most removals raise it" in _text(
        pipeline, evidence, "qwzx"
    )


def test_a_data_set_of_the_pretraining_is_neither_test_set_nor_task() -> None:
    s = _subject("pose network, ImageNet pre-training, auto-masking", "full 0.115, no auto-masking 0.120", "Abs Rel")
    assert s.context.cases is None
    assert s.baseline is not None
    assert s.baseline.id == "any"
    assert _effects(s) == {"auto-masking": 0.005}


def test_confidence_intervals_of_the_cases_leave_what_is_below_them_open() -> None:
    evidence = (
        "full AUC 0.912 (95% CI 0.897-0.926)\nwithout CLAHE 0.909 (95% CI 0.894-0.924)\n"
        "single model instead of ensemble 0.904 (95% CI 0.888-0.919)"
    )
    s = _subject("CLAHE preprocessing, attention pooling, ensemble of 5 folds", evidence, "AUC on 1,850 patients")
    assert s.base is None
    assert _effects(s) == {"CLAHE": 0.003, "ensemble": 0.008}
    assert {j.verdict for j in s.judged if j.ablation} == {"open"}


def test_a_relative_difference_is_no_difference_of_the_score() -> None:
    s = _subject(
        "temporal fusion, depth supervision", "Full model: 56.9. Removing temporal fusion costs 12% relative.", "mAP"
    )
    assert _effects(s) == {"temporal fusion": None}


def test_entries_numbered_within_a_line_are_parts_of_their_own() -> None:
    s = _subject("1) BEV encoder 2) temporal fusion of 8 frames 3) auxiliary 2D detection head")
    assert [j.part.name for j in s.judged] == [
        "BEV encoder",
        "temporal fusion of 8 frames",
        "auxiliary 2D detection head",
    ]
    assert not [j.part.name for j in s.judged if j.part.hours]


def test_the_last_word_of_a_name_is_no_second_part() -> None:
    names = [j.part.name for j in _subject("mean teacher, CutMix augmentation, repeated augmentation, EMA").judged]
    assert names.count("CutMix augmentation") == 1
    assert "augmentation" not in names
    assert "repeated augmentation" in names


def test_an_addition_behind_a_removal_is_not_one_to_the_full_method() -> None:
    table = (
        "| Tasks | Acc |\n|---|---|\n| Full | 84.4 |\n| No NSP | 83.9 |\n| LTR & No NSP | 82.1 |\n| + BiLSTM | 82.0 |"
    )
    assert "BiLSTM" not in _effects(
        _subject("masked language model, next sentence prediction (NSP) loss", table, "accuracy")
    )


def test_one_variant_that_collapsed_once_is_no_noise_of_the_others() -> None:
    evidence = (
        "full: 79.1, 79.4, 79.2\nno QK-norm: 77.7, 78.0, 77.8\nno LayerScale: 79.0, 79.3, 79.4\n"
        "no warm-up: 79.1, 79.3, 79.1\nno gradient clipping: 79.2, 72.0, 79.3"
    )
    s = _subject("QK-norm, LayerScale, warm-up, gradient clipping", evidence, "top-1")
    assert s.noise is not None
    assert s.noise.deviation < 0.2
    assert "without 1 that scatter far more" in s.noise.source
    verdicts = {j.part.name: j.verdict for j in s.judged}
    assert verdicts["QK-norm"] == "stays"
    clipping = next(a for a in s.ablations if a.names == ("gradient clipping",))
    assert clipping.half is not None
    assert clipping.half > 2.4


def test_prompts_that_are_scored_are_no_settings_that_were_tried() -> None:
    s = _subject("reward model, KL penalty", "full 58, without KL penalty 41", "win rate on 300 prompts")
    assert s.context.tuned is None
    assert s.context.cases == 300
