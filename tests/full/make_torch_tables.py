"""Print real models as torchinfo and torchsummary tables, with their true parameter counts.

Run where torch, torchvision, torchinfo and torchsummary are installed:
`python tests/full/make_torch_tables.py`. Writes tests/data/torch_tables.json.gz.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torchinfo
import torchsummary
import torchvision.models as tv
from torch import Tensor, nn

TARGET = Path(__file__).parents[1] / "data" / "torch_tables.json.gz"
IMAGE = (1, 3, 224, 224)
EVERY_COLUMN = ("kernel_size", "input_size", "output_size", "num_params", "params_percent", "mult_adds", "trainable")


class LSTMClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5000, 64)
        self.lstm = nn.LSTM(64, 96, 2, batch_first=True, bidirectional=True, dropout=0.3)
        self.fc = nn.Linear(192, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.lstm(self.embedding(x))[0][:, -1])


class GRUTagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(40, 128, 3, batch_first=True)
        self.norm = nn.LayerNorm(128)
        self.head = nn.Linear(128, 12, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.gru(x)[0]))


class CharRNN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(20, 50, batch_first=True)
        self.out = nn.Linear(50, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.rnn(x)[0])


class TextEncoder(nn.Module):
    def __init__(self, norm_first: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(1000, 64)
        self.position = nn.Parameter(torch.zeros(1, 20, 64))
        layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=norm_first)
        self.encoder = nn.TransformerEncoder(
            layer, 3, norm=nn.LayerNorm(64) if norm_first else None, enable_nested_tensor=False
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x) + self.position).mean(1))


class DoubleConv(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(into, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inc, self.down1, self.down2 = DoubleConv(1, 16), DoubleConv(16, 32), DoubleConv(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.up1, self.conv1 = nn.ConvTranspose2d(64, 32, 2, 2), DoubleConv(64, 32)
        self.up2, self.conv2 = nn.Upsample(scale_factor=2), DoubleConv(48, 16)
        self.outc = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.inc(x)
        b = self.down1(self.pool(a))
        c = self.down2(self.pool(b))
        d = self.conv1(torch.cat([self.up1(c), b], 1))
        return self.outc(self.conv2(torch.cat([self.up2(d), a], 1)))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inp, self.body, self.act, self.out = nn.Linear(8, 32), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inp(x)
        for _ in range(4):
            x = self.act(self.body(x))
        return self.out(x)


class Interleaved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(5))
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(5))
        self.act, self.head = nn.GELU(), nn.Linear(64, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = x + self.act(layer(norm(x)))
        return self.head(x)


class WithExtras(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(16))
        self.fc1, self.never, self.fc2 = nn.Linear(16, 16), nn.Linear(7, 9), nn.Linear(16, 4)
        self.fc2.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.relu(self.fc1(x) * self.scale))


def small() -> dict[str, tuple[nn.Module, tuple[int, ...], torch.dtype]]:
    c1d = nn.Sequential(
        nn.Conv1d(4, 96, 11, padding=5, bias=False),
        nn.BatchNorm1d(96),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(96, 48, 3, padding=4, dilation=4),
        nn.GELU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(48, 1),
    )
    c3d = nn.Sequential(
        nn.Conv3d(1, 16, 3, padding=1),
        nn.BatchNorm3d(16),
        nn.PReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(16, 32, 3, stride=2, padding=1, bias=False),
        nn.InstanceNorm3d(32),
        nn.LeakyReLU(0.2),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32, 2),
    )
    generator = nn.Sequential(
        nn.ConvTranspose2d(100, 256, 4, 1, 0, bias=False),
        nn.BatchNorm2d(256),
        nn.ReLU(True),
        nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(True),
        nn.ConvTranspose2d(128, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(128, 1, 8, 1, 0, bias=False),
        nn.Sigmoid(),
    )
    lenet = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
        nn.Softmax(1),
    )
    mlp = nn.Sequential(
        nn.Linear(784, 512),
        nn.LayerNorm(512),
        nn.ReLU(),
        nn.Linear(512, 512, bias=False),
        nn.SiLU(),
        nn.Linear(512, 10),
    )
    groups = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1, bias=False),
        nn.GroupNorm(8, 32),
        nn.SiLU(),
        nn.Conv2d(32, 64, 3, padding=1, groups=4),
        nn.GroupNorm(32, 64),
        nn.SiLU(),
        nn.Conv2d(64, 64, 5, padding=2, groups=64),
    )
    long, real = torch.long, torch.float
    return {
        "lstm": (LSTMClassifier(), (4, 20), long),
        "gru": (GRUTagger(), (4, 30, 40), real),
        "rnn": (CharRNN(), (4, 30, 20), real),
        "encoder_post": (TextEncoder(False), (4, 20), long),
        "encoder_pre": (TextEncoder(True), (4, 20), long),
        "unet": (UNet(), (1, 1, 64, 64), real),
        "shared": (Shared(), (16, 8), real),
        "interleaved": (Interleaved(), (8, 64), real),
        "extras": (WithExtras(), (8, 16), real),
        "conv1d": (c1d, (2, 4, 512), real),
        "conv3d": (c3d, (2, 1, 32, 32, 32), real),
        "generator": (generator, (2, 100, 1, 1), real),
        "discriminator": (discriminator, (2, 3, 32, 32), real),
        "lenet": (lenet, (2, 1, 28, 28), real),
        "mlp": (mlp, (32, 784), real),
        "groups": (groups, (2, 3, 32, 32), real),
    }


def large() -> dict[str, Callable[..., nn.Module]]:
    names = """resnet18 resnet50 resnext50_32x4d vgg16_bn alexnet densenet121 mobilenet_v2 mobilenet_v3_small
    efficientnet_b0 convnext_tiny vit_b_16 swin_t squeezenet1_1 shufflenet_v2_x1_0 regnet_y_400mf mnasnet1_0""".split()
    plain = {name: getattr(tv, name) for name in names}
    return plain | {
        "googlenet": lambda: tv.googlenet(init_weights=False, aux_logits=False),
        "inception_v3": lambda: tv.inception_v3(init_weights=False, aux_logits=False),
    }


def info_settings(name: str) -> list[dict[str, object]]:
    every: list[dict[str, object]] = [
        {},
        {"depth": 10, "row_settings": ("var_names", "depth"), "col_names": ("input_size", "output_size", "num_params")},
        {"depth": 10, "col_names": EVERY_COLUMN, "row_settings": ("var_names", "ascii_only"), "col_width": 16},
    ]
    if name in {"resnet18", "resnet50", "vit_b_16", "unet", "lstm", "mlp", "shared", "interleaved", "extras", "gru"}:
        every += [
            {"depth": 10},
            {"depth": 1},
            {"depth": 2, "row_settings": ("ascii_only",)},
            {"depth": 10, "verbose": 2, "col_names": ("kernel_size", "output_size", "num_params")},
            {"depth": 10, "row_settings": ("depth", "hide_recursive_layers"), "mode": "train"},
            {"depth": 10, "input": False},
            {"depth": 10, "input": False, "verbose": 2, "col_names": ("kernel_size", "num_params")},
        ]
    return every


def leaves(model: nn.Module, size: tuple[int, ...], dtype: torch.dtype) -> list[list[str]]:
    """Class and printed arguments of every leaf, in order of execution."""
    found: list[list[str]] = []
    hooks = [
        module.register_forward_hook(lambda m, *_: found.append([type(m).__name__, m.extra_repr()]))
        for module in model.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        model(torch.zeros(size, dtype=dtype))
    for hook in hooks:
        hook.remove()
    return found


def printed(call: Callable[[], object]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        call()
    return out.getvalue()


def info_table(model: nn.Module, size: tuple[int, ...], dtype: torch.dtype, settings: dict[str, object]) -> str:
    given = dict(settings)
    shape = {"input_size": size, "dtypes": [dtype]} if given.pop("input", True) else {}
    given.setdefault("verbose", 1)
    return printed(lambda: torchinfo.summary(model, device="cpu", **shape, **given))


def main() -> None:
    torch.manual_seed(0)
    found: list[dict[str, object]] = []
    printouts: dict[str, list[list[str]]] = {}
    models = small()
    for name, make in large().items():
        size = (1, 3, 299, 299) if name == "inception_v3" else IMAGE
        models[name] = (make(), size, torch.float)
    for name, (model, size, dtype) in models.items():
        model.eval()
        truth = sum(p.numel() for p in model.parameters())
        printouts[name] = leaves(model, size, dtype)
        for settings in info_settings(name):
            text = info_table(model, size, dtype, settings)
            full = settings.get("depth") == 10 and settings.get("input", True)
            found.append(
                {"tool": "torchinfo", "name": name, "text": text, "truth": truth, "full": full, "settings": settings}
            )
        try:
            text = printed(lambda m=model, s=size: torchsummary.summary(m, s[1:], device="cpu"))
        except (AttributeError, RuntimeError, TypeError):
            continue  # torchsummary feeds floats only and takes no nested outputs
        found.append({"tool": "torchsummary", "name": name, "text": text, "truth": truth, "full": True, "settings": {}})
    TARGET.write_bytes(
        gzip.compress(json.dumps({"tables": found, "leaves": printouts}, ensure_ascii=False).encode(), mtime=0)
    )
    sys.stdout.write(f"{len(found)} tables, {TARGET.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
