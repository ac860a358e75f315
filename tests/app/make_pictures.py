"""Write pictures/*.json, the documents that the page is tested with, by the real server: `make app-pictures`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID

from kaiming_mcp.picture.model import META
from kaiming_mcp.server import create_server

HERE = Path(__file__).parent
PRINTED = HERE.parent / "data" / "model_texts"
EXAMPLES = HERE.parents[1] / "examples"
MEASURED = [4.4e-9, 2.6e-8, 1.5e-7, 9.0e-7, 5.4e-6, 3.2e-5, 1.9e-4, 1.1e-3]

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    # The networks of the tour.
    "mlp": ("trace_signal", {"architecture": "repeat 20 { linear 64 64 ; relu }", "input": "64"}),
    "residual": (
        "trace_signal",
        {
            "architecture": "input 64x16x16\nrepeat 12 { residual { conv 64 64 k3 ; relu ; conv 64 64 k3 } }\n"
            "globalpool ; linear 64 10",
            "initialization": "he",
        },
    ),
    "encoder": (
        "trace_signal",
        {"architecture": (PRINTED / "09_repr_torch_transformer_encoder12.txt").read_text("utf-8")},
    ),
    "resnet18": (
        "trace_signal",
        {"architecture": (PRINTED / "03_repr_resnet18.txt").read_text("utf-8"), "input": "3x224x224"},
    ),
    "gradients": (
        "diagnose_gradients",
        {
            "symptom": "the first layers do not move",
            "architecture": (EXAMPLES / "sigmoid8.txt").read_text("utf-8"),
            "measurements": (EXAMPLES / "sigmoid8_gradients.csv").read_text("utf-8"),
        },
    ),
    "denoiser": (
        "trace_signal",
        {
            "architecture": (EXAMPLES / "denoiser.txt").read_text("utf-8"),
            "input": "24x256x256",
            "initialization": "he",
        },
    ),
    "pinn": ("trace_signal", {"architecture": (EXAMPLES / "pinn.txt").read_text("utf-8")}),
    # A run of the same network beside its theory, and a person's own numbers.
    "simulated": ("trace_signal", {"architecture": "repeat 20 { linear 64 64 ; relu }", "simulate": True}),
    "diagnosed": (
        "diagnose_gradients",
        {
            "symptom": "the first layers do not move",
            "architecture": "repeat 8 { linear 64 64 ; sigmoid }",
            "measurements": json.dumps({f"layer {i}": {"grad_norm": value} for i, value in enumerate(MEASURED)}),
        },
    ),
}


async def main() -> None:
    """Call the tools as a host that shows MCP Apps does, and keep what the page would get."""
    shows_apps = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})
    async with Client(create_server(), extensions=[shows_apps]) as client:
        for name, (tool, arguments) in CALLS.items():
            result = await client.call_tool(tool, arguments)
            document = (result.meta or {}).get(META)
            assert document is not None, f"{name}: no picture: {result.content}"
            text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
            (HERE / "pictures" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
