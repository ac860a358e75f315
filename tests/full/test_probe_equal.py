"""The probes of the three frameworks agree number by number on models with the same weights and the same loss."""

from __future__ import annotations

from typing import Any

import pytest
from probe_loaded import jnp, keras, nn, probe, same_convolutions, same_weights, torch

from kaiming_mcp.measurements.reader import read_measurements

pytestmark = pytest.mark.full
MEASURED = {"Linear", "Dense", "Conv", "Conv2d", "Conv2D", "Tanh", "ReLU"}


def _documents(torch_model: Any, nnx_model: Any, keras_model: Any, batch: Any) -> list[dict[str, Any]]:
    channels_first = batch.transpose(0, 3, 1, 2) if batch.ndim == 4 else batch
    return [
        probe("signal").measure(torch_model, torch.tensor(channels_first), lambda y, _: y.pow(2).mean()),
        probe("signal-flax").measure(nnx_model, jnp.array(batch), lambda y, _: (y**2).mean()),
        probe("signal-keras").measure(keras_model, batch, lambda y, _: keras.ops.mean(y**2)),
    ]


@pytest.mark.parametrize("models", [same_weights, same_convolutions])
def test_the_three_forms_are_equal_number_by_number_on_the_same_weights_and_loss(models: Any) -> None:
    documents = _documents(*models())
    for name in ("loss", "gradient_norm", "parameters", "samples", "version", "zero_gradient"):
        assert documents[1][name] == pytest.approx(documents[0][name], rel=1e-4), name
        assert documents[2][name] == pytest.approx(documents[0][name], rel=1e-4), name
    kept = [[row for row in d["layers"] if row["type"] in MEASURED] for d in documents]
    for rows in zip(*kept, strict=True):
        first, *others = rows
        for other in others:
            assert first.keys() == other.keys()
            # The order of the axes is the framework's own.
            assert sorted(other["shape"]) == sorted(first["shape"])
            for key in first.keys() - {"name", "type", "shape"}:
                assert other[key] == pytest.approx(first[key], rel=1e-3, abs=1e-6), (key, first["name"])


def test_a_convolution_has_the_fan_in_of_one_output_in_every_form() -> None:
    for document in _documents(*same_convolutions()):
        fans = [row["fan_in"] for row in document["layers"] if "fan_in" in row]
        assert fans == [3 * 9, 2 * 9, 6]


class _Block(nn.Module):
    def __init__(self, weights: bool) -> None:
        super().__init__()
        self.attn, self.head, self.weights = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 3), weights

    def forward(self, x: Any) -> Any:
        out, weights = self.attn(x, x, x, need_weights=self.weights)
        return self.head(x + out), weights


def test_attention_that_gives_no_weights_is_measured_like_attention_that_does() -> None:
    documents = []
    for weights in (False, True):
        torch.manual_seed(0)
        model = _Block(weights)
        batch = torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(1))
        documents.append(probe("signal").measure(model, batch, lambda out, _: out[0].pow(2).mean()))
    for document in documents:
        assert [(row["name"], row["type"]) for row in document["layers"]] == [
            ("attn", "MultiheadAttention"),
            ("head", "Linear"),
        ]
        assert document["first_nonfinite"] is None
    for one, other in zip(*(d["layers"] for d in documents), strict=True):
        for key in ("second_moment", "cosine", "gradient", "weight_norm", "weight_grad_norm"):
            assert one[key] == pytest.approx(other[key], rel=1e-4), key
    found = read_measurements(probe("signal").printed(documents[0]))
    assert [row.weighted for row in found.per_layer[0].rows] == [True, True]


def test_an_output_of_nothing_but_none_is_refused_with_the_reason() -> None:
    class Nothing(nn.Module):
        def forward(self, _: Any) -> Any:
            return None, {"weights": None}

    with pytest.raises(ValueError, match="no tensor of floats"):
        probe("signal").measure(Nothing(), torch.randn(2, 3))
