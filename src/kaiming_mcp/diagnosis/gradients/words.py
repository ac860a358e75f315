"""What a sentence states of data and runs where no log was sent: ranges, shares, and what they belong to."""

from __future__ import annotations

import math
import re

from kaiming_mcp.architecture.paste.clean import clean

LONGEST = 60_000
"""Characters of a text that are searched."""
NUMBER = r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d{1,12}(?:\.\d{1,9})?(?:[eE][-+]?\d{1,2})?"
PASTED = re.compile(r"(?m)^\s{0,20}(?:>|\[rank\d{1,4}\]:)[ \t]?")
_DEPTH_ACCURACY = re.compile(
    r"(?<![\w.])(?P<depth>\d{1,4})[ -]?(?:\w+ )?(?:layers?|blocks?)\b[^\d\n]{0,20}?(?P<share>\d{1,3}(?:\.\d+)?)\s?%",
    re.I,
)
_ZERO_SHARE = re.compile(
    r"(?P<share>\d{1,3}(?:\.\d+)?)\s?%[^.\n]{0,25}\bgrad\w*[^.\n]{0,30}(?:\bzeros?\b|\b0(?:\.0)?\b)"
    r"|\bgrad\w*[^.\n%]{0,40}(?P<other>\d{1,3}(?:\.\d+)?)\s?%[^.\n]{0,15}\bzeros?\b",
    re.I,
)
_COSINE = re.compile(
    rf"\b(?:cos(?:ine)?(?:[ _-]?sim(?:ilarity)?)?|similarity|sim|corr(?:elation)?)\b(?:\s?\([^)\n]{{0,40}}\))?(?: between[^\d\n]{{0,30}})?\s?[=:]?\s*(?P<x>{NUMBER})",
    re.I,
)
_SPREAD = re.compile(
    r"(?:\bbatch[ _](?:std|spread|variation)|\b(?:std|spread|deviation|variation|distance|dist)[ _]?(?:across|over|between|to|from)[ _](?:the |their |two |2 )?(?:mean|centroid|cent(?:er|re)|nodes?|tokens?|patches|points?|samples?|inputs?|users?|images?|examples?|batch|items?|pictures?))"
    rf"\b\s?[=:]?\s*(?P<x>{NUMBER})",
    re.I,
)
_APART = re.compile(rf"\|\|?\s?(?P<a>[hxza])\w{{0,2}}\s?-\s?(?P=a)\w{{0,2}}'?\s?\|\|?\s?[=:]?\s*(?P<x>{NUMBER})", re.I)
_DIFFER = re.compile(
    rf"\bh(?:idden)?\b[^.\n]{{0,60}}\bdiffer\w* (?:only )?(?:by|of|is|in)? ?(?:only |about |at most )?(?P<x>{NUMBER})",
    re.I,
)
_ENERGY = re.compile(rf"\b(?:dirichlet(?: energy)?|mean average distance|MAD)\b\s?[=:]?\s*(?P<x>{NUMBER})", re.I)
_ENTROPY = re.compile(rf"\bentropy\b[^\n\d]{{0,30}}?(?:head|layer|block)?\s?\d{{0,3}}\s?[=:]?\s(?P<x>{NUMBER})", re.I)
_GATE = re.compile(r"\bgates?\b(?: (?!router|expert)[a-z]\w{0,12}){0,5}\W{1,3}(?P<x>[01]\.\d{1,9}(?:e-\d{1,2})?)", re.I)
_ALIKE = re.compile(r"\bcos(?:ine)?\b|\bsimilarity\b", re.I)
_BY_NAME = re.compile(r"\b([A-Za-z]{1,10}[ _]?\d{1,3})\s?[:=]?\s{1,3}(-?[01]\.\d{1,9})(?![\w.]\d)")
_SPREAD_RATIO = re.compile(
    r"\b(?:spread|std|deviation|variation|distance)\b[^\n]{0,20}(?:/|\bover\b|relative to|divided by|normali[sz]ed by)[^\n]{0,20}"
    r"\b(?:norm|rms|mean|level|size)\b[^\[]{0,80}\[(?P<list>[-+.,\de\s]{1,4000})\]",
    re.I,
)
_LEVEL = re.compile(
    rf"(?:\|\|[hxza]\w{{0,2}}\|\||\bmean(?:[ _](?:\|\|h\|\||\|h\||norm))?|\brms|, std|; std|\bstd over (?:all|everything))\b\s?[=:]?\s*(?P<x>{NUMBER})",
    re.I,
)
OF_TOKENS = (
    r"\b(?:tokens?|nodes?|patch(?:es)?)[_ -]?(?:\w+ ){0,2}(?:cos|sim|std|spread|alike|same|identical|pairwise)"
    r"|\b(?:cos\w*|sim\w*)[^\n]{0,30}\b(?:between|of|among) (?:\w+ ){0,2}(?:tokens|nodes|patches)\b"
)
"""Words of a cosine between tokens or nodes of one input."""
PLAYERS = re.compile(
    r"\b(?:[A-Z][A-Za-z]{0,8}|p?i[Xx]2?[Pp]ix)?GANs?\b|\b(?:gans?|dcgan|cyclegan|stylegan\d?|wgan(?:-gp)?|pix2pix|(?i:discriminator))\b"
    r"|(?<![A-Za-z])(?i:[dg]_loss|loss_[dg])(?![A-Za-z])"
)
"""Words of two networks that play against each other."""
POLICY = (
    r"\b(?:PPO|DQN|DDQN|DDPG|TD3|A2C|A3C|actor[- ]critic|Q[- _](?:values?|learning|net(?:work)?|loss)|value[ _]loss|critic[ _]loss|"
    r"TD[- _]error|policy gradient|REINFORCE|reinforcement)\b"
)
"""Words of values or a policy that are learned from returns."""
_LEADING = re.compile(r"\s{0,20}(?:\[\w{1,20}\]\s{0,4})?[\w.\-]{1,60}(?:\s{1,4}\d{1,4}(?![.\w]))?")
_LIMITS = re.compile(
    rf"(?P<name>[A-Za-z][\w.]{{0,80}})\W{{1,3}}(?:(?:fraction|share|part|percent\w*|ratio)(?: (?:of|with))?(?: \w+)? )?"
    rf"\|\s?\w{{1,12}}(?:\([a-z]\))?\s?\|\s?>=?\s?0?\.9\d{{0,3}}\s?[=:]?\s?(?P<x>{NUMBER})\s?(?P<percent>%)?",
    re.I,
)
_STUCK = re.compile(
    rf"(?P<x>{NUMBER})\s?(?:%|percent|per cent)[^.\n]{{0,60}}\b(?:stuck|pinned|sit|sits|saturate|lie|at|near|in)\b[^.\n\d]{{0,15}}"
    rf"(?:0 (?:or|and) 1\b|[±]\s?1\b|\+/?-\s?1\b|-1 (?:or|and) \+?1\b|(?:their |the )?(?:limits?|rails|extremes|asymptotes?|outer(?:most)? bins?))"
    rf"|(?P<beyond>{NUMBER})\s?(?:%|percent|per cent) of (?:the |all )?(?:\w+ )?(?:activations|units|outputs|neurons|values)[^.\n\d]{{0,20}}[>≥]=?\s?0?\.9\d{{0,3}}"
    rf"|(?<=[,;] )(?P<again>{NUMBER})\s?(?:%|percent|per cent) in (?:hidden )?layer",
    re.I,
)
_BEFORE = re.compile(
    rf"(?:(?<!\|)\|z\||\bpre-?act\w{{0,10}}|^\W*z_?\d{{1,3}}\b)(?: mean| std| rms| abs)?\s?[=:]?\s*(?P<z>{NUMBER})",
    re.I,
)
_RATIO = re.compile(r"\bratio\b|first\s?/\s?last|layer_?1\s?/\s?layer_?\w|g_?[01]\s?/\s?g_?\w", re.I)
_DEPTH_NUMBER = re.compile(
    rf"\b(?:D|L|N|depth|layers)\s?[=:]?\s?(?P<depth>\d{{1,4}})\s?[:,=]?\s(?:ratio )?(?P<x>{NUMBER})(?![\w%])", re.I
)
_TERM = re.compile(
    rf"\b(?P<name>pde|bc|ic|data|physics|residual|momentum|continuity|energy|mass|curl|div\w*|boundary|initial|kl|recon\w*|reg\w*|adv\w*|perceptual|mse|term ?\w)\b"
    rf"(?:[_ ]?(?:loss|term|condition|residual|equation))?\s?[:=]?\s?(?P<x>{NUMBER})(?![\w%])",
    re.I,
)
_NAMED_TERM = re.compile(
    rf"\b(?P<name>(?!train|val|test|total|first|initial|final|last|the\b|my\b|whole|mean|start)[a-z]\w{{2,20}}) (?:loss|term)s? ?[:=]? ?"
    rf"(?P<x>{NUMBER})(?![\w%])",
    re.I,
)
_NO_GRADIENT = re.compile(
    r"\b(?P<name>\w[\w.]{0,120}\.(?:weight|bias|lora_\w))(?:\.grad|'s grad\w*| grad\w*)?\s(?:is|are|=|==)\s(?:all |always |exactly )*"
    r"(?:zeros?\b|0(?:\.0*)?(?![\w.])|None\b)"
)
_NOT_REACHED = re.compile(r"did(?: not|n't) receive (?:a )?grad\w*[^:\n]{0,60}:\s?(?P<names>[\w., \[\]']{1,400})")
_NONZERO = re.compile(r"\bnon-?zero\b[^\n:/]{0,20}[:=]?\s?(\d{1,12})\s?/\s?(\d{1,12})", re.I)
_BEFORE_OUTPUT = re.compile(rf"\bpre-?(?:sigmoid|tanh|activation)[^.\n\d]{{0,40}}?(?P<z>{NUMBER})", re.I)


