"""Scripts that the user runs in their own environment, handed out as text.

Only `posterior_spread_probe` is imported as well: pasted pairs and the probe share its estimator.

A script saved as `signal.py` would hide the standard library's module of that name: hence `signal_probe.py`.
"""

from __future__ import annotations

from importlib.resources import files

PROBES = {
    "signal": "What each layer of a PyTorch model does to signal and gradient, at step 0 and after k steps",
    "signal-flax": "The same for a Flax model (linen or nnx), on one batch at step 0",
    "signal-keras": "The same for a Keras 3 model (torch, jax or tensorflow backend), on one batch at step 0",
    "posterior_spread": "E Var[X|Y] / Var[X] from pairs (y, x), with its error: is the answer a point or a spread "
    "(numpy)",
    "leakage": "Can a classifier tell site, batch or date from the inputs, and what is that worth: random against "
    "grouped folds (numpy)",
    "symmetry": "max |f(gx) - g f(x)| / |f(x)| for rotations, relabelling, shifts and units (numpy)",
}
"""Name and what it measures."""


def file_name(name: str) -> str:
    """The file that holds a probe: signal_probe.py, signal_probe_flax.py."""
    quantity, *form = name.split("-")
    return "_".join((quantity, "probe", *form)) + ".py"


def probe_source(name: str) -> str:
    """The script's text.

    Raises:
        KeyError: there is no such probe.
    """
    if name not in PROBES:
        raise KeyError(name)
    return files("kaiming_mcp.probes").joinpath(file_name(name)).read_text(encoding="utf-8")
