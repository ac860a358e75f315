import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Training
from kaiming_mcp.signal.initialization_words import parse_initialization


def read(text: str) -> Training:
    return read_measurements("", text).training


def test_settings_in_prose() -> None:
    found = read(
        "fp16 on a V100 with GradScaler, AdamW, lr 6e-4, 2000 steps of warmup, batch size 12, 10 classes, seed 1"
    )
    assert (found.precision, found.scaler, found.device, found.optimizer) == ("fp16", True, "V100", "AdamW")
    assert found.learning_rate is not None
    assert found.learning_rate.x == 6e-4
    assert found.warmup is not None
    assert found.warmup.x == 2000
    assert (found.batch, found.classes, found.seed) == (12, 10, 1)


def test_settings_in_code_and_flags() -> None:
    found = read(
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)\n"
        "criterion = nn.CrossEntropyLoss()\n"
        "torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)\n"
        "python train.py --batch-size 128 --epochs 90"
    )
    assert (found.optimizer, found.loss, found.clip_kind, found.batch, found.epochs) == (
        "SGD",
        "cross entropy",
        "norm",
        128,
        90,
    )
    assert found.clip is not None
    assert found.clip.x == 1.0
    assert found.weight_decay is not None
    assert found.weight_decay.x == 5e-4


def test_what_is_denied_is_not_set() -> None:
    found = read("dtype float16 (V100 has no bf16)")
    assert found.precision == "fp16"
    assert read("fp16=False, bf16=True").precision == "bf16"
    assert read("plain fp32, no GradScaler").scaler is False


@pytest.mark.parametrize(
    ("text", "classes", "basis"),
    [
        ("CIFAR-100", 100, "assumed"),
        ("trained on MNIST", 10, "assumed"),
        ("ImageNet", 1000, "assumed"),
        ("vocab_size=50257", 50257, "read"),
        ("num_classes: 7", 7, "read"),
        ("CIFAR-10 restricted to 5 classes", 5, "read"),
    ],
)
def test_classes_are_given_or_follow_from_the_data_set(text: str, classes: int, basis: str) -> None:
    found = read(text)
    setting = found.setting("classes")
    assert found.classes == classes
    assert setting is not None
    assert setting.basis == basis


def test_second_derivatives_and_clipping_by_value() -> None:
    assert read("WGAN-GP with gradient penalty").second_derivatives
    assert read("clip_grad_value_(model.parameters(), 0.5)").clip_kind == "value"
    assert read("clipnorm=1.0").clip_kind == "norm"
    assert not read("plain classifier").second_derivatives


def test_a_text_without_settings_gives_none() -> None:
    assert read("the weather is nice") == Training()


@pytest.mark.parametrize(
    "text",
    [
        "fp16, no loss scaling",
        "float16 without loss scaling",
        "fp16, loss scaling: off",
        "fp16 with the grad scaler disabled",
        "torch.amp.GradScaler(enabled=False)",
        "amp, no GradScaler",
    ],
)
def test_a_scaler_that_is_denied_is_off(text: str) -> None:
    assert read(text).scaler is False
    assert read("fp16, dynamic loss scaling").scaler is True
    assert read("fp16").scaler is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("xavier init, Adam lr 1e-3", "xavier"),
        ("Adam, std 0.02, 12 layers", "std 0.02"),
        ("weights ~ N(0, 0.02^2)", "std 0.02"),
        ("nn.init.normal_(m.weight, 0.0, 0.02)", "std 0.02"),
        ("nn.init.trunc_normal_(w, std=.02)", "truncated normal std 0.02"),
        ("nn.init.xavier_uniform_(w, gain=5/3)", "xavier gain 5/3"),
        ("kaiming_normal_(w, nonlinearity='relu')", "he"),
        ("He init", "he"),
        ("glorot_uniform, SGD", "xavier"),
        ("orthogonal init with gain 1.4", "orthogonal gain 1.4"),
        ("GPT-2 init", "gpt2"),
        ("SGD, input std 1.0, noise std 0.1", None),
        ("He told me to use SGD", None),
    ],
)
def test_the_initialization_is_read_in_the_words_of_its_argument(text: str, expected: str | None) -> None:
    found = read(text).initialization
    assert found == expected
    if found:
        parse_initialization(found)


def test_a_measured_std_is_no_initialization() -> None:
    assert read_measurements("fc1 activation std 0.02\nfc2 std 0.01").training.initialization is None
    assert read_measurements("nn.init.normal_(w, std=0.02)").training.initialization == "std 0.02"


def test_clocks_and_the_footers_of_pandas_are_no_settings() -> None:
    assert read_measurements("938/938 [==] - ETA: 0s - loss: 2.3\neta: 0:10:11 loss 2.2").training.learning_rate is None
    text = "fc1    1.2e-07\nfc2    3.4e-05\nName: grad_norm, dtype: float64"
    assert read_measurements(text).training.precision is None
