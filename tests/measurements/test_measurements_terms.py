"""Several losses of one step: the whole and its terms."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements


def terms(found: Measurements) -> dict[str, list[float]]:
    return {s.label: [p.value.x for p in s.points] for s in found.series if s.quantity.kind == "loss term"}


def whole(found: Measurements) -> list[float]:
    series = found.of("loss", "train")
    return [p.value.x for p in series.points] if series else []


@pytest.mark.parametrize(
    "text",
    [
        "step 0 loss_pde 12.0 loss_bc 3.0 loss 15.0\nstep 10 loss_pde 11.0 loss_bc 2.0 loss 13.0",
        "step 0: loss 15.0, pde loss 12.0, bc loss 3.0\nstep 10: loss 13.0, pde loss 11.0, bc loss 2.0",
        "step,loss_pde,loss_bc,total_loss\n0,12.0,3.0,15.0\n10,11.0,2.0,13.0",
        '{"step": 0, "loss/pde": 12.0, "loss/bc": 3.0, "loss": 15.0}\n'
        '{"step": 10, "loss/pde": 11.0, "loss/bc": 2.0, "loss": 13.0}',
        "loss_pde 12.0 loss_bc 3.0 loss 15.0\nloss_pde 11.0 loss_bc 2.0 loss 13.0",
        "step 0 train_loss_pde 12.0 train_loss_bc 3.0 train_loss 15.0\n"
        "step 10 train_loss_pde 11.0 train_loss_bc 2.0 train_loss 13.0",
    ],
)
def test_the_total_is_the_loss_and_its_terms_are_series_of_their_own(text: str) -> None:
    found = read_measurements(text)
    assert whole(found) == [15.0, 13.0]
    assert terms(found) == {"pde": [12.0, 11.0], "bc": [3.0, 2.0]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(0.01, 99).map(lambda x: round(x, 3))] * 3), min_size=2, max_size=6))
def test_without_a_total_the_sum_of_the_terms_is_the_loss_by_assumption(rows: list[tuple[float, ...]]) -> None:
    lines = [json.dumps({"step": i, "recon_loss": a, "kl_loss": b, "aux_loss": c}) for i, (a, b, c) in enumerate(rows)]
    found = read_measurements("\n".join(lines))
    assert whole(found) == pytest.approx([sum(row) for row in rows])
    series = found.of("loss")
    assert series is not None
    assert (series.quantity.basis, series.label) == ("assumed", "sum of recon, kl, aux")
    assert terms(found)["kl"] == [b for _, b, _ in rows]


@pytest.mark.parametrize(
    "text",
    [
        "D loss: 0.693, G loss: 0.712\nD loss: 0.012, G loss: 8.712",
        "[0/5][50/1583]\tLoss_D: 0.693\tLoss_G: 0.712\n[0/5][100/1583]\tLoss_D: 0.012\tLoss_G: 8.712",
        "step: 1 | policy_loss: 0.693 | value_loss: 0.712\nstep: 2 | policy_loss: 0.012 | value_loss: 8.712",
    ],
)
def test_losses_that_pull_against_each_other_have_no_sum(text: str) -> None:
    found = read_measurements(text)
    assert found.of("loss") is None
    assert list(terms(found).values()) == [[0.693, 0.012], [0.712, 8.712]]


def test_runs_that_are_compared_stay_apart_and_are_not_added() -> None:
    found = read_measurements('"Step","relu - train/loss","tanh - train/loss"\n"0","2.3","2.4"\n"10","1.3","2.2"')
    series = [(s.label, [p.value.x for p in s.points]) for s in found.series]
    assert series == [("relu - train/loss", [2.3, 1.3]), ("tanh - train/loss", [2.4, 2.2])]
    assert whole(read_measurements("step,loss_adam,loss_sgd\n0,2.3,2.4\n10,1.3,2.2")) == [2.3, 1.3]


def test_the_mean_over_steps_beside_the_loss_of_a_step_is_left_out() -> None:
    text = "step 1 loss 2.5 avg_loss 2.6\nstep 2 loss 2.1 avg_loss 2.4"
    assert whole(read_measurements(text)) == [2.5, 2.1]
    text = "Epoch 1: 5/5 [00:01<00:00, 9it/s, train_loss_step=2.5, train_loss_epoch=2.6]\n"
    text += "Epoch 2: 5/5 [00:01<00:00, 9it/s, train_loss_step=2.1, train_loss_epoch=2.4]"
    assert whole(read_measurements(text)) == [2.5, 2.1]
    assert terms(read_measurements(text)) == {}


def test_a_summary_of_one_number_does_not_hide_the_course() -> None:
    text = "".join(f"{{'loss': {3 - e}, 'grad_norm': 1.0, 'epoch': {e}.0}}\n" for e in range(3))
    text += "{'train_runtime': 12.0, 'train_loss': 2.0, 'epoch': 3.0}"
    assert whole(read_measurements(text)) == [3, 2, 1]
    text = "step 0: train loss 4.2, val loss 4.3\niter 0: loss 4.2\niter 10: loss 3.1\niter 20: loss 2.8"
    assert whole(read_measurements(text)) == [4.2, 3.1, 2.8]


def test_a_term_that_is_nan_makes_the_sum_nan() -> None:
    found = read_measurements("step 1 loss_a 1.0 loss_b 2.0\nstep 2 loss_a 1.0 loss_b nan")
    assert whole(found)[0] == 3.0
    assert math.isnan(whole(found)[1])
    assert {(e.kind, e.name) for e in found.events} == {("nan", "loss term"), ("nan", "loss")}


def test_the_loss_at_the_begin_is_no_term() -> None:
    found = read_measurements("initial loss 3.1e9, total loss 2.9e9, pde loss 2.9e9")
    assert {f.label for f in found.facts if f.quantity.kind == "loss"} == {"initial loss", "total loss"}
    assert [f.value.x for f in found.facts if f.quantity.kind == "loss term"] == [2.9e9]
