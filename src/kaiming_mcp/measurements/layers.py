"""Names of layers in text: where they stand, what part of a layer they are, and their order by depth."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

_PARAMETER = (
    r"weight|bias|kernel|gamma|beta|weights|biases|lora_[AB]"
    r"|weight_[ih]h_l\d{1,3}(?:_reverse)?|bias_[ih]h_l\d{1,3}(?:_reverse)?"
    r"|in_proj_weight|in_proj_bias|cls_token|pos_embed|weight_[gv]|recurrent_kernel|embeddings|embedding|scale|class_embedding"
)
_STEM = (
    r"layers?|blocks?|stages?|conv\d?d?|convs|fc|linear|lin|dense|hidden|hid|encoder|decoder|enc|dec|lstm|gru|rnn|attn"
    r"|attention|self_attn|mlp|ffn|norm|bn|ln|layer_?norm|batch_?norm\w{0,10}|embed\w{0,10}|head|res|resblock|down|up"
    r"|features|classifier|module|transformer|conv1d|conv2d|conv3d|activation|relu|tanh|sigmoid|gelu|dropout|max_pool\w{0,4}|unit|cell"
)
_OF_KIND = (
    r"hidden|conv(?:olution(?:al)?)?|dense|linear|fc|connected|encoder|decoder|transformer|residual|attention|recurrent"
    r"|lstm|gru|rnn|mlp|gcn|gat|graph|resnet|down|up|inner|middle|pooling|norm"
)
_SPACED = rf"(?:(?:{_OF_KIND}) )?(?:layer|block|stage|level)|hidden|module|cell|unit|position|time ?step|token"
_JOINT = r"(?:,\s{0,3}(?:\.\.\.?|…)\s?,?|\.\.\.?|…|,|&|and|to|through|[-–])"
_BARE = (
    r"fc|conv|lstm|gru|rnn|embedding|embed|head|classifier|encoder|decoder|stem|lm_head|wte|wpe|ffn|out_proj|dense"
    r"|linear|backbone"
)
_SEGMENT = r"[A-Za-z_]\w{0,60}|\d{1,4}"
_PATH = rf"(?:{_SEGMENT})(?:\.(?:{_SEGMENT})){{1,12}}"
_FOUND = re.compile(
    r"(?:(?<![\w./])|(?<=L/d)|(?<=L/∂)|(?<=params/)|(?<=grads/)|(?<=gradients/)|(?<=grad/)|(?<=grad_norm/))(?:"
    rf"(?P<path>{_PATH})(?!\.?\w|\()"
    r"|(?P<many>(?P<of>layer|block|position|time ?step|token)s?\s"
    rf"(?P<list>\d{{1,3}}(?:\s{{0,2}}{_JOINT}\s{{0,2}}(?:(?:layer|block)\s)?\d{{1,3}}){{1,30}}))(?![.\w])"
    r"|(?P<deep>(?!(?:params|grads?|gradients|grad_norms?|weights|updates)/)[A-Za-z_]\w{0,60}(?:/\w{1,60}){0,8}"
    r"/(?:weight|bias|kernel|gamma|beta|embedding|recurrent_kernel)(?::0)?)(?!\w)"
    rf"|(?P<slash>(?:{_STEM})_?\d{{0,4}}(?:/(?:{_PARAMETER}|{_STEM})_?\d{{0,4}}){{1,4}}(?::0)?)(?!\w)"
    rf"|(?P<stem>(?:{_STEM})(?:_\d{{1,4}}|\[\d{{1,4}}\]|-\d{{1,4}}|\d{{1,4}}(?:_\d{{1,3}})?)"
    rf"|(?:{_SPACED})[ #]{{1,6}}\d{{1,3}}|(?:conv|fc|linear|dense) \d{{1,2}})"
    r"(?![\w%]|\.\w|-\d|\s?/\s?(?:\d|[A-Za-z]+\d))"
    r"|(?P<symbol>(?-i:[gGWwhz])\[?_?\{?\d{1,2}\}?\]?|x\d{1,2}(?=\s(?:std|mean|norm|rms|var|max|abs)\b))"
    r"(?![\w%/]|\.\w|\s?/)"
    r"|(?P<ordinal>(?:first|second|third|last|final|input|output|bottom|top)(?: \w{3,12})?"
    r" (?:layer|conv|fc|linear|dense|block))(?!\w)"
    rf"|(?P<bare>(?<![^\s])(?:{_BARE}))(?=\s*[:=|]|\s+(?:[-+]?\d|max|min|mean|std|grad|norm|abs|weight|bias|dead|act))"
    r")(?P<tail>(?:\s?/\s?|\.|\s)(?P<lora>lora_[AB](?:/lora_[AB])?))?",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:name|layer|module|param|parameter|tensor)\s?[:=]\s?[\"']?(?!value\b|name\b|grad\w*\b|norm\b|mean\b|std\b)([A-Za-z][\w./\[\]:-]{0,100})[\"',]?",
    re.I,
)
_ORDINAL = re.compile(r"\b(?:first|last|final|input|output) layer\b", re.I)
_ELLIPSIS = re.compile(
    r"\bthe (first|last|final)\b(?!\s\w*(?:layer|block|step|epoch|iter|batch|value|one|few|time|\d))", re.I
)
_GLUED = (
    r"(?:grad(?:ient)?s?|norms?|weights?|act(?:ivation)?s?|mean|std|var|rms|max|min|abs|dead|zero|sat(?:urat\w{2,3})?|cos(?:ine)?"
    r"|updates?|ratio|l2|frac(?:tion)?)"
)
_AFTER_WORDS = re.compile(
    rf"(?<![A-Za-z0-9])({_GLUED}(?:_{_GLUED}){{0,4}})_(?=(?:{_STEM})_?\d{{1,4}}(?![A-Za-z0-9]))", re.I
)
_AFTER_LETTER = re.compile(rf"(?<![A-Za-z0-9_])g_(?=(?:{_STEM})_?\d{{1,4}}(?![A-Za-z0-9_]))", re.I)
_BEFORE_WORDS = re.compile(rf"(?<![A-Za-z0-9])((?:{_STEM})_?\d{{1,4}})_(?={_GLUED}(?![A-Za-z0-9]))", re.I)
_KNOWN_PARAMETER = re.compile(rf"(?:{_PARAMETER})$", re.IGNORECASE)
_KNOWN_STEM = re.compile(rf"(?:{_STEM})_?\d{{0,4}}$", re.IGNORECASE)
_FILE = re.compile(r"\.(?:py|json|txt|pt|pth|ckpt|csv|yaml|yml|log|ipynb|com|org|io)$", re.IGNORECASE)
_SUFFIX = re.compile(r"[./](?:grad|data|_?grad_fn)?(?:[./](?:norm|mean|std|abs|max|min|item))*(?:\(\d?\))?$")
MOST_LISTED = 1_000
"""Layers that a list such as `0, 1, ... 63` may leave out."""
_DIGITS = re.compile(r"(\d+)")

_FIRST = "embed embedding embeddings wte wpe stem input patch word token position pos inp first root embedder".split()
_BODY = (
    "conv convs layer layers block blocks stage stages features feature body trunk backbone hidden hid encoder enc h "
    "model net transformer module res lstm gru rnn cell unit mixer group g w x z a d mlp self".split()
)
_TAIL = "neck decoder dec dense linear lin fc".split()
_LAST = "classifier head output out lm score logits last final pred predictor proj cls fc_out top heads pooler".split()
_INSIDE = (
    "norm ln bn q k v query key value qkv attn attention self_attn c_attn in_proj o out_proj c_proj mlp ffn".split()
)
_NORM = re.compile(
    r"(?:^|[._/])(?:bn|ln|gn|norm|layer_?norm|batch_?norm\w*|rms_?norm|group_?norm|ln_f|ln)_?\d*(?:[._/]|$)"
    r"|norm\w{0,3}\b",
    re.I,
)
_EMBEDDING = re.compile(r"(?:^|[._/])(?:\w*embed\w*|wte|wpe|pos_emb\w*|tok_emb\w*|cls_token)", re.I)


def found(line: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Each place of a line that names layers: begin, end, the names."""
    for match in _NAMED.finditer(line):
        yield match.start(), match.end(1) - _grad(match[1]), (tidy(match[1]),)
    if " layer" in line and _ORDINAL.search(line):
        # `1e-10 in the first layer and 0.1 in the last`
        for match in _ELLIPSIS.finditer(line):
            yield match.start(1), match.end(1), (f"{match[1].lower()} layer",)
    several = False
    for match in _FOUND.finditer(line):
        names = _names(match)
        # A bare word such as `fc` is a layer at the head of a line, or in a row of other layers.
        if names and (not match["bare"] or several or not line[: match.start()].strip()):
            several = True
            yield match.start(), match.end() - _grad(match[0]), names


