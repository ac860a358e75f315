"""The layer notation: a small language in which anyone can write a network from any code.

Statements are words with short arguments, blocks are braces, `#` starts a comment. Line breaks mean
nothing: a statement ends where the next word begins, so a paste that lost its lines reads the same.
The words are in `notation_words`, the description for people in principles/guide/layer-notation.md.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Assumption,
    Attention,
    Concat,
    Conv,
    Difference,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Op,
    Origin,
    Product,
    Reading,
    Recurrent,
    Repeat,
    Residual,
    Sequence,
    Shape,
    walk,
)
from kaiming_mcp.architecture.notation_words import (
    LARGEST_NUMBER,
    WORDS,
    Arguments,
    Fault,
    Token,
    Word,
    find_word,
    joined_width,
    leaves_padding_open,
    shorten,
    spelling,
    width_after,
)

LONGEST_TEXT = 2_000_000
DEEPEST_NESTING = 60
LARGEST_REPEAT = 1_000_000

_TOKEN = re.compile(r'#[^\n]*|"[^"\\]*(?:\\.[^"\\]*)*"|[;{}"]|[^\s;{}"#]+', re.DOTALL)
_NAMED = re.compile(r"([a-z]+)=?([-+.0-9].*)?", re.IGNORECASE | re.DOTALL)
_SHAPE_PART = re.compile(r"[0-9x×*,()\[\]]+|tokens?", re.IGNORECASE)
_SHAPE = re.compile(r"[\s(\[]*[0-9]+(?:[\s,x×*]+[0-9]+)*[\s,)\]]*")
_EXAMPLE = "input 3x32x32 ; conv 3 64 k3 ; relu ; globalpool ; linear 64 10"
_BLOCK = "repeat 8 { linear 64 64 ; relu }"


def read_notation(text: str) -> Reading:
    """Read one network, named "network".

    Raises ReadError with line and column, what was expected, the nearest word, and an example.
    """
    if len(text) > LONGEST_TEXT:
        raise ReadError(
            f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} are read. "
            "Write what repeats once: repeat 48 { linear 512 512 ; relu }"
        )
    reader = _Reader(text)
    try:
        return Reading("layer-notation", (reader.network(),))
    except Fault as fault:
        place = f"line {reader.line(fault.at)}, column {reader.column(fault.at)}"
        stop = "" if fault.message.endswith("?") else "."
        raise ReadError(f"Layer notation, {place}: {fault.message}{stop} Example: {fault.example}") from None


def looks_like_notation(text: str) -> bool:
    """Whether the text begins with a layer word and at least half of its start is in the notation."""
    head = re.sub(r'"[^"\n]*"', '"text"', text[:4000])
    pieces = [piece for piece in re.split(r"[;{}\n]", re.sub(r"#[^\n]*", "", head)) if piece.strip()]
    first = find_word(pieces[0].split()[0]) if pieces else None
    if first is None or first[0].name in ("extra", "total", "loss", "init"):
        return False
    return 2 * sum(_Reader(piece).is_plausible() for piece in pieces) >= len(pieces)


def parse_shape(text: str) -> Shape:
    """The shape of one example, without the batch: `3x224x224`, `784`, `tokens 1024`, `(3, 32, 32)`.

    Channels come first; four numbers are channels x depth x height x width. Raises ReadError.
    """
    body, tokens = re.subn(r"\btokens?\b", " ", text[:200].lower().strip().removeprefix("input"))
    sizes = [int(size) for size in re.findall("[0-9]{1,10}", body)] if _SHAPE.fullmatch(body) else []
    if not 1 <= len(sizes) <= (2 if tokens else 4) or not all(0 < size <= LARGEST_NUMBER for size in sizes):
        raise ReadError(
            f"The input shape {shorten(text)} was not understood. Expected channels x height x width such as "
            "3x224x224, one number such as 784, or tokens 1024 (with their width: tokens 1024 x 512)"
        )
    if tokens:
        return Shape(sizes[1] if len(sizes) == 2 else None, (sizes[0],))
    return Shape(sizes[0], tuple(sizes[1:]))


class _Reader:
    """A cursor over the tokens, and what the statements before it have said."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [Token(m[0], m.start()) for m in _TOKEN.finditer(text) if m[0][0] != "#"]
        self.breaks = [m.start() for m in re.finditer("\n", text)]
        self.position = 0
        self.depth = 0
        self.statements = 0
        self.width = 0
        self.input: Shape | None = None
        self.extra = 0
        self.loss = ""
        self.started = False
        self.stated: int | None = None
        self.previous: Word | None = None
        self.widthless: Token | None = None
        self.unpadded: Token | None = None

    def network(self) -> Network:
        root = self.sequence()
        if self.peek():
            raise Fault(self.take().at, "this } closes no block", _BLOCK)
        if root == Sequence(()):
            raise Fault(0, "there is no layer in the text", _EXAMPLE)
        assumptions: tuple[Assumption, ...] = ()
        if (conv := self.unpadded) is not None:
            statement = (
                f"Line {self.line(conv.at)}: {conv.text} has an even kernel and no padding is written, so 0 is taken"
            )
            assumptions = (Assumption(statement, "p of the layer, such as k4 s2 p1"),)
        if (norm := self.widthless) is not None:
            statement = f"Line {self.line(norm.at)}: the width of {norm.text} is not known, so 0 is taken."
            assumptions += (Assumption(statement, f"Write it after the word: {norm.text} 64"),)
        modules = sum(times for _, times in walk(root))
        apart = (Difference(self.extra, "held outside the layers, as written"),) if self.extra else ()
        words = "own" if self.started else ""
        return Network("network", root, self.input, assumptions, apart, modules, words, self.loss, self.stated)

    def is_plausible(self) -> bool:
        """Whether the text is nothing but words, each with a number where it needs any."""
        try:
            while self.peek():
                head = self.take()
                if (found := find_word(head.text)) is None:
                    return False
                if found[0].name == "input":
                    self.shape(head)
                elif not self.arguments(head, *found).values and found[0].required:
                    return False
        except Fault:
            return False
        return True

    def line(self, at: int) -> int:
        """The 1-based line of an offset."""
        return bisect_left(self.breaks, at) + 1

    def column(self, at: int) -> int:
        """The 1-based column of an offset."""
        return at - self.text.rfind("\n", 0, at)

    def peek(self) -> str:
        """The next token, "" at the end."""
        return self.tokens[self.position].text if self.position < len(self.tokens) else ""

    def take(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def sequence(self) -> Node:
        """The statements up to a closing brace or the end of the text."""
        inner: list[Node] = []
        while self.peek() not in ("", "}"):
            head = self.take()
            if head.text == ";":
                self.previous = None
            elif node := self.statement(head):
                inner.append(node)
        return inner[0] if len(inner) == 1 else Sequence(tuple(inner))

    def block(self, head: Token, word: Word) -> Node:
        """The statements between braces."""
        if self.peek() != "{":
            raise Fault(head.at, f"{word.name} needs a block in braces", word.example)
        opening = self.take()
        if self.depth == DEEPEST_NESTING:
            raise Fault(opening.at, f"blocks are nested deeper than {DEEPEST_NESTING}", _BLOCK)
        self.depth += 1
        inner = self.sequence()
        if not self.peek():
            raise Fault(opening.at, f"the block of {word.name} that begins here is never closed by a }}", _BLOCK)
        self.position += 1
        self.depth -= 1
        return inner

    def statement(self, head: Token) -> Node | None:
        word, axes = self.known(head)
        if word.name == "input":
            if self.statements or self.input:
                raise Fault(head.at, "input is written once, before the first layer", _EXAMPLE)
            self.input = self.shape(head)
            self.width = self.input.features or 0
            return None
        a = self.arguments(head, word, axes)
        if missing := [name for name in word.required if name not in a.values]:
            names = " and ".join(name.upper() if name in word.order else name for name in missing)
            raise Fault(head.at, f"{word.name} needs {names} (it is written {word.usage})", word.example)
        if word.name == "extra":
            self.extra += a.signed("n")
            return None
        if word.name == "total":
            self.stated = a.signed("n")
            return None
        if word.name == "init":
            raise Fault(head.at, "init stands right behind the layer that it is for", word.example)
        if word.name == "loss":
            self.loss = a.text("text")
            return None
        self.statements += 1
        path = f"{self.statements}:{word.name}"
        if word.build:
            op = word.build(a)
            if isinstance(op, Conv) and "p" not in a.values and leaves_padding_open(op) and self.unpadded is None:
                self.unpadded = head
            return self.layer(head, op, path)
        entry = self.width
        match word.name:
            case "repeat":
                if (count := a.count("n")) > LARGEST_REPEAT:
                    raise Fault(head.at, f"repeat is at most {LARGEST_REPEAT:,}", word.example)
                return Repeat(count, self.block(head, word), path, "identical" in a.switches)
            case "residual":
                scale, branch, shortcut = a.real("scale", 1.0), self.block(head, word), None
                if spelling(self.peek()) == "shortcut":
                    leaving, self.width = self.width, entry
                    shortcut = self.block(self.take(), WORDS["shortcut"])
                    self.width = leaving
                return Residual(branch, shortcut, scale, path)
            case "concat" | "product":
                branches: list[Node] = []
                widths: list[int] = []
                while len(branches) < 2 or self.peek() == "{":
                    self.width = entry
                    branches.append(self.block(head, word))
                    widths.append(self.width)
                if word.name == "product":
                    return Product(tuple(branches), path)
                self.width = joined_width(widths)
                return Concat(tuple(branches), path)
            case _:
                raise Fault(head.at, "a shortcut stands right after the block of its residual", word.example)

    def layer(self, head: Token, op: Op, path: str) -> Layer:
        if isinstance(op, Norm) and not op.features and self.widthless is None:
            self.widthless = head
        self.width = width_after(op, self.width)
        start = self.start(op)
        last = self.tokens[self.position - 1]
        text = self.text[head.at : last.at + len(last.text)]
        origin = Origin(self.line(head.at), text if len(text) <= 80 else f"{text[:77]}...")
        return Layer(op, path, origin, start=start)

    def start(self, op: Op) -> str:
        """How this layer's own weights are drawn: `init "std 0.01"` behind it."""
        if spelling(self.peek()) != "init":
            return ""
        head = self.take()
        if not isinstance(op, Linear | Conv | Embedding | Attention | Recurrent):
            raise Fault(head.at, "init stands behind a layer with weights", WORDS["init"].example)
        if not (text := self.peek()).startswith('"') or len(text) < 3:
            raise Fault(head.at, "init needs how the weights are drawn, in quotes", WORDS["init"].example)
        self.started = True
        return Arguments(WORDS["init"], head, 2, 0, {"text": self.take()}, set()).text("text")

    def arguments(self, head: Token, word: Word, axes: int) -> Arguments:
        """Everything up to the next token that cannot belong to the word."""
        values: dict[str, Token] = {}
        switches: set[str] = set()
        self.previous = word
        while (text := self.peek()) not in ("", "{", "}", ";"):
            named = _NAMED.fullmatch(text)
            name, glued = (named[1].lower(), named[2]) if named else ("", None)
            if text[0] in '0123456789.+-"':
                name = next((slot for slot in word.order if slot not in values), "")
                if not name:
                    message = f"{word.name} takes no further number (it is written {word.usage})"
                    raise Fault(self.take().at, f"{shorten(text)} has no place: {message}", word.example)
                values[name] = self.take()
            elif text.lower() in word.switches:
                switches.add(self.take().text.lower())
            elif name in word.named:
                token = self.take()
                if glued is None and self.peek() in ("", "{", "}", ";"):
                    raise Fault(token.at, f"{name} of {word.name} needs a number", word.example)
                values[name] = Token(glued.lower(), token.at) if glued else self.take()
            else:
                break
        return Arguments(word, head, axes, self.width, values, switches)

    def shape(self, head: Token) -> Shape:
        start = self.position
        while _SHAPE_PART.fullmatch(self.peek()):
            self.position += 1
        parts = self.tokens[start : self.position] or self.tokens[start : start + 1]
        try:
            return parse_shape(" ".join(part.text for part in parts))
        except ReadError as error:
            raise Fault(head.at, str(error), WORDS["input"].example) from None

    def known(self, head: Token) -> tuple[Word, int]:
        if found := find_word(head.text):
            return found
        shown, near = shorten(head.text), self.previous
        word, bracket, _ = head.text.partition("(")
        if bracket and (called := find_word(word)):
            raise Fault(head.at, f"{shown}: numbers follow the word without brackets or commas", called[0].example)
        choices = [*WORDS, *(near.named | near.switches if near else ())]
        message = f"{shown} is not a layer word" + (f" nor an argument of {near.name}" if near else "")
        match difflib.get_close_matches(spelling(head.text[:40]), choices, 1):
            case [best] if best in WORDS:
                raise Fault(head.at, f"{message}; did you mean '{WORDS[best].name}'?", WORDS[best].example)
            case [best]:
                raise Fault(head.at, f"{message}; did you mean '{best}'?", near.example if near else _EXAMPLE)
            case _:
                expected = "expected one such as conv, linear, batchnorm, relu, repeat or residual"
                raise Fault(head.at, f"{message}; {expected}", near.example if near else _EXAMPLE)
