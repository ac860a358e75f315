"""Composite modules whose forward() a printout hides, known from their library's source.

A block is recognised by the names of its children, so that copies of a design under another class name
are read too, and by its class where names do not decide. Everything that only the class implies (adds, order,
functional activations, parameters that are no modules) is assumed. One module for each family names its sources.
"""

from kaiming_mcp.architecture.blocks.block import Context
from kaiming_mcp.architecture.blocks.registry import find_block

__all__ = ["Context", "find_block"]
