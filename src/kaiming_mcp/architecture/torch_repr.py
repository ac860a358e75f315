"""The grammar of PyTorch's print(model): text to a tree of modules, nothing interpreted.

torch.nn.Module.__repr__ prints a leaf as `Class(arguments)` and any other module as `Class(` followed
by one `(name): Class(...)` for each child; ModuleList joins equal neighbours as `(0-11): 12 x Class(...)`.
Line breaks mean nothing here, so a printout that went through a one-line box reads the same.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.paste.clean import unbroken

LONGEST_TEXT = 2_000_000
DEEPEST_NESTING = 80
LONGEST_ARGUMENTS = 2_000
"""Characters of arguments that are kept of one module: more is a dumped tensor or prose."""

CUT = "…"
"""Ends the arguments of a module that the text does not show to its end."""

EXAMPLE = "Sequential( (0): Linear(in_features=784, out_features=256, bias=True) (1): ReLU() )"


# A name ends in `):`; old prints (before torch 0.4) put a blank between a class and its parenthesis.
_NAME = r"[^()\n]{1,200}\)[ \t]*+:(?!:)"
_CALL = rf"(?:\(|[ \t]\((?!{_NAME}))"
_CLASS = r"[^\W\d][^\s():]{0,199}"
_LABEL = (
    rf"\((?=(?P<name>[^()\n]{{1,200}}))(?:{_NAME})\s*+"
    rf"(?:(?:(?P<copies>\d{{1,6}})\s*+x\s*+)?(?P<cls>{_CLASS}){_CALL})?"
)
_ROOT = r"(?<![\w.])(?P<root>[^\W\d][\w.]*+)"
_PARENTHESES = r"(?P<open>\()|(?P<close>\))"

_OUTSIDE = re.compile(rf"{_ROOT}[ \t]?\(|{_LABEL}")
_CANDIDATE = re.compile(rf"{_ROOT}{_CALL}|{_LABEL}|{_PARENTHESES}")
_INSIDE = re.compile(rf"{_LABEL}|{_PARENTHESES}")

_FIRST_CHILD = re.compile(rf"(?<![\w.])[^\W\d][\w.]*+[ \t]?\(\s*+\({_NAME}")
_FRAGMENT = re.compile(rf"^[ \t]*+\({_NAME}[ \t]*+(?:\d{{1,6}} x )?[A-Z]\w*+[ \t]?\(", re.MULTILINE)
_LONE = re.compile(r"\s*+[A-Z]\w*+[ \t]?\((?:[^()]|\([^()]*+\))*+\)\s*+")
_BARE = re.compile(r"<?\s*+([^\W\d][\w.]*+)")


@dataclass(frozen=True, slots=True)
class Module:
    """One printed module. `name` is "" for a root, `cls` "" for a fragment without its root.

    `copies` is the N of `N x Class(...)`; `text` the module itself in one line, without its children.
    """

    name: str
    cls: str
    arguments: str = ""
    children: tuple[Module, ...] = ()
    copies: int = 1
    line: int = field(default=0, compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Printout:
    """The models of one paste, leaves that stand alone, and where the last model was cut off."""

    models: tuple[Module, ...]
    leaves: tuple[Module, ...] = ()
    cut: str = ""


def looks_like_torch_repr(text: str) -> bool:
    """Whether the text holds a printed module tree, a fragment of one, or is one printed module."""
    text = unbroken(text[:LONGEST_TEXT])
    return bool(_FIRST_CHILD.search(text) or _FRAGMENT.search(text) or _LONE.fullmatch(text))


def parse(text: str) -> Printout:
    """Every module tree in the text; whatever stands around them is passed over.

    Raises:
        ReadError: the text is too long or nested too deeply.
    """
    if len(text) > LONGEST_TEXT:
        raise ReadError(
            f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} are read. Expected the output "
            f"of print(model), with equal blocks once, as in (0-11): 12 x Block(...). Example: {EXAMPLE}"
        )
    return _Parser(unbroken(text)).printout()


@dataclass(slots=True)
class _Frame:
    """An open parenthesis: a module's, or, outside of every model, perhaps one's.

    `bare` marks a value without a parenthesis of its own, such as `(act): <function relu>`.
    """

    name: str
    cls: str
    copies: int
    start: int
    mark: int
    module: bool = False
    bare: bool = False
    parentheses: int = 0
    arguments: list[str] = field(default_factory=list[str])
    children: list[Module] = field(default_factory=list[Module])


class _Parser:
    """One pass over the tokens with an explicit stack of frames."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.breaks = [m.start() for m in re.finditer("\n", text)]
        self.stack: list[_Frame] = []
        self.base = 0
        self.models: list[Module] = []
        self.pieces: list[Module] = []
        self.leaves: list[Module] = []

    def printout(self) -> Printout:
        position = 0
        while token := self._pattern().search(self.text, position):
            position = token.end()
            match token.lastgroup:
                case "root":
                    self.stack.append(_Frame("", token["root"], 1, token.start(), position))
                case "open":
                    self._nest(token.start())
                case "close":
                    self._unnest(token.start())
                case _:
                    self._label(token)
        cut = self._cut_off()
        if len(self.pieces) == 1 and self.pieces[0].children:
            self.models.append(self.pieces[0])
        elif self.pieces and (not self.models or any(piece.children for piece in self.pieces)):
            self.models.append(Module("", "", "", tuple(self.pieces), line=self.pieces[0].line))
        return Printout(tuple(self.models), tuple(self.leaves), cut)

    def _pattern(self) -> re.Pattern[str]:
        if not self.stack:
            return _OUTSIDE
        return _INSIDE if self.stack[-1].module else _CANDIDATE

    def _label(self, token: re.Match[str]) -> None:
        """A child's name: it turns the parenthesis that it stands in into a module's."""
        cls = token["cls"] or ""
        if self.stack and self.stack[-1].bare and not self.stack[-1].parentheses:
            self._close(token.start())
        top = self.stack[-1] if self.stack else None
        if top and top.parentheses:
            if cls:
                self._nest(token.start())
            return
        if top:
            if not top.module:
                top.module, self.base = True, len(self.stack) - 1
            top.arguments.append(self._kept(top.mark, token.start()))
        elif cls:
            self.base = 0
        else:
            return
        copies = max(1, int(token["copies"] or 1))
        frame = _Frame(token["name"].strip(), cls, copies, token.start(), token.end(), True, not cls)
        self.stack.append(frame)
        self._limit(token.start())

    def _nest(self, at: int) -> None:
        self.stack[-1].parentheses += 1
        self._limit(at)

    def _unnest(self, at: int) -> None:
        top = self.stack[-1]
        if top.parentheses:
            top.parentheses -= 1
            return
        self._close(at)
        if top.bare and self.stack:
            self._close(at)

    def _limit(self, at: int) -> None:
        top = self.stack[-1]
        if top.module and len(self.stack) - self.base + top.parentheses > DEEPEST_NESTING:
            raise ReadError(
                f"Line {self._line(at)}: nested deeper than {DEEPEST_NESTING} parentheses. Expected the "
                f"output of print(model); send one part of it, or the layer notation. Example: {EXAMPLE}"
            )

    def _close(self, end: int) -> None:
        frame = self.stack.pop()
        if self.stack and not frame.module:
            return
        frame.arguments.append(self._kept(frame.mark, end))
        module = self._module(frame)
        parent = self.stack[-1] if self.stack else None
        if parent and parent.module:
            parent.children.append(module)
            parent.mark = end if frame.bare else end + 1
        elif frame.name:
            self.pieces.append(module)
        else:
            (self.models if module.children else self.leaves).append(module)

    def _module(self, frame: _Frame) -> Module:
        arguments = " ".join(" ".join(frame.arguments).split())
        if len(arguments) > LONGEST_ARGUMENTS:
            arguments = arguments[:LONGEST_ARGUMENTS] + CUT
        name = f"({frame.name}): " if frame.name else ""
        times = f"{frame.copies} x " if frame.copies > 1 else ""
        cls, shown = frame.cls, f"{frame.cls}({arguments or (CUT if frame.children else '')})"
        if frame.bare:
            found = _BARE.match(arguments)
            cls, shown = found[1] if found else "", arguments
            arguments = arguments[found.end() :].strip() if found else arguments
        text = f"{name}{times}{shown}"
        return Module(
            frame.name,
            cls,
            arguments,
            tuple(frame.children),
            frame.copies,
            self._line(frame.start),
            text if len(text) <= 120 else text[:119] + CUT,
        )

    def _cut_off(self) -> str:
        """Close what is still open at the end of the text; where that was, or ""."""
        cut = ""
        while self.stack:
            frame = self.stack[-1]
            if frame.module and not cut:
                path = ".".join(f.name for f in self.stack[self.base :] if f.name)
                cut = f"line {self._line(len(self.text.rstrip()))}, inside {path or frame.cls}"
                if not frame.children:
                    frame.arguments.append(self._kept(frame.mark, len(self.text)))
                    frame.arguments.append(CUT)
                    frame.mark = len(self.text)
            if frame.module:
                self._close(len(self.text))
            else:
                self.stack.pop()
        return cut

    def _kept(self, start: int, end: int) -> str:
        return self.text[start : min(end, start + LONGEST_ARGUMENTS + 1)]

    def _line(self, at: int) -> int:
        return bisect_left(self.breaks, at) + 1
