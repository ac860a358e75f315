"""Runs whose inputs or targets have a scale of their own, and where a nan comes from."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from blind_run import Row, case, cosine, expect, fit, images, outputs, stack
from fresh_loss import lines
from fresh_signal import Run, rms, run
from torch import Tensor, nn
from torch.nn import functional


@case("input_scale")
def raw_pixels() -> Run:
    torch.manual_seed(47)
    x, y = images(800, 3, 10, 8)
    x = (x.flatten(1) * 60 + 128).clamp(0, 255).round()
    net = stack([300, 64, 8], nn.Tanh)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.SGD(net.parameters(), 0.05), 60)
    h = outputs(net, x, (nn.Tanh,))["1"]
    expect((h.abs() > 0.98).float().mean() > 0.7)
    return run(
        "tanh net on thumbnails, gets stuck, should I go to resnet?",
        f"x.dtype float32, x.min()={x.min():.0f} x.max()={x.max():.0f} x.mean()={x.mean():.1f}\n"
        f"first layer pre-activation std {outputs(net, x, (nn.Linear,))['0'].std().item():.1f}, "
        f"{100 * (h.abs() > 0.98).float().mean().item():.0f}% of its tanh are at +-1\n"
        + lines(rows, 12, "{step} {loss:.3f}"),
        "8 classes, ToTensor() forgotten: ndarray → torch.from_numpy(...).float()",
    )


@case("input_scale")
def income_in_yen() -> Run:
    torch.manual_seed(48)
    age, yen = 40 + 12 * torch.randn(600, 1), 5e6 * torch.rand(600, 1) + 1e6
    x, y = torch.cat([age, yen, torch.rand(600, 1)], 1), (age[:, 0] > 40).long()
    net = stack([3, 32, 32, 2], nn.ReLU)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 80)
    expect(rows[0].loss > 1e3 and rms(outputs(net, x, (nn.Linear,))["0"]) > 1e4)
    return run(
        "loss starts absurdly high, my friend says exploding gradients → clip",
        "df.describe() of what goes into the model\n            age        income_jpy    rand\n"
        + "\n".join(
            f"{n:<6}{a:>10.2f} {b:>15.1f} {c:>9.3f}"
            for n, a, b, c in (
                ("mean", *x.mean(0).tolist()),
                ("std", *x.std(0).tolist()),
                ("min", *x.min(0).values.tolist()),
                ("max", *x.max(0).values.tolist()),
            )
        )
        + "\n\n"
        + lines(rows, 10, "step {step}: loss {loss:.1f}  gnorm {norm:.3g}"),
        "MLP 3-32-32-2, Adam 1e-3, cross entropy, 2 classes",
    )


@case("input_scale")
def unix_seconds() -> Run:
    torch.manual_seed(49)
    t = 1.69e9 + 3.15e7 * torch.rand(64, 20, 1)
    lstm = nn.LSTM(1, 32)
    out, _ = lstm(t.transpose(0, 1))
    pre = (t.reshape(-1, 1) @ lstm.weight_ih_l0.T).abs().median().item()
    expect(pre > 1e7 and out.std(1).mean() < 1e-3)
    return run(
        "LSTM output identical for every customer. Dead? Vanishing through time (only 20 steps)?",
        f"batch['ts'][0,:3] = {[float(v) for v in t[0, :3, 0]]}\nmedian |W_ih x| before the gates = {pre:.2e}\n"
        f"std of the output over customers = {out.std(1).mean().item():.1e}",
        "one feature: unix timestamp in seconds, fed as float32",
    )


def regression(
    seed: int, scale: float, shift: float, lr: float, steps: int, loss: Callable[..., Tensor] = functional.mse_loss
) -> tuple[list[Row], Tensor, Tensor]:
    """A regression whose targets have another scale than the net puts out."""
    torch.manual_seed(seed)
    x, y = cosine(1000, 8)
    y, net = shift + scale * y, stack([8, 64, 64, 1], nn.ReLU)
    rows = fit(net, lambda _: loss(net(x), y), torch.optim.Adam(net.parameters(), lr), steps)
    return rows, y, net(x).detach()


@case("target_scale")
def house_prices() -> Run:
    rows, y, out = regression(51, 9e4, 2.4e5, 1e-3, 200)
    expect(out.abs().max() < 0.2 * y.mean())
    return run(
        "exploding loss?! 5e10 from the very first epoch",
        lines(rows, 25, "Epoch {step}/200 train_mse={loss:.4e}")
        + f"\npred[:5] = {[round(v, 2) for v in out[:5, 0].tolist()]}\ny[:5]    = "
        f"{[round(v) for v in y[:5, 0].tolist()]}",
        "inputs standardized, Adam 1e-3, MSE on the sale price in euros",
    )


@case("target_scale")
def micrometres_in_metres() -> Run:
    rows, y, out = regression(52, 2.5e-6, 0.0, 1e-3, 150)
    expect(rows[-1].loss > 0.5 * y.var().item() and y.abs().max() < 1e-4)
    return run(
        "training 'converges' after a few steps but R2 is around zero or negative. gradient is nearly 0 -> vanishing",
        f"y: mean {y.mean():.1e} std {y.std():.2e} (displacement, metres)\n"
        + lines(rows, 15, "{step:>4}  mse {loss:.2e}  |grad| {norm:.1e}")
        + f"\nfinal R2 = {1 - rows[-1].loss / y.var().item():.2f}, std of predictions {out.std().item():.1e}",
        "Adam 1e-3, fp32, 3 layers, inputs z-scored",
    )


@case("target_scale")
def pressure_pascal() -> Run:
    rows, y, out = regression(53, 500.0, 101325.0, 3e-3, 300, functional.l1_loss)
    expect(rows[-1].loss > 50 * 500 and out.mean() < 0.9 * y.mean())
    return run(
        "network predicts pressure way too low, MAE decreases veeeery slowly, gradient norm constant. "
        "Plateau/saddle point?",
        lines(rows, 30, "t={step} MAE={loss:.0f} Pa  grad={norm:.2f}")
        + f"\ntarget mean {y.mean():.0f} Pa, std {y.std():.0f} Pa; prediction mean {out.mean():.0f} Pa",
        "L1 loss, Adam 3e-3, raw pascal, inputs scaled to unit variance",
    )


def anomaly(make: Callable[[], Tensor]) -> str:
    """The message of torch's anomaly detection."""
    with torch.autograd.set_detect_anomaly(True, check_nan=True):
        try:
            make().backward()
        except RuntimeError as error:
            return str(error)
    return ""


