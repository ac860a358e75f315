"""R = E Var[X|Y]/Var[X] from pairs against closed forms; repeats, categories, modes; the probe run for real."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError
from numpy.typing import NDArray

from kaiming_mcp.diagnosis.generative.spread import SpreadError, read_spread, spread_of
from kaiming_mcp.library import library
from kaiming_mcp.probes.posterior_spread_probe import against, estimate
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import Scaffold

Array = NDArray[np.float64]


def _linear(rng: np.random.Generator, n: int, d: int, share: float) -> tuple[Array, Array]:
    """Gaussian pairs with R = share, whatever d."""
    y = rng.standard_normal((n, d))
    mean = y.sum(axis=1) / math.sqrt(d)
    return y, (math.sqrt(1 - share) * mean + math.sqrt(share) * rng.standard_normal(n))[:, None]


def _curved(rng: np.random.Generator, n: int, d: int, share: float) -> tuple[Array, Array]:
    """The same with a mean of frequency 2 in the first coordinate; Var sin(2 y) = (1 - e^-8)/2."""
    y = rng.standard_normal((n, d))
    mean = np.sin(2 * y[:, 0]) / math.sqrt((1 - math.exp(-8)) / 2)
    return y, (math.sqrt(1 - share) * mean + math.sqrt(share) * rng.standard_normal(n))[:, None]


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6, 1.0])
@pytest.mark.parametrize(("n", "d"), [(60, 1), (400, 2), (700, 10)])
def test_r_is_unbiased_for_linear_gaussian_pairs(n: int, d: int, share: float) -> None:
    found = [estimate(*_linear(np.random.default_rng(s), n, d, share)) for s in range(10)]
    mean = float(np.mean([f["r"] for f in found]))
    error = float(np.std([f["r"] for f in found], ddof=1)) / math.sqrt(10)
    # At R = 1 the estimate is clipped to 1 from above, hence the second term.
    assert abs(mean - share) < 3.5 * error + 0.05 * share


@pytest.mark.parametrize("pairs", [_linear, _curved], ids=lambda f: f.__name__)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
@pytest.mark.parametrize(("n", "d"), [(60, 1), (400, 2), (700, 5)])
def test_the_interval_holds_r(pairs: Any, n: int, d: int, share: float) -> None:
    found = [estimate(*pairs(np.random.default_rng(s), n, d, share)) for s in range(14)]
    inside = sum(f["low"] <= share <= f["high"] for f in found)
    # Of 14 intervals of 95 % ten or fewer hold it with a probability of 0.0004.
    assert inside >= 11


def test_neighbours_bias_upwards_and_more_of_them_more() -> None:
    for d in (2, 5):
        found = estimate(*_curved(np.random.default_rng(d), 800, d, 0.1))
        assert found["r_2k"] > found["r_k"] > 0.1
        assert 0 <= found["r"] < found["r_k"]
        assert found["high"] > 0.1


def test_far_neighbours_have_no_lower_end() -> None:
    found = estimate(*_curved(np.random.default_rng(0), 300, 12, 0.02))
    assert found["distance_k"] > 0.15
    assert found["low"] == 0


@pytest.mark.parametrize("d", [2, 5, 10])
def test_the_distance_and_the_dimension_of_y_follow_its_dimensions(d: int) -> None:
    n, k = 1500, 10
    found = estimate(*_linear(np.random.default_rng(d), n, d, 0.5))
    # In few dimensions the tails of the Gaussian have far neighbours.
    assert (k / n) ** (2 / d) / 1.3 < found["distance_k"] < 2.5 * (k / n) ** (2 / d)
    assert found["dimension_y"] == pytest.approx(d, rel=0.35)


@pytest.mark.parametrize(("groups", "each", "share"), [(200, 2, 0.3), (40, 10, 0.3), (200, 4, 0.02), (60, 5, 0.9)])
def test_repeated_conditions_give_r_without_bias(groups: int, each: int, share: float) -> None:
    found: list[dict[str, Any]] = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = np.repeat(np.arange(float(groups)), each)[:, None]
        mean = np.repeat(rng.standard_normal(groups), each)
        noise = rng.standard_normal(groups * each)
        found.append(estimate(y, (math.sqrt(1 - share) * mean + math.sqrt(share) * noise)[:, None]))
    assert {f["method"] for f in found} == {"repeats"}
    ratios = [f["r"] for f in found]
    assert abs(np.mean(ratios) - share) < 3.5 * np.std(ratios, ddof=1) / math.sqrt(20)
    assert sum(f["low"] <= share <= f["high"] for f in found) >= 16


def test_a_point_inside_repeats_has_an_upper_end_of_three_over_the_repeats() -> None:
    y = np.repeat(np.arange(30.0), 4)[:, None]
    found = estimate(y, np.sin(y), repeats=True)
    assert found["r"] == 0
    assert found["high"] == pytest.approx(3 / 90, rel=1e-3)


def test_units_of_the_columns_do_not_matter_and_each_has_its_own_r() -> None:
    rng = np.random.default_rng(3)
    y = rng.standard_normal((600, 2))
    x = np.column_stack([y[:, 0], rng.standard_normal(600), y[:, 1] + rng.standard_normal(600)])
    one, other = estimate(y, x), estimate(y * [1e-6, 1e6], x * [1e3, 1e-3, 1] + 7)
    assert other["r"] == pytest.approx(one["r"], rel=1e-6)
    assert one["columns"]["x1"] < 0.01
    assert one["columns"]["x2"] == pytest.approx(1, abs=0.1)
    assert one["columns"]["x3"] == pytest.approx(0.5, abs=0.08)
    assert one["r"] == pytest.approx((0 + 1 + 0.5) / 3, abs=0.06)


def test_categories_are_conditions() -> None:
    rng = np.random.default_rng(4)
    kind, y = rng.integers(0, 4, 900), rng.standard_normal((900, 1))
    x = ((kind - 1.5) * y[:, 0] + 0.5 * rng.standard_normal(900))[:, None]
    share = 0.25 / float(x.var())
    told = estimate(y, x, categories=[str(k) for k in kind])
    assert told["low"] <= share <= told["high"]
    assert estimate(y, x)["low"] > 2 * share


def test_r_of_labels_is_the_ratio_of_gini_impurities() -> None:
    rng = np.random.default_rng(5)
    group = rng.integers(0, 3, 6000)
    p = np.array([0.95, 0.5, 0.1])[group]
    label = (rng.random(6000) < p).astype(int)
    found = estimate(np.zeros((6000, 0)), np.eye(2)[label], categories=[str(g) for g in group], discrete=True)
    base = float(p.mean())
    assert found["r"] == pytest.approx(float((p * (1 - p)).mean()) / (base * (1 - base)), abs=0.03)
    assert found["discrete"]


UNIMODAL = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "uniform": lambda rng, n: rng.uniform(-1, 1, n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: np.exp(1.5 * rng.standard_normal(n)),
    "student": lambda rng, n: rng.standard_t(2, n),
    "triangle": lambda rng, n: rng.triangular(-1, 0, 1, n),
}


@pytest.mark.parametrize("law", UNIMODAL)
def test_a_law_with_one_mode_is_not_split(law: str) -> None:
    for seed in range(8):
        for n, d in ((60, 1), (400, 3)):
            rng = np.random.default_rng(seed)
            y = rng.standard_normal((n, d))
            x = np.sin(y[:, 0]) + UNIMODAL[law](rng, n)
            assert not estimate(y, x[:, None])["several_modes"]


@pytest.mark.parametrize(("share", "width"), [(0.5, 0.2), (0.7, 0.1), (0.8, 0.1)])
def test_two_modes_are_found_also_when_one_is_rarer(share: float, width: float) -> None:
    hits = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        y = rng.standard_normal((300, 1))
        x = np.sin(y[:, 0]) + np.where(rng.random(300) < share, 1.0, -1.0) + width * rng.standard_normal(300)
        hits += estimate(y, x[:, None])["several_modes"]
    assert hits >= 7


def test_rounded_values_are_no_modes() -> None:
    rng = np.random.default_rng(6)
    y = rng.standard_normal((400, 1))
    x = np.round(y[:, 0] + rng.standard_normal(400), 1)
    assert not estimate(y, x[:, None])["several_modes"]


def test_copies_are_left_out_and_counted() -> None:
    y, x = _linear(np.random.default_rng(7), 200, 1, 0.3)
    once, twice = estimate(y, x), estimate(np.tile(y, (2, 1)), np.tile(x, (2, 1)))
    assert twice["repeated_rows"] == 200
    assert twice["r"] == once["r"]


def test_the_dimension_of_x_is_that_of_its_manifold() -> None:
    rng = np.random.default_rng(8)
    z = rng.standard_normal((600, 4))
    x = z @ rng.standard_normal((4, 60)) + 1e-3 * rng.standard_normal((600, 60))
    found = estimate(z[:, :1], x)
    assert found["components"] <= 4
    assert found["dimension_x"] == pytest.approx(4, rel=0.25)


def test_held_out_copies_and_near_copies_are_seen() -> None:
    rng = np.random.default_rng(9)
    train, test = rng.standard_normal((500, 4)), rng.standard_normal((300, 4))
    assert against(train, test)["near"] < 0.05
    test[:30], test[30:60] = train[:30], train[30:60] + 1e-3
    found = against(train, test)
    assert found["identical"] == 30
    assert found["near"] == pytest.approx(0.2, abs=0.04)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 40), st.integers(1, 4), st.integers(1, 3), st.integers(0, 10_000), st.booleans())
def test_any_small_table_gives_finite_shares(n: int, d: int, width: int, seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    y, x = rng.standard_normal((n, d)), rng.standard_normal((n, width))
    if whole:
        y, x = np.round(y), np.round(2 * x)
    if np.ptp(y, axis=0).max() == 0 or np.ptp(x, axis=0).max() == 0:
        return
    try:
        found = estimate(y, x)
    except ValueError:
        return
    assert 0 <= found["low"] <= found["high"] <= 1
    json.dumps(found, allow_nan=False)
    spread_of(found)


def test_too_few_pairs_or_a_constant_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        estimate(np.zeros((3, 1)), np.arange(3.0)[:, None])
    with pytest.raises(ValueError, match="the target does not vary"):
        estimate(np.arange(20.0)[:, None], np.ones((20, 1)))
    with pytest.raises(ValueError, match="the condition does not vary"):
        estimate(np.ones((20, 1)), np.arange(20.0)[:, None])


# The probe as the user runs it.


def _run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    script = folder / "posterior_spread_probe.py"
    source = files("kaiming_mcp.probes").joinpath("posterior_spread_probe.py").read_text(encoding="utf-8")
    script.write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", script.name, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _csv(folder: Path, name: str, **columns: Any) -> None:
    rows = zip(*(map(str, c) for c in columns.values()), strict=True)
    text = "\n".join([",".join(columns), *(",".join(row) for row in rows)])
    (folder / name).write_text(text, encoding="utf-8")


def _decided(document: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), "Yield of a reaction from its settings", data=document, **rest)


def test_the_probe_on_a_csv_file_and_its_document_through_the_tool(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    temp, kind = rng.standard_normal(500), rng.choice(["pd", "ni"], 500)
    out = np.where(kind == "pd", 1, -1) * temp + 0.5 * rng.standard_normal(500)
    _csv(tmp_path, "pairs.csv", run=range(500), catalyst=kind, temp=temp, out=out)
    done = _run(tmp_path, "pairs.csv", "--condition", "catalyst,temp", "--target", "out")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    share = 0.25 / float(out.var())
    assert document["probe"] == "posterior_spread"
    assert document["low"] <= share <= document["high"]
    scaffold = _decided(done.stdout)
    assert scaffold.verdict.startswith("Regress the mean, then generate the residual: R = 0.188 (95 %: 0.152 to 0.22)")
    measured = next(f for f in scaffold.established if f.basis == "measured")
    assert measured.value == document["r"]


def test_the_probe_on_arrays_finds_copies_in_the_held_out_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = rng.standard_normal((400, 2))
    x = np.stack([y[:, 0], rng.standard_normal(400), y[:, 1]], axis=1).reshape(400, 3, 1)
    np.savez(tmp_path / "train.npz", y=y, x=x)
    np.savez(
        tmp_path / "test.npz",
        y=np.concatenate([y[:50], rng.standard_normal((50, 2))]),
        x=np.concatenate([x[:50], rng.standard_normal((50, 3, 1))]),
    )
    done = _run(tmp_path, "train.npz", "--held-out", "test.npz")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["held_out"]["identical"] == 50
    scaffold = _decided(done.stdout)
    assert scaffold.findings[0].title == "The held-out set holds copies of the training set"
    assert any("fixed by y and others are open" in f.title for f in scaffold.findings)


def test_the_probe_on_labels_is_a_softmax(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    t = rng.standard_normal(600)
    _csv(tmp_path, "p.csv", t=t, phase=np.where(rng.random(600) < 1 / (1 + np.exp(-3 * t)), "a", "b"))
    done = _run(tmp_path, "p.csv")
    assert json.loads(done.stdout)["discrete"]
    assert _decided(done.stdout).verdict.startswith("Classify")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("missing.csv",), "missing.csv"),
        (("p.csv", "--target", "weight"), "no column weight; it has y, x"),
        (("p.csv", "--k", "1"), "--k must be 2 or more"),
        (("few.csv",), "at least 8"),
    ],
)
def test_a_wrong_call_ends_with_one_line_that_says_what_to_do(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    _csv(tmp_path, "p.csv", y=range(20), x=range(20))
    _csv(tmp_path, "few.csv", y=range(4), x=range(4))
    done = _run(tmp_path, *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout


def test_pasted_pairs_and_the_probe_give_the_same_document(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    y, x = _linear(rng, 300, 1, 0.4)
    _csv(tmp_path, "p.csv", y=y[:, 0], x=x[:, 0])
    ran = json.loads(_run(tmp_path, "p.csv").stdout)
    pasted = reframe_text(library(), "anything", data=(tmp_path / "p.csv").read_text(encoding="utf-8"))
    sent = read_spread(json.loads(pasted.request)["args"]["data"])
    assert sent is not None
    assert (sent[0].ratio, sent[0].low, sent[0].high) == (ran["r"], ran["low"], ran["high"])


def test_a_broken_document_is_an_error_that_names_the_field_and_shows_one() -> None:
    for document, named in (
        ('{"probe": "posterior_spread"}', "`r` must lie between 0 and 1, got missing"),
        ('{"probe": "posterior_spread", "r": 2, "error": 0, "low": 0, "high": 1}', "got 2"),
        ('{"probe": "posterior_spread", "r": 0.5, "error": 0, "low": 0.9, "high": 0.1}', "`low` (0.9)"),
        ('{"probe": "posterior_spread", "r": NaN, "error": 0, "low": 0, "high": 1}', "got nan"),
        ('{"probe": "posterior_spread", "r": 0.5', "not valid JSON"),
    ):
        with pytest.raises(ToolError) as caught:
            reframe_text(library(), "x", data=document)
        assert "`data`" in str(caught.value)
        assert named in str(caught.value)
        assert "Example" in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["r", "error", "low", "high", "pairs", "k", "r_k", "r_2k", "dimension_y", "columns", "held_out", "gap"]
        ),
        st.one_of(
            st.none(),
            st.booleans(),
            st.floats(),
            st.integers(),
            st.text(max_size=5),
            st.lists(st.integers(), max_size=2),
        ),
    )
)
def test_any_document_is_read_or_refused(fields: dict[str, Any]) -> None:
    buffer = io.StringIO()
    json.dump({"probe": "posterior_spread", **fields}, buffer)
    try:
        found = read_spread(buffer.getvalue())
    except SpreadError:
        return
    assert found is not None
    assert 0 <= found[0].low <= found[0].high <= 1