def unglued(text: str) -> str:
    """`grad_norm_fc1` and `layer_0_grad_norm` with a blank between the layer and the words; `g_fc1` as `grad fc1`."""
    if "_" not in text:
        return text
    return _BEFORE_WORDS.sub(r"\1 ", _AFTER_WORDS.sub(r"\1 ", _AFTER_LETTER.sub("grad ", text)))


def _grad(name: str) -> int:
    """How many characters at the end of a name say that it is a gradient: they are words, not name."""
    found = name.rfind(".grad")
    return len(name) - found if found > 0 else 0


def _names(match: re.Match[str]) -> tuple[str, ...]:
    tail = f".{match['lora']}" if match["lora"] and "/" not in match["lora"] else ""
    if many := match["list"]:
        return tuple(f"{match['of'].lower()} {n}" for n in _listed(many))
    if path := match["path"]:
        return (tidy(path) + tail,) if is_path(path) else ()
    return (
        tidy(match["deep"] or match["slash"] or match["stem"] or match["symbol"] or match["ordinal"] or match["bare"])
        + tail,
    )


def _listed(text: str) -> list[int]:
    numbers = [int(n) for n in re.findall(r"\d+", text)]
    to = len(numbers) == 2 and re.search(r"[-–]|to|through|\.\.|…", text)
    if (to or re.search(r"(?:\.\.|…)\D*\d+$", text)) and 0 < numbers[-1] - numbers[-2] < MOST_LISTED:
        # `0, 1, ... 63` and `0, 2, .. 10` go on as they begin.
        step = numbers[1] - numbers[0] if len(numbers) > 2 else 1
        return [*numbers[:-2], *range(numbers[-2], numbers[-1] + 1, max(1, step))]
    return numbers


