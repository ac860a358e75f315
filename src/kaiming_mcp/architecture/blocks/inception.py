"""Branches side by side: GoogLeNet and the Inception networks.

The pooling in front of branch_pool and in the reducing blocks is a function and not printed.
Sources: torchvision.models.googlenet, inception, video.s3d; timm.models.inception_v4.
"""

from __future__ import annotations

import re

from kaiming_mcp.architecture.blocks.block import Block, entry
from kaiming_mcp.architecture.ir import Concat, Layer, Node, Pool, Sequence

_AUX = ("aux1", "aux2", "AuxLogits", "aux_classifier")
_STEP = re.compile(r"(?P<branch>branch[a-z0-9]+?(?:dbl|x3)?)(?:_(?P<step>\d+)(?P<fork>[ab]?))?")


def googlenet(block: Block) -> Node:
    """The auxiliary heads stand beside the main path, in training only."""
    for name in _AUX:
        if name in block:
            block.aside(name, "an auxiliary head beside the main path, used in training")
    return Sequence(tuple(block.rest()), block.path)


def side_by_side(block: Block) -> Node:
    """branch0, branch1, ... of the same input."""
    block.known("the branches side by side")
    return Concat(tuple(block.node(name) for name in block.children), block.path)


def named_branches(block: Block) -> Node:
    """Inception3: `branch7x7_1`, `branch7x7_2` are steps of one branch; `_2a` and `_2b` fork it."""
    chains = dict[str, list[tuple[str, str]]]()
    for name in block.children:
        found = _STEP.fullmatch(name)
        branch, fork = (found["branch"], found["fork"] or "") if found else (name, "")
        chains.setdefault(branch, []).append((name, fork))
    block.known("the branches side by side; pooling before branch_pool, or beside a block that strides")
    branches = list[Node]()
    for branch, steps in chains.items():
        nodes: list[Node] = []
        if branch == "branch_pool":
            nodes.append(_average(block))
        nodes += [block.node(name) for name, fork in steps if not fork]
        forks = tuple(block.node(name) for name, fork in steps if fork)
        if forks:
            nodes.append(Concat(forks, f"{block.path}.{branch}"))
        branches.append(Sequence(tuple(nodes), f"{block.path}.{branch}"))
    if "branch_pool" not in chains and "branch0" not in chains:
        branches.append(block.layer(Pool("max", (3,), (2,)), "maxpool"))
    return Concat(tuple(branches), block.path)


def _average(block: Block) -> Layer:
    return block.layer(Pool("avg", (3,), (1,), (1,)), "avgpool")


ENTRIES = (
    entry("aux1 aux2", googlenet),
    entry("AuxLogits", googlenet),
    entry("branch1 branch2 branch3 branch4", side_by_side, "branch1"),
    entry("branch0 branch1", side_by_side, "branch2 branch3", r"(?:Mixed|Inception|Reduction|SepInception)\w*"),
    entry("maxpool conv", side_by_side, "conv", r"Mixed\w+"),
    entry("branch1_0 branch1_1a", named_branches, cls=r"Inception\w*"),
    entry("branch_pool", named_branches, cls=r"Inception\w*"),
    entry("branch3x3 branch3x3dbl_1", named_branches, cls=r"Inception\w*"),
    entry("branch3x3_1 branch7x7x3_1", named_branches, cls=r"Inception\w*"),
)