def accuracy_by_depth(text: str) -> list[tuple[int, float]]:
    """Depth and accuracy of networks that differ in depth: `2 layers 98 %, 8 layers 55 %`."""
    found = [
        (int(m["depth"]), as_float(m["share"]) / 100)
        for line in text[:LONGEST].split("\n")
        if re.search(r"\bacc(?:uracy)?\b", line[:2_000], re.I)
        for m in _DEPTH_ACCURACY.finditer(line[:2_000])
    ]
    return sorted(found) if len({depth for depth, _ in found}) > 1 else []


def ratio_by_depth(text: str) -> list[tuple[int, float]]:
    """Depth and gradient ratio first/last of networks that differ in depth: `D=5 0.21, D=10 8.1e-3`."""
    found = [
        (int(m["depth"]), as_float(m["x"]))
        for line in text[:LONGEST].split("\n")
        if _RATIO.search(line[:2_000])
        for m in _DEPTH_NUMBER.finditer(line[:2_000])
    ]
    return sorted(found) if len({depth for depth, _ in found}) > 1 else []


def loss_terms(text: str) -> dict[str, float]:
    """Terms of one loss with their sizes: `pde 3.1e12, bc 0.8`."""
    for line in text[:LONGEST].split("\n"):
        if re.search(r"\bloss|\bterm|\bresiduals?\b", line[:2_000], re.I):
            named = (*_TERM.finditer(line[:2_000]), *_NAMED_TERM.finditer(line[:2_000]))
            found = {m["name"]: as_float(m["x"]) for m in named}
            if len(found) > 1:
                return found
    return {}


