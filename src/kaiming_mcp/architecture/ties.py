"""Matrices that a printout shows twice: heads tied to the token embedding, tables that two parts share.

Sources: `_tied_weights_keys` and the default of `tie_word_embeddings` of each class, transformers 5.24; peft.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.architecture.ir import Assumption, Difference, Embedding, Linear, Node, Op, layers
from kaiming_mcp.architecture.torch_repr import Module

_FAMILIES = """
    GPT2 GPTNeo(?!X) GPTNeoXJapanese GPTBigCode OpenAIGPT Starcoder2 SmolLM3 Mpt OPT Bloom Falcon(?!H1) Gemma VaultGemma
    RecurrentGemma Cohere(?!Asr) Mamba(?!2) Zamba Lfm2 JetMoe MiniCPM3 CTRL XGLM BioGpt XLNet XLM(?!Roberta)
    T5 MT5 UMT5 LongT5 SwitchTransformers Udop Pop2Piano Bart MBart PLBart Mvp BigBird Pegasus Marian M2M100 NllbMoe
    Blenderbot LED ProphetNet Whisper Speech2Text Moonshine(?!Streaming) TrOCR Florence2
    Bert MegatronBert Roberta XLMRoberta Camembert Xmod Data2VecText RoFormer RoCBert
    DistilBert Electra Albert Deberta ModernBert MobileBert MPNet Ernie
"""
_TIED = re.compile(
    rf"(?:{'|'.join(_FAMILIES.split())})\w*"
    r"(?:LMHeadModel|ForCausalLM|ForMaskedLM|ForConditionalGeneration|ForPreTraining|MTModel)|BertGenerationDecoder"
    r"|(?!Reformer|RemBert|Perceiver|Esmc|EuroBert|ModernV|Ultra|BridgeTower)\w+For(?:MaskedLM|PreTraining)"
)
"""Families that tie the head by default; masked models do, but for those left out."""
_UNTIED = re.compile(r"(?!Peft)\w+(?:ForCausalLM|LMHeadModel)")


class _Tables(NamedTuple):
    """The token embedding of a model, how often it is printed, and whether a head has its shape."""

    size: int
    times: int
    head: bool


def ties(model: Module, root: Node) -> Iterator[Assumption | Difference]:
    """What is counted twice in a printout, and what may be."""
    found = list(_models(model, ""))
    for inner, path in found:
        tables = _tables(root, path)
        if tables is None:
            continue
        if _TIED.fullmatch(inner.cls) or _shares(inner):
            if tables.head:
                yield Difference(-tables.size, "the head's weight is the token embedding, tied by default")
            if tables.times > 1:
                again = (tables.times - 1) * tables.size
                yield Difference(-again, "encoder and decoder share one token embedding, by default")
        elif tables.head:
            default = "its own matrix, the family's default" if _UNTIED.fullmatch(inner.cls) else "counted as its own"
            yield Assumption(
                f"{inner.cls}: the head is {default}; tied to the token embedding, the model has {tables.size:,} "
                "parameters fewer",
                "model.config.tie_word_embeddings"
                if _UNTIED.fullmatch(inner.cls)
                else "head.weight is embedding.weight",
            )
    if model.cls.startswith("PeftModel") and any(c.name == "word_embeddings" for c in model.children):
        tables = _tables(root, "word_embeddings")
        if tables is not None:
            yield Difference(-tables.size, "word_embeddings of peft is the model's own table, printed again")


def _shares(module: Module) -> bool:
    return any(c.name == "shared" for m in (module, *module.children) for c in m.children)


def _models(model: Module, path: str) -> Iterator[tuple[Module, str]]:
    """The models inside wrappers and pairs that are tied by their class, with their paths; else the whole."""
    stack, any_found = [(model, path)], False
    while stack:
        module, at = stack.pop()
        if _TIED.fullmatch(module.cls) or _UNTIED.fullmatch(module.cls) or _shares(module):
            any_found = True
            yield module, at
        else:
            stack.extend((c, f"{at}.{c.name}".lstrip(".")) for c in module.children if c.children)
    if not any_found:
        yield model, path


def _tables(root: Node, path: str) -> _Tables | None:
    below: list[Op] = [la.op for la, _ in layers(root) if not path or f"{la.path}.".startswith(f"{path}.")]
    tables = [op for op in below if isinstance(op, Embedding)]
    vocabulary = max(tables, key=lambda t: t.count, default=None)
    if vocabulary is None:
        return None
    shape = (vocabulary.count, vocabulary.features)
    head = any((op.out_features, op.in_features) == shape for op in below if isinstance(op, Linear))
    return _Tables(vocabulary.count * vocabulary.features, tables.count(vocabulary), head)
