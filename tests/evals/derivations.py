"""How each answer of evals/questions.xml comes out of the server: calls, and the answer by code from what they say.

Data come from the blocks that the question pastes; only what its prose says is written out here.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Awaitable, Callable

from asking import Asking, Question, number, said, value

Derivation = Callable[[Asking, Question], Awaitable[str]]
POOLED_HEAD = """(head): Sequential(
    (0): AdaptiveAvgPool2d(output_size=1)
    (1): Flatten(start_dim=1, end_dim=-1)
    (2): Linear(in_features=160, out_features=11, bias=True)
  )
)"""


# Designing an architecture


async def one_dense_layer(ask: Asking, question: Question) -> str:
    (printed,) = question.pasted
    before = await ask.tool("critique_architecture", architecture=printed, input="1x128x128")
    (held, whole) = map(number, said(before, r"holds ([\d,]+) of ([\d,]+) parameters"))
    assert held > whole / 2
    pooled = re.sub(r"\(head\).*", POOLED_HEAD, printed, flags=re.DOTALL)
    after = await ask.tool("critique_architecture", architecture=pooled, input="1x128x128")
    return f"{whole / value(after, 'parameters'):.0f}"


async def init_overwritten(ask: Asking, question: Question) -> str:
    (config,) = question.pasted
    growth: list[float] = []
    for init in ("std 0.02", "gpt2"):
        traced = await ask.tool("trace_signal", architecture=config, input="tokens 512", initialization=init)
        growth.append(value(traced, "second moment"))
    return f"{growth[0] / growth[1]:.0f}"


async def which_norm(ask: Asking, question: Question) -> str:
    (batch_norm,) = question.pasted
    ratios: list[float] = []
    for source in (batch_norm, batch_norm.replace("nn.BatchNorm2d(width)", "nn.GroupNorm(8, width)")):
        traced = await ask.tool("trace_signal", architecture=source, input="3x32x32", batch=128, initialization="he")
        ratios.append(value(traced, "gradient"))
    return f"{ratios[0] / ratios[1]:.0f}"


async def least_unstable(ask: Asking, _: Question) -> str:
    derived = [
        await ask.tool("derive_initialization", activation=name, fan_in=704, fan_out=704, depth=30)
        for name in ("gelu", "silu", "mish", "hardswish")
    ]
    return f"{value(min(derived, key=lambda d: value(d, 'slope')), 'std'):.3f}"


async def best_of_many(ask: Asking, _: Question) -> str:
    pipeline = "ViT-S with mixup, cutmix, stochastic depth 0.1, RandAugment, EMA 0.9999, token-mixing loss (weight 0.2)"
    evidence = "We tried 24 configurations and report the best of 24. Baseline 76.1, ours 76.6. Seed std 0.15"
    first = await ask.tool("simplify_method", pipeline=pipeline, evidence=evidence, metric="top-1")
    (gain,) = map(number, said(first, r"the gain of ([\d.]+)"))
    (luck,) = map(number, said(first, r"the best lies [\d.]+ s above the mean = ([\d.]+)"))
    second = await ask.tool(
        "simplify_method",
        pipeline=pipeline,
        evidence="Seed std 0.15",
        metric=f"top-1, claimed gain {gain - luck:.3f}",
        budget="6.5 GPU-hours per run",
    )
    return f"{value(second, 'seeds per arm') * 2 * 6.5:.0f}"


# Vanishing and exploding gradients


async def torch_fans(ask: Asking, _: Question) -> str:
    short = 1.0
    for layer in ("depthwise 96 k5 s2", "conv 96 192 k3 s2 g4"):
        derived = await ask.tool("derive_initialization", activation="relu", layer=layer)
        (exact,) = map(number, said(derived, r"backward std ([\d.]+)"))
        (fan_out,) = map(number, said(derived, r"torch\.nn\.init would take fan_in \d+ and fan_out (\d+)"))
        short *= exact**2 / (2 / fan_out)
    return f"{round(short, -1):.0f}"


async def norm_placement(ask: Asking, _: Question) -> str:
    attend, mlp, norm = "attention 384 heads 6", "linear 384 1536 ; gelu ; linear 1536 384", "layernorm 384"
    after = f"repeat 18 {{ residual {{ {attend} }} ; {norm} ; residual {{ {mlp} }} ; {norm} }}"
    before = f"repeat 18 {{ residual {{ {norm} ; {attend} }} ; residual {{ {norm} ; {mlp} }} }} ; {norm}"
    ratios: list[float] = []
    for blocks in (after, before):
        network = f"embedding 24000 384 ; {blocks} ; linear 384 24000"
        traced = await ask.tool("trace_signal", architecture=network, input="tokens 200", initialization="xavier")
        ratios.append(value(traced, "gradient"))
    return f"{ratios[1] / ratios[0]:.0f}"


async def onset(ask: Asking, question: Question) -> str:
    layers, log = question.pasted
    found = await ask.tool("diagnose_gradients", symptom="the output hardly depends on the input", measurements=log)
    at = re.fullmatch(r"layer (\d+)", found["located"])
    assert at is not None
    sizes = re.search(rf"^\({at[1]}\): Linear\(in_features=(\d+), out_features=(\d+)", layers, re.MULTILINE)
    assert sizes is not None
    fan_in, fan_out = map(int, sizes.groups())
    derived = await ask.tool("derive_initialization", activation="elu", fan_in=fan_in, fan_out=fan_out)
    return f"{value(derived, 'std'):.3f}"


async def alive_but_blind(ask: Asking, question: Question) -> str:
    nets = (
        ("repeat 32 { linear 192 192 ; leaky_relu 0.1 } ; linear 192 7", "192", "pytorch default"),
        ("repeat 24 { linear 160 160 ; tanh } ; linear 160 7", "160", "std 0.05"),
    )
    found: list[str] = []
    for log in question.pasted:
        result = await ask.tool("diagnose_gradients", symptom="all inputs get the same logits", measurements=log)
        found.append(result["mechanism"])
    assert set(found) == {"bias_floor", "true_decay_backward"}
    network, size, init = nets[found.index("bias_floor")]
    traced = await ask.tool("trace_signal", architecture=network, input=size, initialization=init)
    return f"{value(traced, 'fixed point'):.2g}"


async def filled_form(ask: Asking, question: Question) -> str:
    derived = await ask.tool("derive_initialization", activation="silu", layer="conv 64 96 k3", depth=24)
    checked = await ask.tool("check_answer", answer=question.pasted[0], request=derived["request"])
    (wrong,) = checked["findings"]
    assert wrong["kind"] == "contradiction"
    return wrong["expected"].split()[0]


# Formulating a generative task


async def two_conditions(ask: Asking, question: Question) -> str:
    left = [
        await ask.tool(
            "reframe_as_generative",
            problem="predict the hardness of a weld from one process setting",
            data=data,
            metric="squared error",
            samples_per_query=5,
        )
        for data in question.pasted
    ]
    better = min(left, key=lambda result: value(result, "R"))
    return f"{1 - value(better, 'x MMSE') * value(better, 'R'):.2f}"


async def too_narrow(ask: Asking, _: Question) -> str:
    wider = [
        await ask.tool(
            "reframe_as_generative",
            problem=f"7-day ensemble forecasts of the inflow of a reservoir: {covers} of 400 test cases",
            metric="CRPS",
            samples_per_query=20,
        )
        for covers in ("90 % intervals cover 70 %", "80 % intervals cover 63 %")
    ]
    return f"{max(value(result, 'x width') for result in wider):.2f}"


async def token_width(ask: Asking, _: Question) -> str:
    asked = await ask.tool(
        "reframe_as_generative",
        problem="Generate 96x96 RGB images in pixels with a plain transformer on 12x12 patches, hidden width 384",
        target="96x96x3 image",
        data="60,000 images",
        metric="FID",
    )
    page = await ask.tool("read_principle", id="generative-models-as-universal-solvers", section="Evidence")
    text = re.sub(r"\s+", " ", page["text"])
    equal = r"patch dimension (\d+) = hidden width (\d+)\), v-loss: FID ([\d.]+) for x, [\d.]+ for ε, ([\d.]+)"
    token, width, *at_equal = map(number, said(text, equal))
    narrow, *at_narrow = map(number, said(text, r"\(patch dimension (\d+)\): ([\d.]+), [\d.]+, ([\d.]+)"))
    published = {token / width: at_equal, narrow / width: at_narrow}
    x, v = published[min(published, key=lambda ratio: abs(math.log(ratio / value(asked, "token/width"))))]
    return f"{v - x:.2f}"


async def misquoted(ask: Asking, question: Question) -> str:
    checked = await ask.tool("check_answer", answer=question.pasted[0])
    (wrong,) = checked["findings"]
    assert wrong["kind"] == "quotation"
    page = await ask.tool("read_principle", id="generative-models-as-universal-solvers", section="Quotations")
    draft = _words(wrong["said"])
    originals = [_words(quote) for quote in re.findall(r"“[^”]+”", page["text"])]
    nearest = max(originals, key=lambda words: difflib.SequenceMatcher(None, draft, words).ratio())
    (word,) = (there for here, there in zip(draft, nearest, strict=True) if here != there)
    return word


async def one_sample_each(ask: Asking, question: Question) -> str:
    problem = "wind speed at a site given the value of a coarse weather model"
    (columns,) = question.pasted
    left = await ask.tool("reframe_as_residual", mapping=problem, reference="coarse_model", data=columns)
    (spread,) = said(left, r"Var\[observed - coarse_model\]/Var\[observed\] = ([\d.]+)")
    asked = await ask.tool(
        "reframe_as_generative", problem=f"{problem}; R = {spread}", metric="R2", samples_per_query=1
    )
    (reached,) = map(number, said(asked, r"R² at best [\d.]+ for the mean, ([\d.-]+) for one posterior sample"))
    return f"{reached:.2f}"


# Machine learning for another science


async def rows_of_one_patient(ask: Asking, question: Question) -> str:
    problem = "predict retinal thickness from OCT scans"
    pilot = await ask.tool("translate_to_science", field="medicine", problem=problem, data=question.pasted[0])
    (icc,) = said(pilot, r"ICC ([\d.]+) over")
    study = await ask.tool(
        "translate_to_science", field="medicine", problem=problem, data=f"9,600 scans of 1,200 patients, ICC {icc}"
    )
    (worth,) = map(number, said(study, r"([\d,]+) at ICC"))
    return f"{round(worth, -2):.0f}"


async def noise_in_the_residual(ask: Asking, question: Question) -> str:
    twice, columns = question.pasted
    problem = "aqueous solubility (log S) of a compound from its molecule"
    repeats = await ask.tool("translate_to_science", field="chemistry", problem=problem, data=twice)
    (sigma,) = said(repeats, r"measured twice: σ = ([\d.]+)")
    residual = await ask.tool(
        "reframe_as_residual",
        mapping=f"{problem}; measurement noise {sigma}",
        reference="general_equation",
        data=columns,
    )
    return f"{100 * value(residual, 'noise share'):.0f}"


async def until_persistence_fails(ask: Asking, _: Question) -> str:
    days: list[float] = []
    for rho in (0.91, 0.80):
        asked = await ask.tool(
            "reframe_as_residual",
            mapping="forecast tomorrow's water temperature from today's",
            reference="persistence",
            data=f"lag-1 autocorrelation {rho}, std 4 K, noise 0.2 K",
        )
        days += map(number, said(asked, r"beyond a lead of ([\d.]+) days"))
    return f"{days[0] - days[1]:.1f}"


async def outside_the_rig(ask: Asking, question: Question) -> str:
    reynolds: list[float] = []
    for listed in re.findall(r"flow velocity .*?corrugation height [\d.]+ m", question.text):
        found = await ask.tool(
            "translate_to_science",
            field="fluid mechanics",
            problem="surrogate for corrugated hoses",
            data=f"400 simulations; inputs: {listed}; output wall shear stress (Pa)",
        )
        reynolds += map(number, said(found, r"density / \[dynamic viscosity\] = ([\d.e+]+)"))
    return f"{reynolds[1] / reynolds[0]:.0f}"


async def survey_of_leakage(ask: Asking, _: Question) -> str:
    page = await ask.tool("read_principle", id="ai-as-a-common-language", section="Evidence")
    (key,) = said(re.sub(r"\s+", " ", page["text"]), r"Leakage is common: 17 fields [^@]*\[@([\w-]+)\]")
    source = await ask.resource(f"kaiming://sources/{key}")
    return said(source, r"Patterns \d+\(\d+\):(\d+)")[0]


def _words(quote: str) -> list[str]:
    return quote.strip("“”").split()


DERIVATIONS: tuple[Derivation, ...] = (
    one_dense_layer,
    init_overwritten,
    which_norm,
    least_unstable,
    best_of_many,
    torch_fans,
    norm_placement,
    onset,
    alive_but_blind,
    filled_form,
    two_conditions,
    too_narrow,
    token_width,
    misquoted,
    one_sample_each,
    rows_of_one_patient,
    noise_in_the_residual,
    until_persistence_fails,
    outside_the_rig,
    survey_of_leakage,
)