def without_gradient(text: str) -> list[str]:
    """Parameters of which a sentence says that they get no gradient, or one of zero."""
    text = text[:LONGEST]
    unreached = [name for m in _NOT_REACHED.finditer(text) for name in re.findall(r"\w[\w.]+\w", m["names"])]
    return list(dict.fromkeys([*(m["name"] for m in _NO_GRADIENT.finditer(text)), *unreached]))


def alike(text: str) -> tuple[tuple[str, float], ...]:
    """Name and cosine between inputs of each line that gives one, or the spread between inputs beside the level.

    With mean or root mean square m and a spread s between inputs the cosine is m^2 / (m^2 + s^2), and a distance between two
    inputs is sqrt(2) s; where no level is given it is taken as that of the first spread.
    """
    lines = [line[:400] for line in clean(text[:LONGEST]).split("\n")]
    for line in lines:
        pairs = (
            [(m[1], as_float(m[2])) for m in _BY_NAME.finditer(line.partition(":")[2])] if _ALIKE.search(line) else []
        )
        if len(pairs) > 2:
            return by_depth([(name, x) for name, x in pairs if -1 <= x <= 1])
    if ratios := _ratios(text):
        return ratios
    cosines = [(_name(m.string), as_float(m["x"])) for line in lines if (m := _COSINE.search(line))]
    if len(cosines) > 2:
        return by_depth([(name, x) for name, x in cosines if -1 <= x <= 1])
    found = [
        (_name(line), as_float(m["x"]), _LEVEL.search(line))
        for line in lines
        if (m := _SPREAD.search(line) or _APART.search(line))
    ]
    found = found or [
        (_name(line), math.sqrt(abs(as_float(m["x"]))), None) for line in lines if (m := _ENERGY.search(line))
    ]
    if not found and (differ := _DIFFER.search(text[:LONGEST])):
        return (("the last hidden layer", 1 - min(1.0, as_float(differ["x"])) ** 2 / 2),)
    if len(found) < 3:
        return ()
    first = next((x for _, x, _ in found if x > 0), 1.0)
    levels = [abs(as_float(level["x"])) if level else first for _, _, level in found]
    apart = 2 if re.search(r"distance between|\|\s?[hxza]\w?\s?-", text[:LONGEST], re.I) else 1
    return by_depth(
        [(n, m * m / (m * m + s * s / apart)) for (n, s, _), m in zip(found, levels, strict=True) if m or s]
    )


