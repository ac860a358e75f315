import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements


def kinds(found: Measurements) -> list[str]:
    return [event.kind for event in found.events]


def test_the_first_nan_of_each_quantity_is_an_event_with_its_time() -> None:
    found = read_measurements("step 10 loss 2.3\nstep 20 loss nan\nstep 30 loss nan")
    (event,) = found.events
    assert (event.kind, event.line, event.name) == ("nan", 2, "loss")
    assert event.at is not None
    assert event.at.x == 20
    series = found.of("loss")
    assert series is not None
    assert series.first_nonfinite is not None
    assert series.first_nonfinite.at == 20


def test_skipped_steps_and_loss_scales_are_events() -> None:
    found = read_measurements(
        "OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768\n"
        "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 16384.0\n"
        "gradient overflow detected, ignoring gradient, setting loss scale to: 8192.0"
    )
    assert kinds(found) == ["overflow"] * 3
    assert [event.value.x for event in found.events if event.value] == [32768, 16384, 8192]


def test_anomaly_mode_names_the_function_and_the_line_of_code() -> None:
    found = read_measurements(
        "Warning: Error detected in LogBackward0. Traceback of forward call that caused the error:\n"
        '  File "train.py", line 31, in <module>\n    loss = -(y * torch.log(p)).sum()\n'
        "Traceback (most recent call last):\n"
        '  File "train.py", line 33, in <module>\n    loss.backward()\n'
        "RuntimeError: Function 'LogBackward0' returned nan values in its 0th output."
    )
    assert kinds(found) == ["anomaly", "anomaly"]
    assert {event.name for event in found.events} == {"LogBackward0"}
    assert found.not_understood_count == 0


def test_warnings_and_assertions_are_events() -> None:
    found = read_measurements(
        "RuntimeWarning: overflow encountered in exp\nAssertionError: loss is nan\nUserWarning: something else"
    )
    assert [(e.kind, e.name) for e in found.events] == [
        ("warning", "overflow in exp"),
        ("assertion", "AssertionError"),
        ("warning", "UserWarning"),
    ]


def test_nan_that_is_denied_is_no_event() -> None:
    assert kinds(read_measurements("float32 has no NaN. number of nan iterations:   0")) == []


def test_a_step_that_hysteresis_keeps_has_the_scale_that_stays() -> None:
    found = read_measurements(
        "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768\n"
        "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 32768, but hysteresis is 2. "
        "Reducing hysteresis to 1\n"
        "Loss scale updated from 32768.0 to 16384.0"
    )
    assert [event.value.x for event in found.events if event.value] == [32768, 32768, 16384]


def test_counts_of_skipped_steps_are_events_where_they_are_not_zero() -> None:
    line = "iteration {}/ 500 | lm loss: 2.3E+00 | loss scale: 65536.0 | number of skipped iterations: {} |"
    line += " number of nan iterations: {} |"
    found = read_measurements("\n".join((line.format(1, 0, 0), line.format(2, 3, 0), line.format(3, 0, 2))))
    assert [(e.kind, e.line, e.at.x if e.at else None) for e in found.events] == [("skipped", 2, 2), ("nan", 3, 3)]
    series = found.of("loss scale")
    assert series is not None
    assert len(series.points) == 3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tensor(nan, grad_fn=<NllLossBackward0>)", "loss"),
        ("loss: tensor(nan, device='cuda:0', grad_fn=<MseLossBackward0>)", "loss"),
        ("x = tensor(nan, grad_fn=<SqrtBackward0>)", "SqrtBackward0"),
        ("total = tensor(nan, grad_fn=<DivBackward0>)", ""),
        ("WARNING:root:NaN detected in layer encoder.3 output", "encoder.3"),
        ("nan in the gradient of conv2.weight", "conv2.weight gradient"),
    ],
)
def test_a_nan_is_named_by_its_place_and_not_by_what_passes_it_on(text: str, name: str) -> None:
    assert [(e.kind, e.name) for e in read_measurements(text).events] == [("nan", name)]


def test_the_best_value_so_far_is_neither_infinite_nor_a_loss_of_now() -> None:
    found = read_measurements(
        "Epoch 1: val_loss improved from inf to 2.30100, saving model\nEpoch 2: val_loss did not improve from 2.30100"
    )
    assert found.events == ()
    assert [(p.at, p.value.x) for s in found.series for p in s.points] == [(1, 2.301)]


@pytest.mark.parametrize("mark", ["<- step skipped", "(skipped)", "# skipped", "step was skipped"])
def test_a_row_of_a_log_that_tells_of_a_skipped_step_keeps_its_numbers(mark: str) -> None:
    found = read_measurements(
        f"step 0 scale 6.5536e+04 grad_norm inf loss 2.1 {mark}\nstep 1 scale 3.2768e+04 grad_norm 0.4 loss 2.1"
    )
    assert [e.kind for e in found.events] == ["overflow", "inf"]
    assert [e.value.x for e in found.events if e.value] == [65536]
    scales, norms = found.of("loss scale"), found.of("gradient norm")
    assert scales is not None
    assert norms is not None
    assert [p.value.x for p in scales.points] == [65536, 32768]
    assert [p.at for p in norms.points] == [0, 1]


def test_what_comes_then_comes_later() -> None:
    found = read_measurements("The loss is 1.9 at step 0, then nan")
    (event,) = found.events
    assert event.at is not None
    assert event.at.x == 1
