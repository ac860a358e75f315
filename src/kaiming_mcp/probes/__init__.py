"""Scripts that the user runs in their own environment; they are read here as text, never imported.

A script saved as `signal.py` would hide the standard library's module of that name: hence `signal_probe.py`.
"""

from __future__ import annotations

from importlib.resources import files

PROBES = {"signal": "What each layer of a PyTorch model does to signal and gradient, on one batch at step 0"}
"""Name and what it measures."""


def probe_source(name: str) -> str:
    """The script's text.

    Raises:
        KeyError: there is no such probe.
    """
    if name not in PROBES:
        raise KeyError(name)
    return files("kaiming_mcp.probes").joinpath(f"{name}_probe.py").read_text(encoding="utf-8")
