"""How different people print what they measured: one function per habit."""

# ruff: noqa: E501  (a log line stays in one piece)

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from blind_run import Row


def every(rows: Sequence[Row], n: int) -> list[Row]:
    """Every n-th row and the last."""
    return [r for k, r in enumerate(rows) if k % n == 0 or k == len(rows) - 1]


def loop(values: Mapping[str, float], form: str = "{n} {v:.3e}") -> str:
    """A print in a loop over names."""
    return "\n".join(form.format(n=n, v=v) for n, v in values.items())


def tensors(values: Mapping[str, float]) -> str:
    """`print(name, p.grad.norm())`: torch prints four decimals, or the e-form below 1e-4."""
    return "\n".join(
        f"{n} tensor({v:.4f})" if v >= 1e-3 or v == 0 else f"{n} tensor({v:.4e})" for n, v in values.items()
    )


def logging_lines(values: Mapping[str, float], what: str, logger: str = "train") -> str:
    """Lines of Python's logging."""
    return "\n".join(
        f"2025-03-0{1 + k // 40} 14:0{k % 7}:{(11 * k) % 60:02d},{(317 * k) % 1000:03d} INFO {logger}: {n} {what}={v:.4g}"
        for k, (n, v) in enumerate(values.items())
    )


def csv_long(values: Mapping[str, float], head: str) -> str:
    """A CSV with one row per layer."""
    return "\n".join([head, *(f"{n},{v:.6g}" for n, v in values.items())])


def csv_steps(rows: Sequence[Row], prefix: str = "gradients/") -> str:
    """A W&B-like export: a row per step, a column per layer."""
    names = list(rows[0].grads)
    head = ",".join(["Step", "train/loss", *(f'"{prefix}{n}"' for n in names)])
    body = [",".join([str(r.step), f"{r.loss:.5f}", *(f"{r.grads[n]:.5g}" for n in names)]) for r in rows]
    return "\n".join([head, *body])


def frame(columns: Mapping[str, Sequence[object]], form: str = "{:.3e}") -> str:
    """A pandas data frame as printed."""
    cells = {k: [form.format(v) if isinstance(v, float) else str(v) for v in vs] for k, vs in columns.items()}
    n = len(next(iter(cells.values())))
    wide = {k: max(len(k), *(len(c) for c in vs)) for k, vs in cells.items()}
    head = " " * len(str(n)) + "  " + "  ".join(k.rjust(wide[k]) for k in cells)
    body = [str(i).ljust(len(str(n))) + "  " + "  ".join(cells[k][i].rjust(wide[k]) for k in cells) for i in range(n)]
    return "\n".join([head, *body])


def numpy_array(values: Sequence[float], digits: int = 3) -> str:
    """A numpy array in the e-form, six to a line."""
    words = [f"{v:.{digits}e}" for v in values]
    lines = [" ".join(words[i : i + 6]) for i in range(0, len(words), 6)]
    return "[" + "\n ".join(lines) + "]"


def jsonl(items: Sequence[Mapping[str, object]]) -> str:
    """One JSON object a line, numbers to five digits."""
    cut = [{k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in i.items()} for i in items]
    return "\n".join(json.dumps(i) for i in cut)


def keras(rows: Sequence[Row], epochs: int, per_epoch: int, accuracy: Sequence[float] | None = None) -> str:
    """Keras 3 progress lines, the mean loss of each epoch."""
    out = list[str]()
    for e in range(epochs):
        part = rows[e * len(rows) // epochs : (e + 1) * len(rows) // epochs]
        loss = sum(r.loss for r in part) / len(part)
        acc = f"accuracy: {accuracy[e]:.4f} - " if accuracy else ""
        out += [
            f"Epoch {e + 1}/{epochs}",
            f"{per_epoch}/{per_epoch} ━━━━━━━━━━━━━━━━━━━━ 3s 6ms/step - {acc}loss: {loss:.4f}",
        ]
    return "\n".join(out)


def trainer(rows: Sequence[Row], per_epoch: int = 100) -> str:
    """Hugging Face Trainer dictionaries."""
    return "\n".join(
        str(
            {
                "loss": round(r.loss, 4),
                "grad_norm": r.norm,
                "learning_rate": r.lr,
                "epoch": round(r.step / per_epoch, 2),
            }
        )
        for r in rows
    )


def nanogpt(rows: Sequence[Row]) -> str:
    """nanoGPT's lines."""
    return "\n".join(
        f"iter {r.step}: loss {r.loss:.4f}, time {41 + r.step % 7}.{r.step % 10}2ms, mfu 1.0{r.step % 9}%" for r in rows
    )


def lightning(rows: Sequence[Row], n: int, key: str = "train_loss_step") -> str:
    """A Lightning bar per epoch."""
    return "\n".join(
        f"Epoch {k}: 100%|██████████| {n}/{n} [00:0{2 + k % 5}<00:00, 2{k % 10}.4{k % 7}it/s, v_num=4, {key}={r.loss:.3g}]"
        for k, r in enumerate(rows)
    )


def tqdm(rows: Sequence[Row], of: int) -> str:
    """tqdm bars with a postfix."""
    return "\n".join(
        f"{100 * (r.step + 1) // of:3d}%|{'█' * (10 * (r.step + 1) // of):<10}| {r.step + 1}/{of} [00:{r.step % 60:02d}<00:30, "
        f"9.8it/s, loss={r.loss:.4g}, gnorm={r.norm:.3g}]"
        for r in rows
    )


def tensorboard(rows: Sequence[Row]) -> str:
    """The CSV of TensorBoard's download button."""
    return "\n".join(
        [
            "Wall time,Step,Value",
            *(f"171440{7200 + 3 * r.step}.{r.step % 1000:03d},{r.step},{r.loss:.7g}" for r in rows),
        ]
    )


def fairseq(rows: Sequence[Row], scale: bool = False) -> str:
    """fairseq's train_inner lines."""
    tail = ", loss_scale=128" if scale else ""
    return "\n".join(
        f"2025-01-19 08:1{k % 10}:{(k * 13) % 60:02d} | INFO | train_inner | epoch 001: {r.step:>6} / 2000 loss={r.loss / 0.693147:.3f}, "
        f"ppl={2 ** min(r.loss / 0.693147, 60):.2f}, wps=21043, num_updates={r.step}, lr={r.lr:.3g}, gnorm={r.norm:.3f}{tail}"
        for k, r in enumerate(rows)
    )


def mmcv(rows: Sequence[Row], per_epoch: int = 500) -> str:
    """mmengine's lines."""
    return "\n".join(
        f"12/03 09:2{k % 10}:{(7 * k) % 60:02d} - mmengine - INFO - Epoch(train) [1][{r.step:>4}/{per_epoch}] lr: {r.lr:.4e} "
        f"eta: 0:12:3{k % 10} time: 0.1{k % 9} data_time: 0.01 grad_norm: {r.norm:.4f} loss: {r.loss:.4f}"
        for k, r in enumerate(rows)
    )
