"""Blind runs: zeros of the print and zeros of the structure."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

from typing import Any

import torch
from blind_logs import every, frame, jsonl, lightning, loop
from blind_run import Block, case, clusters, cosine, expect, fit, grads, sequences, stack
from torch import Tensor, nn
from torch.nn import functional

init = nn.init


@case("print_zeros")
def four_digits() -> dict[str, Any]:
    torch.manual_seed(91)
    net = nn.Sequential(
        *[m for k in range(4) for m in (nn.Conv2d(1 if not k else 12, 12, 3, padding=1), nn.ReLU())],
        nn.Conv2d(12, 1, 1),
    )
    x = torch.rand(16, 1, 16, 16)
    rows = fit(net, lambda _: (net(x) - x).square().mean() * 1e-4, torch.optim.Adam(net.parameters(), 3e-3), 200)
    small = {n: p.grad.double().abs().mean().item() for n, p in net.named_parameters() if p.dim() > 1}
    expect(0 < max(small.values()) < 5e-5 and rows[-1].loss < 0.2 * rows[0].loss)
    text = "".join(f"it {r.step} loss {r.loss:.3e}\n" for r in every(rows, 40)) + loop(
        small, "{n} grad mean abs {v:.4f}"
    )
    return {"symptom": "all gradients are 0.0000!", "measurements": text, "training": "Adam 3e-3, loss = 1e-4 * mse"}


@case("print_zeros")
def rounded() -> dict[str, Any]:
    torch.manual_seed(92)
    net = stack([10, 32, 32, 1], nn.SiLU)
    x, y = cosine(256, 10)
    rows = fit(net, lambda _: functional.mse_loss(net(x), y) * 1e-3, torch.optim.Adam(net.parameters(), 2e-3), 400)
    last = rows[-1]
    expect(0 < max(last.grads.values()) < 5e-4 and last.loss < 0.3 * rows[0].loss)
    return {
        "symptom": "dead network: np.round(grad_norms, 3) is zero everywhere",
        "measurements": f"np.round(norms, 3) -> [{' '.join('0.   ' for _ in last.grads)}]\nglobal norm {last.norm:.2e}\nloss first epoch {rows[0].loss:.3e}, last epoch {last.loss:.3e}",
    }


@case("print_zeros")
def two_digits() -> dict[str, Any]:
    torch.manual_seed(93)
    emb, net = nn.Embedding(400, 16), stack([32, 32, 1], nn.ReLU)
    model = nn.ModuleDict({"item_embedding": emb, "tower": net})
    g = torch.Generator().manual_seed(1)
    ids = torch.randint(400, (3000, 2), generator=g)
    taste = torch.randn(400, generator=g)
    click = (taste[ids[:, 0]] * taste[ids[:, 1]] > 0).float()
    rows = fit(
        model,
        lambda _: functional.binary_cross_entropy_with_logits(net(emb(ids).flatten(1))[:, 0], click),
        torch.optim.Adam(model.parameters(), 1e-2),
        120,
    )
    small = {n: p.grad.double().abs().mean().item() for n, p in model.named_parameters() if p.dim() > 1}
    expect(max(small.values()) < 5e-3 and rows[-1].loss < 0.6 * rows[0].loss)
    table = frame({"param": list(small), "grad_abs_mean": list(small.values())}, "{:.2f}")
    return {
        "symptom": "grad_abs_mean column is all 0.00",
        "measurements": table + "\n" + lightning(every(rows, 20), 47),
        "training": "BCEWithLogits, Adam 1e-2",
    }


@case("print_zeros")
def some_show() -> dict[str, Any]:
    torch.manual_seed(94)
    gru, head = nn.GRU(12, 24, batch_first=True), nn.Linear(24, 12)
    model = nn.ModuleDict({"gru": gru, "head": head})
    ids = sequences(64, 20, 12)
    x = functional.one_hot(ids, 12).float()

    def loss(_: int) -> Tensor:
        return functional.cross_entropy(head(gru(x[:, :-1])[0]).flatten(0, 1), ids[:, 1:].flatten())

    rows = fit(model, loss, torch.optim.Adam(model.parameters(), 1e-2), 150)
    small = {n: p.grad.double().abs().mean().item() for n, p in model.named_parameters()}
    expect(max(small.values()) < 4e-3 and rows[-1].loss < 0.5 * rows[0].loss)
    text = (
        "\n".join(f"[{r.step:03d}] nll {r.loss:.3f}" for r in every(rows, 30))
        + "\nmean abs gradient:\n"
        + loop(small, "  {n:<16} {v:.3f}")
    )
    return {"symptom": "GRU vanishing gradient 0.000", "measurements": text}


@case("structural_zero", layers=("backbone", "backbone.0", "requires_grad"))
def frozen() -> dict[str, Any]:
    torch.manual_seed(101)
    back, head = stack([24, 32, 32], nn.ReLU), nn.Linear(32, 3)
    net = nn.Sequential()
    net.add_module("backbone", back)
    net.add_module("head", head)
    for p in back.parameters():
        p.requires_grad_(False)
    x, y = clusters(90, 24, 3)
    fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 3)
    lines = [
        f"{n:<18} requires_grad={p.requires_grad!s:<5} grad={'None' if p.grad is None else f'{p.grad.norm().item():.4f}'}"
        for n, p in net.named_parameters()
    ]
    return {"symptom": "gradients of the backbone vanish completely", "measurements": "\n".join(lines)}


@case("structural_zero", layers=("encoder", "z.detach", "detach"))
def detached() -> dict[str, Any]:
    torch.manual_seed(102)
    enc, dec = stack([16, 32, 4], nn.ReLU), stack([4, 32, 16], nn.ReLU)
    x = torch.randn(100, 16)
    functional.mse_loss(dec(enc(x).detach()), x).backward()
    expect(all(p.grad is None for p in enc.parameters()))
    lines = [f"encoder.{n}: None" for n, _ in enc.named_parameters()] + [
        f"decoder.{n}: {p.grad.norm():.3e}" for n, p in dec.named_parameters()
    ]
    code = "class AE(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.encoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))\n        self.decoder = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 16))\n    def forward(self, x):\n        z = self.encoder(x)\n        return self.decoder(z.detach())\n"
    return {
        "symptom": "encoder does not train, bottleneck too small?",
        "measurements": "\n".join(lines),
        "architecture": code,
        "training": "MSE, Adam",
    }


@case("structural_zero", also=("nothing_wrong",), layers=("res", "body"))
def zero_branch() -> dict[str, Any]:
    torch.manual_seed(103)
    net = nn.Sequential(nn.Linear(16, 32), *[Block(stack([32, 32, 32], nn.ReLU)) for _ in range(5)], nn.Linear(32, 4))
    for b in net:
        if isinstance(b, Block):
            init.zeros_(b.body[2].weight)
            init.zeros_(b.body[2].bias)
    x, y = clusters(200, 16, 4)
    rows = fit(net, lambda _: functional.cross_entropy(net(x), y), torch.optim.Adam(net.parameters(), 1e-3), 30)
    inner = [n for n in rows[0].grads if ".body.0." in n]
    expect(
        all(rows[0].grads[n] == 0.0 for n in inner)
        and all(rows[2].grads[n] > 0 for n in inner)
        and rows[-1].loss < rows[0].loss
    )
    items = [
        {"step": r.step, "loss": r.loss, **{f"res{n}" if n[0] in "12345" else n: v for n, v in r.grads.items()}}
        for r in (rows[0], rows[1], rows[29])
    ]
    return {
        "symptom": "gradients vanish in the first layer of every block at the first step",
        "measurements": jsonl(items),
        "training": "last linear of each residual branch initialized to zero",
    }


@case("structural_zero", also=("nothing_wrong",), layers=("lora_A", "lora_a"))
def lora() -> dict[str, Any]:
    torch.manual_seed(104)
    base, a, b = nn.Linear(32, 32), nn.Parameter(torch.randn(4, 32) * 0.1), nn.Parameter(torch.zeros(32, 4))
    x, y = clusters(64, 32, 32)
    functional.cross_entropy(base(x) + x @ a.T @ b.T, y).backward()
    expect(a.grad.abs().max() == 0 and b.grad.abs().max() > 0)
    text = "\n".join(
        f"model.layers.{k}.self_attn.{m}_proj.lora_{n}.default.weight {g:.6f}"
        for k in range(2)
        for m in "qv"
        for n, g in (("A", 0.0), ("B", b.grad.norm().item() * (1 + k / 3)))
    )
    return {
        "symptom": "peft: half of my adapters have zero gradient at step 0",
        "measurements": "step 0 grad norms\n" + text,
        "training": "LoRA r=4 alpha=16, base frozen, lora_B zero init",
    }


@case("structural_zero", layers=("expert", "experts.3", "experts.1"))
def idle_expert() -> dict[str, Any]:
    torch.manual_seed(105)
    experts, gate = nn.ModuleList(nn.Linear(12, 6) for _ in range(4)), nn.Linear(12, 4)
    gate.bias.data = torch.tensor([3.0, -9.0, 3.0, -9.0])
    x, y = clusters(120, 12, 6)
    top = gate(x).argmax(1)
    out = (
        torch.stack([experts[int(k)](v) for v, k in zip(x, top, strict=True)])
        * gate(x).softmax(1).max(1).values[:, None]
    )
    functional.cross_entropy(out, y).backward()
    share = torch.bincount(top, minlength=4) / 120
    expect(share[1] == 0 and share[3] == 0)
    norm = ["None" if e.weight.grad is None else f"{e.weight.grad.norm():.4e}" for e in experts]
    return {
        "symptom": "vanishing gradients in some experts",
        "measurements": "\n".join(
            f"experts.{k}.weight grad {n}  tokens routed {share[k]:.3f}" for k, n in enumerate(norm)
        )
        + f"\ngate.weight grad {gate.weight.grad.norm():.4e}",
        "training": "top-1 mixture of experts",
    }


@case("structural_zero", layers=("lm_head", "encoder", "labels", "mask"))
def masked_loss() -> dict[str, Any]:
    torch.manual_seed(106)
    net = stack([10, 24, 5], nn.ReLU)
    x, _ = clusters(40, 10, 5)
    loss = functional.cross_entropy(net(x), torch.full((40,), -100), ignore_index=-100, reduction="sum")
    loss.backward()
    g = grads(net, weights_only=False)
    expect(loss.item() == 0 and not any(g.values()))
    return {
        "symptom": "loss is 0 from the first step, perfect model?",
        "measurements": "labels[:8] = [-100, -100, -100, -100, -100, -100, -100, -100]\nlabels != -100: 0 of 40\nloss 0.0\n"
        + loop(g, "encoder.{n} grad {v}"),
        "training": "cross entropy ignore_index=-100, reduction sum",
    }
