"""T5 and the encoder-decoders of transformers, whose parts share one table of token vectors.

Sources: transformers.models.t5, bart, whisper. T5 does not divide attention scores by sqrt(d).
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import Block, entry, stack
from kaiming_mcp.architecture.ir import Activation, Node, Product, Sequence


def gated(block: Block) -> Node:
    """wo(dropout(act(wi_0(x)) * wi_1(x)))."""
    act = block.steps("act") or [block.layer(Activation("gelu_tanh"), "act")]
    pair = Product((Sequence((*block.steps("wi_0"), *act)), *block.steps("wi_1")), block.path)
    return Sequence((pair, *block.steps("dropout", "wo")), block.path)


def encoder_decoder(block: Block) -> Node:
    """The decoder is followed behind the encoder; `shared` is the same table as both embed_tokens."""
    if "shared" in block:
        block.used.add("shared")
    said = (
        "the decoder is followed behind the encoder, though it starts from its own tokens" if "decoder" in block else ""
    )
    shared = "`shared` is the table of embed_tokens, printed again" if "shared" in block else ""
    block.known("; ".join(text for text in (said, shared) if text))
    return Sequence((*block.steps("encoder", "decoder"), *block.rest()), block.path)


ENTRIES = (
    entry("SelfAttention layer_norm", stack("+ layer_norm SelfAttention dropout")),
    entry("EncDecAttention layer_norm", stack("+ layer_norm EncDecAttention dropout")),
    entry("DenseReluDense layer_norm", stack("+ layer_norm DenseReluDense dropout")),
    entry("wi wo", stack("wi", "act", "dropout", "wo")),
    entry("wi_0 wi_1 wo", gated),
    entry("shared encoder", encoder_decoder),
    entry("encoder decoder", encoder_decoder, cls=r"Whisper\w*|Speech2Text\w*"),
)
