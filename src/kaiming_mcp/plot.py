"""`kaiming-mcp plot`: the picture of a file as HTML, SVG or PNG."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.picture.model import Picture
from kaiming_mcp.picture.page import page
from kaiming_mcp.picture.png import NotDrawnError, png
from kaiming_mcp.picture.svg import svg
from kaiming_mcp.picture.theme import THEMES
from kaiming_mcp.replies import draw

ENDINGS = (".html", ".svg", ".png")
STDIN = "-"


class RefusedError(ValueError):
    """An argument that is not understood; the message names it and shows a valid one."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `plot`."""
    parser.add_argument("file", metavar="FILE", help="a network in any format that trace_signal reads; - for stdin")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="out.html, out.svg or out.png")
    parser.add_argument(
        "--architecture", default="", metavar="NET", help="file of the network, where FILE holds measurements of it"
    )
    parser.add_argument("--input", default="", help='size of one input: "3x224x224", "tokens 1024"')
    parser.add_argument("--batch", type=int, default=0, help="batch size (matters for batch norm)")
    parser.add_argument("--initialization", default="", help='"he", "xavier gain 5/3", "pytorch default"')
    parser.add_argument("--training", default="", help='beside measurements: "fp16, Adam lr 1e-3"')
    parser.add_argument("--simulate", action="store_true", help="also run a random network in numpy, at most 5 seconds")
    parser.add_argument(
        "--theme", choices=["light", "dark"], default="light", help="of SVG and PNG; HTML follows its reader's own"
    )


def plot(options: argparse.Namespace) -> int:
    """Write the picture; 0 when it is written, 1 when there is nothing to draw, 2 for a bad argument."""
    try:
        # The ending is looked at first: a long trace should not end in a refusal.
        out = _output(options.output)
        picture = _picture(options)
        out.write_bytes(_drawn(picture, out.suffix.lower(), options.theme))
    except RefusedError as error:
        return _said(str(error), 2)
    except NotDrawnError as error:
        return _said(str(error), 1)
    except OSError as error:
        return _said(f"-o: {options.output!r} cannot be written: {error.strerror}", 2)
    print(f"{out}: {picture.title}")  # noqa: T201 - a command
    return 0


def _output(name: str) -> Path:
    out = Path(name)
    if out.suffix.lower() not in ENDINGS:
        raise RefusedError(f"-o: {name!r} must end in .html, .svg or .png. Example: -o signal.svg")
    return out


def _drawn(picture: Picture, ending: str, theme: str) -> bytes:
    if ending == ".html":
        return page(picture).encode()
    figure = svg(picture, THEMES[theme])
    return png(figure) if ending == ".png" else figure.encode()


def _picture(options: argparse.Namespace) -> Picture:
    text = _read(options.file)
    completed = {name: getattr(options, name) for name in ("input", "batch", "initialization")}
    measured: dict[str, Any] = {"measurements": text, "training": options.training, **completed}
    tries: list[tuple[str, dict[str, Any]]] = []
    if options.architecture:
        tries = [("diagnose_gradients", {**measured, "architecture": _read(options.architecture)})]
    else:
        tries = [
            ("trace_signal", {"architecture": text, **completed, "simulate": options.simulate}),
            ("diagnose_gradients", measured),
        ]
    reasons = list[str]()
    for tool, arguments in tries:
        try:
            scaffold, picture = draw(tool, arguments)
        except ToolError as error:
            reasons.append(str(error))
            continue
        if picture is not None:
            return picture
        reasons.append(scaffold.needs or "nothing was measured layer by layer")
    raise RefusedError(f"{options.file}: {reasons[0]}")


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == STDIN else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise RefusedError(f"{name}: {why}. Example: kaiming-mcp plot network.txt -o signal.svg") from error


def _said(message: str, code: int) -> int:
    print(f"kaiming-mcp plot: {message}", file=sys.stderr)  # noqa: T201 - stderr
    return code
