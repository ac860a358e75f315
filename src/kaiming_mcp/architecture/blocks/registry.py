"""The registry of known blocks: the first entry that fits a module builds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from kaiming_mcp.architecture.blocks import (
    attention,
    bert,
    convnext,
    dense,
    gpt,
    inception,
    llama,
    mobile,
    models,
    resnet,
    t5,
    torch_transformer,
    vision_transformer,
    wrappers,
)
from kaiming_mcp.architecture.blocks.block import Block, Context, Entry, unknown
from kaiming_mcp.architecture.ir import Node, Sequence
from kaiming_mcp.architecture.parameters import total_parameters
from kaiming_mcp.architecture.torch_repr import Module

ENTRIES: tuple[Entry, ...] = (
    *models.ENTRIES,
    *wrappers.ENTRIES,
    *torch_transformer.ENTRIES,
    *resnet.ENTRIES,
    *mobile.ENTRIES,
    *dense.ENTRIES,
    *inception.ENTRIES,
    *convnext.ENTRIES,
    *vision_transformer.ENTRIES,
    *t5.ENTRIES,
    *llama.ENTRIES,
    *gpt.ENTRIES,
    *bert.ENTRIES,
    *attention.ENTRIES,
    *wrappers.NAMED,
)


def find_block(module: Module) -> Callable[[Module, str, Context], Node] | None:
    """The builder of a known block, by the names of its children; None for any other module."""
    names = frozenset(c.name for c in module.children)
    if not names or len(names) < len(module.children) or module.cls in {"Sequential", "ModuleList", "ModuleDict"}:
        return None
    found = _entry(module.cls, names)
    return None if found is None else lambda m, path, context: _built(found, Block(m, path, context))


@lru_cache(maxsize=4096)
def _entry(cls: str, names: frozenset[str]) -> Entry | None:
    return next((e for e in ENTRIES if e.fits(cls, names)), None)


def _built(found: Entry, block: Block) -> Node:
    """The block, with the children that its builder did not place: beside the path, or behind it if unknown."""
    node = found.build(block)
    width = block.context.width
    left = [name for name in block.children if name not in block.used]
    for name in left:
        extra = block.node(name)
        if unknown(extra):
            node = Sequence((node, extra), block.path)
        elif total_parameters(extra):
            block.beside(name, total_parameters(extra))
    block.context.width = width
    return node
