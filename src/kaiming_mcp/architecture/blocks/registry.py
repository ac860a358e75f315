"""The registry of known blocks: the first entry that fits a module builds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from kaiming_mcp.architecture.blocks import (
    any_transformer,
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
from kaiming_mcp.architecture.blocks.block import Block, Builder, Context, Entry, unknown
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
)


def find_block(module: Module) -> Callable[[Module, str, Context], Node] | None:
    """The builder of a known block, by the names of its children; None for any other module."""
    names = frozenset(c.name for c in module.children)
    if not names or len(names) < len(module.children) or module.cls in {"Sequential", "ModuleList"}:
        return None
    found = _entry(module.cls, names)
    build = found.build if found else _by_parts(module, names)
    return None if build is None else lambda m, path, context: _built(build, Block(m, path, context))


@lru_cache(maxsize=4096)
def _entry(cls: str, names: frozenset[str]) -> Entry | None:
    return next((e for e in ENTRIES if e.fits(cls, names)), None)


def _by_parts(module: Module, names: frozenset[str]) -> Builder | None:
    """Blocks whose parts or whose class's name tell them, whatever their children are called."""
    if any_transformer.is_transformer_block(module):
        return any_transformer.build
    if wrappers.is_wavenet_layer(module):
        return wrappers.wavenet_layer
    if by_hand := attention.by_names(module):
        return by_hand
    return next((e.build for e in wrappers.NAMED if e.fits(module.cls, names)), None)


def _built(build: Builder, block: Block) -> Node:
    """The block, with the children that its builder did not place: beside the path, or behind it if unknown."""
    node = build(block)
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
