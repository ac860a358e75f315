"""Printed leaves to operations: one entry for each class of torch.nn, and classes known by their name.

Defaults of arguments that old versions of PyTorch do not print are torch's own. An argument that is not
understood makes the layer Opaque: nothing is read by halves.
"""

from kaiming_mcp.architecture.torch_modules.leaves import NO_PARAMETERS, Hidden, is_known, sizeless, to_layer

__all__ = ["NO_PARAMETERS", "Hidden", "is_known", "sizeless", "to_layer"]