@lru_cache(maxsize=4096)
def is_path(text: str) -> bool:
    """Whether a dotted or slashed word names a parameter or a layer, not a file or a function."""
    text = tidy(text)
    if _FILE.search(text):
        return False
    parts = re.split(r"[./]", text)
    if _KNOWN_PARAMETER.match(parts[-1].removesuffix(":0")):
        return True
    return (
        len(parts) > 1
        and any(p.isdigit() or _KNOWN_STEM.match(p) for p in parts)
        and not all(p.isdigit() for p in parts)
    )


@lru_cache(maxsize=4096)
def is_layer(text: str) -> bool:
    """Whether a whole key or cell names a layer."""
    text = tidy(text)
    return bool(text) and (
        is_path(text) or bool(re.search(r"\d", text) and (m := _FOUND.match(text)) and m.end() == len(text))
    )


def tidy(name: str) -> str:
    """A name without what the code around it added: quotes, `.grad`, `.norm()`, the `module.` of a wrapper."""
    name = " ".join(name.split()).strip("\"'`*()[]:,= \t")
    name = _SUFFIX.sub("", name)
    name = re.sub(r"^(?:module|_orig_mod)\.(?=[A-Za-z])", "", name)
    return re.sub(r"\[(\d+)\]?", r".\1", name).removesuffix(":0")


def part(name: str) -> str:
    """The kind of parameter that a name ends in: weight, bias, or "" for a whole layer."""
    last = re.split(r"[./ ]", name)[-1].lower().removesuffix(":0")
    if "bias" in last or last == "beta":
        return "bias"
    return "weight" if _KNOWN_PARAMETER.match(last) else ""


def role(name: str, kind: str = "") -> str:
    """norm or embedding where a name or a class says so, else ""."""
    owner = re.sub(rf"[./](?:{_PARAMETER})$", "", name, flags=re.IGNORECASE)
    if "norm" in kind.lower() or (not kind and _NORM.search(owner)):
        return "norm"
    return "embedding" if "embedding" in kind.lower() or (not kind and _EMBEDDING.search(owner)) else ""


def order(names: Sequence[str], given: bool = False) -> tuple[list[int], str]:
    """The positions of names by depth of the network, and the basis: probe order, names, as printed."""
    printed = list(range(len(names)))
    if given:
        return printed, "probe order"
    keys = [_key(name) for name in names]
    if not _comparable(keys):
        return printed, "as printed"
    return sorted(printed, key=lambda i: (keys[i], names[i])), "names"


_Key = tuple[tuple[int, int, int, str], ...]


def _key(name: str) -> _Key:
    # `layer 10` and `layer1` stand in one list.
    joined = re.sub(r"(?<=[a-z]) (?=\d{1,4}(?:$|[./ ]))", "", name.lower())
    return tuple(_segment(part) for part in re.split(r"[./ ]", joined) if part)


@lru_cache(maxsize=4096)
def _segment(text: str) -> tuple[int, int, int, str]:
    """A rank, a number, the place inside a block, and the word."""
    pieces = _DIGITS.split(re.sub(r"(conv|norm|pool(?:ing)?|transpose)[123]d", r"\1", text), maxsplit=1)
    word = re.sub(r"_?(?:ih|hh)_?l?$", "", pieces[0]).strip("_-[# ")
    count = int(pieces[1][:9]) if len(pieces) > 1 else -1
    words = re.split(r"[_-]", word)
    inside = next((i for i, w in enumerate(_INSIDE) if w == word), len(_INSIDE))
    if not word or word in _BODY or inside < len(_INSIDE):
        rank = 2
    elif any(w in _FIRST for w in words):
        rank = 1
    elif any(w in _LAST for w in words):
        rank = 4
    elif any(w in _TAIL for w in words):
        rank = 3
    else:
        rank = 0
    return rank, count, inside, word


def _comparable(keys: list[_Key]) -> bool:
    """Whether every two names differ first in a number, a known place or a known word."""
    groups: dict[_Key, set[tuple[int, int, int, str]]] = {}
    for key in keys:
        for i, segment in enumerate(key):
            groups.setdefault(key[:i], set()).add(segment)
    return all(_ranked(group) for group in groups.values())


def _ranked(group: set[tuple[int, int, int, str]]) -> bool:
    words = {word for _, _, _, word in group}
    if len(words) <= 1:
        return len({count for _, count, _, _ in group}) == len(group)
    return all(rank or _KNOWN_PARAMETER.match(word) for rank, _, _, word in group)