def _ratios(text: str) -> tuple[tuple[str, float], ...]:
    """Cosine 1/(1 + r²) by layer from a printed list of ratios r of a spread over a level."""
    found = _SPREAD_RATIO.search(plain(text[:LONGEST]))
    sizes = [as_float(n) for n in re.findall(NUMBER, found["list"])] if found else []
    return tuple((f"layer {i}", 1 / (1 + r * r)) for i, r in enumerate(sizes, 1)) if len(sizes) > 2 else ()


def entropies(text: str) -> list[float]:
    """Entropies of attention weights, in nats."""
    lines = [line[:400] for line in text[:LONGEST].split("\n") if re.search(r"\battention\b|\battn", line[:400], re.I)]
    return [as_float(m["x"]) for line in lines if (m := _ENTROPY.search(line))]


def gates(text: str) -> list[float]:
    """Means of the gates of a recurrent cell; gates that choose an expert are others."""
    text = text[:LONGEST]
    if not re.search(r"\b(?:LSTM|GRU|forget|recurrent|highway|cell)\b", text, re.I):
        return []
    return [x for m in _GATE.finditer(text) if 0 <= (x := as_float(m["x"])) <= 1]


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key by which `layers.10` follows `layers.9`."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))


def by_depth(rows: list[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """In the order of the numbers in the names, where each has one."""
    numbers = [re.search(r"\d+(?!.*\d)", name) for name, _ in rows]
    if not all(numbers):
        return tuple(rows)
    return tuple(
        row for _, row in sorted(zip([int(m[0]) for m in numbers if m], rows, strict=True), key=lambda pair: pair[0])
    )


def _name(line: str) -> str:
    found = _LEADING.match(line)
    return " ".join(found[0].split()).strip(" :|,") if found else ""


def saturated(text: str) -> tuple[tuple[str, float], ...]:
    """Name and last share of outputs that lie at the limits: `body.1: fraction |tanh|>0.99 = 71.3%`."""
    text = clean(text[:LONGEST])
    stuck = [as_float(m["x"] or m["beyond"] or m["again"]) / 100 for m in _STUCK.finditer(text)]
    if stuck:
        return tuple((f"hidden layer {i}", share) for i, share in enumerate(stuck, 1) if share <= 1)
    found = {m["name"]: as_float(m["x"]) / (100 if m["percent"] else 1) for m in _LIMITS.finditer(text)}
    return by_depth([(name, share) for name, share in found.items() if 0 <= share <= 1])


def zero_share(text: str) -> float | None:
    """The stated share of gradient values that are zero, the largest of the layers where each is counted."""
    counted = [1 - int(m[1]) / int(m[2]) for m in _NONZERO.finditer(text[:LONGEST]) if int(m[1]) <= int(m[2]) > 0]
    if counted:
        return max(counted)
    found = _ZERO_SHARE.search(text[:LONGEST])
    share = as_float(found["share"] or found["other"]) / 100 if found else 0.0
    return share if 0 < share <= 1 else None


def before_activation(text: str) -> list[float]:
    """Sizes of the numbers that go into the nonlinearities, one a line."""
    lines = [line[:400] for line in text[:LONGEST].split("\n")]
    return [abs(as_float(m["z"])) for line in lines if (m := _BEFORE.search(line))]


def before_output(text: str) -> float | None:
    """The stated value that goes into an output nonlinearity."""
    found = _BEFORE_OUTPUT.search(text[:LONGEST])
    return as_float(found["z"]) if found else None


def plain(text: str) -> str:
    """Without what a quotation or a launcher of several processes puts in front of each line."""
    return PASTED.sub("", text)


def as_float(text: str) -> float:
    """A number as people write it: 12,500."""
    return float(text.replace(",", ""))