@case("nan_origin")
def acos_of_one() -> Run:
    torch.manual_seed(54)
    r, valid = nn.Parameter(torch.eye(3).repeat(4, 1, 1)), torch.tensor([1.0, 1.0, 0.0, 1.0])

    def geodesic() -> Tensor:
        return (valid * torch.acos((r.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2)).sum()

    said, loss = anomaly(geodesic), geodesic()
    loss.backward()
    expect(loss.item() == 0 and r.grad[2].isnan().any().item() and "Acos" in said, said)
    return run(
        "rotation loss is 0.0 (perfect!) and then everything nan in the next step. clip_grad_norm_(1.0) doesn't help",
        f"loss = {loss.item()}\nR.grad[0] = {r.grad[0].tolist()}\nR.grad[2] = {r.grad[2].tolist()}\nRuntimeError: "
        f"{said}",
        "geodesic distance: valid * torch.acos((trace(R^T R_gt) - 1) / 2), summed, fp32",
    )


@case("nan_origin")
def empty_sentence() -> Run:
    torch.manual_seed(55)
    scores = torch.randn(4, 6, requires_grad=True)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6, [1] * 6]).bool()
    p = scores.masked_fill(~mask, float("-inf")).softmax(-1)
    expect(p[2].isnan().all().item() and not p[[0, 1, 3]].isnan().any().item())
    return run(
        "nan only on SOME batches, with shuffle=False always batch 37. lr 10x smaller: still batch 37",
        "batch 35 loss 4.1127\nbatch 36 loss 4.0981\nbatch 37 loss nan\n\n# in the debugger\n>>> "
        "attn_probs.isnan().any(-1)\n"
        f"{p.isnan().any(-1)}\n>>> lengths\ntensor({mask.sum(1).tolist()})\n>>> "
        f"scores.isfinite().all()\ntensor({scores.isfinite().all().item()})",
        "masked_fill(~mask, -inf) before softmax, fp32",
    )


@case("nan_origin")
def std_of_constant() -> Run:
    torch.manual_seed(56)
    x = torch.ones(5, 8, requires_grad=True)

    def pool() -> Tensor:
        h = x * 2.0
        return torch.sqrt((h - h.mean(1, keepdim=True)).pow(2).mean(1)).sum()

    said, loss = anomaly(pool), pool()
    loss.backward()
    expect(math.isfinite(loss.item()) and x.grad.isnan().all().item() and "nan" in said, said)
    return run(
        "speaker net w/ statistics pooling. forward ok, finite loss, gradients all nan on silent clips",
        f"loss {loss.item():.4f}\nfirst bad: pooling/std  grad nan {x.grad.isnan().sum().item()}/{x.grad.numel()}\n"
        f"torch.autograd.set_detect_anomaly(True) says:\n  {said or 'nothing'}",
        "std = sqrt(mean((h - mean)^2)), Adam",
    )
