"""Two texts about one model: what the one hides is taken from the other."""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.ir import Assumption, Attention, Layer, Network, Node, layers
from kaiming_mcp.architecture.rewrite import transform


def with_configuration(printed: Network, configured: Network) -> Network:
    """A printed model, with the heads, masks and initialization that its configuration gives."""
    known = [la.op for la, _ in layers(configured.root) if isinstance(la.op, Attention)]

    def change(node: Node) -> Node:
        if not (isinstance(node, Layer) and isinstance(node.op, Attention)) or node.op.heads:
            return node
        op = node.op
        same = next((k for k in known if (k.features, k.kv_width) == (op.features, op.kv_width)), None)
        if same is None:
            return node
        return replace(node, op=replace(op, heads=same.heads, causal=same.causal, scale=same.scale))

    mine, theirs = account(printed).total, account(configured).total
    doubt = (
        ()
        if mine == theirs
        else (
            Assumption(
                f"the printout holds {mine:,} parameters, the configuration {theirs:,}; the printout is taken",
                "the configuration of the very model that was printed",
            ),
        )
    )
    return replace(
        printed,
        root=transform(printed.root, change),
        initialization=printed.initialization or configured.initialization,
        assumptions=(*printed.assumptions, *doubt),
    )


def with_table(written: Network, table: Network) -> Network:
    """A model read from its source, with the input and the total that its summary table states."""
    return replace(written, input=written.input or table.input, stated=table.stated)


def with_tables(printed: tuple[Network, ...], tables: tuple[Network, ...]) -> tuple[Network, ...]:
    """Printed models and summary tables: a table of a printed model gives its total and input, another is one more."""
    networks = list(printed)
    for table in tables:
        totals = [account(n).total for n in networks]
        same = next((i for i, n in enumerate(networks) if n.name == table.name or totals[i] == table.stated), None)
        if same is None:
            networks.append(table)
        else:
            networks[same] = with_table(networks[same], table)
    return tuple(networks)
