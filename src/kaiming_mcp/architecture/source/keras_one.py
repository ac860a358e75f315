"""Arguments of Keras 1 under the names of today: nb_filter, border_mode, init, output_dim.

Source: keras/legacy/interfaces.py of Keras 2, which renames them in the same way. There "uniform" is U(-0.05, 0.05) and
"normal" has the standard deviation 0.05 (keras/initializations.py of Keras 1).
"""

from __future__ import annotations

from kaiming_mcp.architecture.source.values import Items, Value, whole

_RENAMED = {
    "init": "kernel_initializer",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "bias": "use_bias",
    "p": "rate",
    "pool_length": "pool_size",
    "stride": "strides",
    "atrous_rate": "dilation_rate",
}
_INITIALIZERS = {"uniform": "random_uniform", "normal": "random_normal"}
_KERNEL = ("nb_row", "nb_col")
_KERNEL_3D = ("kernel_dim1", "kernel_dim2", "kernel_dim3")


def modern(cls: str, arguments: dict[str, Value]) -> dict[str, Value]:
    """The same arguments as Keras 2 and 3 call them; today's names stay."""
    found = {_RENAMED.get(k, k): v for k, v in arguments.items()}
    if cls != "Embedding" and "units" not in found and "output_dim" in found:
        found["units"] = found.pop("output_dim")
    for names in (_KERNEL, _KERNEL_3D):
        sizes = [found.get(n) for n in names]
        if all(whole(s) is not None for s in sizes):
            found = {k: v for k, v in found.items() if k not in names} | {"kernel_size": Items([*sizes])}
    started = found.get("kernel_initializer")
    if isinstance(started, str) and "init" in arguments:
        found["kernel_initializer"] = _INITIALIZERS.get(started, started)
    if "dim_ordering" in found:
        found["data_format"] = "channels_first" if found.pop("dim_ordering") == "th" else "channels_last"
    return found


def orders(cls: str, values: list[Value]) -> str:
    """Names by position of a convolution whose kernel is given as two or three numbers; "" for any other call."""
    axes = {"Convolution2D": 2, "Conv2D": 2, "Deconvolution2D": 2, "Convolution3D": 3}.get(cls, 0)
    numbers = [whole(v) is not None for v in values[: axes + 1]]
    if axes and len(numbers) == axes + 1 and all(numbers) and (cls.startswith("Conv") and "olution" in cls):
        return " ".join(("nb_filter", *(_KERNEL if axes == 2 else _KERNEL_3D), "init", "activation"))
    return ""
