"""Probe `symmetry`: by how much does a model break a symmetry that it should have? max |f(gx) - g f(x)| / |f(x)|.

Standalone: it needs numpy and nothing else. Two ways to run it.

    from symmetry_probe import measure, printed, rotate, mirror, permute          # f: array -> array, samples first
    found = measure(lambda x: model(torch.tensor(x)).detach().numpy(), x, {
        "rotation": (rotate(), None),                   # (action on the input, action on the output)
        "rotation of forces": (rotate(), rotate()),     # None: the output must not change
        "mirror": (mirror(), None, "may change"),       # what is no symmetry: the output should move
    })
    print(printed(found))

    python symmetry_probe.py --model my_package.nets:predict --input x.npy --apply rotate:same --apply permute:same

Put the model into evaluation mode, and into float64 if you can: `repeat` is the relative change between two equal
calls, and no gap below it or below `rounding` means anything. A model that returns one constant has every symmetry:
`variation` is the spread of its output over the samples, relative to its size.

Actions (samples first; for points the last axis is space); each draw is one group element, applied to all samples:
  rotate(), translate(), mirror()          points or vectors ... x 3 (or 2)
  permute(axis=1)                          relabels along an axis
  roll(shift, axis), flip(axis), turn()    grids; turn() is a quarter turn of the last two axes
  scale(factor), shift(value)              units and offsets
On the command line: NAME:same (the output must not change), NAME:turns (the output is acted on in the same way) or
NAME:may (no symmetry, the output may change).
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 1
DRAWS = 5
Action = Callable[[Any, int], Any]
"""(array, seed) -> array: the same seed gives the same group element for input and output."""


def measure(
    f: Callable[[Any], Any], x: Any, transforms: dict[str, tuple[Any, ...]], draws: int = DRAWS
) -> dict[str, Any]:
    """The gap of every transform over all samples and draws; see the top of the file.

    Raises ValueError when there is no transform, or when the output holds nan or changes its shape.
    """
    if not transforms:
        raise ValueError('give at least one transform, such as {"rotation": (rotate(), None)}')
    inputs = np.asarray(x)
    out = _output(f, inputs)
    size = _norms(out)
    if not np.isfinite(size).all():
        raise ValueError("f(x) holds nan or inf")
    smallest = max(float(np.finfo(out.dtype).tiny), 1e-12 * float(size.max()))
    variation = float(np.sqrt(((out - out.mean(axis=0)) ** 2).mean())) / max(float(np.sqrt((out**2).mean())), smallest)
    rows = []
    for name, given in transforms.items():
        act, turn, *kind = given
        gaps = []
        for seed in range(draws):
            moved = _output(f, act(inputs, seed))
            expected = out if turn is None else turn(out, seed)
            if moved.shape != expected.shape:
                raise ValueError(f"{name}: f(gx) has shape {moved.shape}, g f(x) has {expected.shape}")
            gaps.append(_norms(moved - expected) / np.maximum(size, smallest))
        every = np.concatenate(gaps)
        rows.append(
            {
                "name": name,
                "expected": kind[0] if kind else ("invariant" if turn is None else "equivariant"),
                "max": _plain(every.max()),
                "mean": _plain(every.mean()),
                "draws": draws,
            }
        )
    return {
        "probe": "symmetry",
        "version": VERSION,
        "samples": len(inputs),
        "outputs": int(np.prod(out.shape[1:])) if out.ndim > 1 else 1,
        "dtype": str(out.dtype),
        "rounding": float(np.finfo(out.dtype).eps),
        "repeat": _plain((_norms(_output(f, inputs) - out) / np.maximum(size, smallest)).max()),
        "variation": _plain(variation),
        "transforms": rows,
    }


def printed(found: dict[str, Any]) -> str:
    """The document as one line of JSON."""
    return json.dumps(found, allow_nan=False)


def rotate() -> Action:
    """A random proper rotation of the last axis."""
    return lambda x, seed: x @ _rotation(x.shape[-1], seed).T.astype(x.dtype)


def mirror(axis: int = 0) -> Action:
    """Reflection of one coordinate of the last axis."""

    def act(x: Any, seed: int) -> Any:  # noqa: ARG001 - every action has this form
        signs = np.ones(x.shape[-1], dtype=x.dtype)
        signs[axis] = -1
        return x * signs

    return act


def translate(distance: float = 1.0) -> Action:
    """A random shift of all points."""
    return lambda x, seed: x + (distance * np.random.default_rng(seed).standard_normal(x.shape[-1])).astype(x.dtype)


def permute(axis: int = 1) -> Action:
    """A random relabelling along an axis."""
    return lambda x, seed: np.take(x, np.random.default_rng(seed).permutation(x.shape[axis]), axis=axis)


def roll(shift: int = 1, axis: int = -1) -> Action:
    """A periodic shift along an axis."""
    return lambda x, seed: np.roll(x, shift * (seed + 1), axis=axis)


def flip(axis: int = -1) -> Action:
    """Reversal of an axis."""
    return lambda x, seed: np.flip(x, axis=axis)  # noqa: ARG005 - every action has this form


def turn() -> Action:
    """Quarter turns of the last two axes."""
    return lambda x, seed: np.rot90(x, 1 + seed % 3, axes=(-2, -1))


def scale(factor: float = 2.0) -> Action:
    """Multiplication, as by a change of unit."""
    return lambda x, seed: x * factor  # noqa: ARG005 - every action has this form


def shift(value: float = 1.0) -> Action:
    """Addition of a constant."""
    return lambda x, seed: x + value  # noqa: ARG005 - every action has this form


ACTIONS: dict[str, Callable[[], Action]] = {
    "rotate": rotate,
    "mirror": mirror,
    "translate": translate,
    "permute": permute,
    "roll": roll,
    "flip": flip,
    "turn": turn,
    "scale": scale,
    "shift": shift,
}


def _rotation(size: int, seed: int) -> Any:
    """Uniform over proper rotations: QR of a Gaussian matrix with the signs fixed."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))
    q = q * np.sign(np.diag(r))
    if np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return q


def _output(f: Callable[[Any], Any], x: Any) -> Any:
    out = np.asarray(f(x))
    out = out if out.dtype.kind == "f" else out.astype(float)
    if out.ndim == 0 or len(out) != len(x):
        raise ValueError(f"f must return one output per sample: {len(x)} went in, shape {out.shape} came out")
    return out


def _norms(values: Any) -> Any:
    return np.sqrt((values.reshape(len(values), -1).astype(float) ** 2).sum(axis=1))


def _plain(value: Any) -> float:
    return float(f"{float(value):.6g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="module:function that takes and returns an array, samples first")
    parser.add_argument("--input", required=True, help=".npy, samples first")
    parser.add_argument(
        "--apply", action="append", required=True, help="rotate:same, roll:turns, mirror:may; repeatable"
    )
    parser.add_argument("--draws", type=int, default=DRAWS)
    given = parser.parse_args()
    module, _, function = given.model.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    transforms: dict[str, tuple[Any, ...]] = {}
    for text in given.apply:
        name, _, way = text.partition(":")
        if name not in ACTIONS or way not in {"same", "turns", "may"}:
            parser.error(f"--apply {text}: expected NAME:same, NAME:turns or NAME:may; names: {', '.join(ACTIONS)}")
        act = ACTIONS[name]()
        transforms[text] = (act, None, "may change") if way == "may" else (act, act if way == "turns" else None)
    try:
        model = getattr(importlib.import_module(module), function)
        found = measure(model, np.load(given.input, allow_pickle=False), transforms, given.draws)
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.write(printed(found) + "\n")


if __name__ == "__main__":
    main()
