"""Python source to networks: parsed, followed value by value, never run."""

from __future__ import annotations

import ast
import re
import textwrap
import warnings

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Reading
from kaiming_mcp.architecture.source.discovery import networks
from kaiming_mcp.architecture.source.evaluator import Evaluator
from kaiming_mcp.architecture.source.keras_calls import MODELS
from kaiming_mcp.architecture.source.machine import EXAMPLE, Machine
from kaiming_mcp.architecture.source.pieces import as_class
from kaiming_mcp.architecture.source.torch_calls import CONTAINERS
from kaiming_mcp.architecture.source.transformers import TRANSFORMERS

LONGEST_SOURCE, MOST_PROSE = 500_000, 20

_SIGNS = re.compile(
    r"^[ \t]*(?:import (?:torch|keras|tensorflow)|from (?:torch|keras|tensorflow)|"
    r"\w{1,80} ?= ?(?:\w{1,20}\.){0,3}Sequential\(|"
    r"\w{1,80}\.add\((?:\w{1,20}\.){0,3}(?:Dense|Conv\dD|LSTM)\(|"
    r"class \w{1,80}\([\w., ]{0,200}\):|def (?:forward|__init__)\(|"
    r"self\.\w{1,80} ?= ?(?:nn\.|torch\.nn\.)|\w{1,80} ?= ?(?:nn|torch\.nn)\.\w{1,40}\(|return nn\.Sequential\()",
    re.MULTILINE,
)
_BARE = re.compile(
    r"\s*(?:(?:torch\.)?nn\.[A-Z]\w{0,40}\(|(?:tf\.)?keras\.(?:\w{1,20}\.)?[A-Z]\w{0,40}\(|"
    r"Sequential\(\s*(?:\[|\*|(?:nn\.|layers\.)?[A-Z]\w{0,40}\())"
)
"""A call that builds a layer or a model, with no name for it."""
_PROSE = re.compile(r"[^\W\d][\w'-]{0,40}[,:]? +[\w'(]")
_KEYWORD = re.compile(
    r"(?:class|def|import|from|for|while|if|elif|else|return|with|try|async|raise|assert|del|global)\b"
)
_PROMPT = re.compile(r"^(?:>>>|\.\.\.|In \[\d{0,5}\]:) ?", re.MULTILINE)
_FENCE = re.compile(r"```(?:python|py|python3)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)


def looks_like_source(text: str) -> bool:
    """Whether the text holds Python source of a network."""
    return bool(_SIGNS.search(text[:LONGEST_SOURCE])) or is_bare(text)


def is_bare(text: str) -> bool:
    """Whether the text is one call that builds a layer or a model."""
    if len(text) > LONGEST_SOURCE or not _BARE.match(text):
        return False
    try:
        body = _tree(textwrap.dedent(text).strip()).body
    except (SyntaxError, ReadError):
        return False
    return len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Call)


def read_source(text: str, wanted: str = "") -> Reading:
    """Read every network of a text of Python source; `wanted` names one class or model.

    Raises:
        ReadError: the text is not complete Python, too large, or holds no network.
    """
    evaluator, module = follow(_named(text) if is_bare(text) else text)
    try:
        found = networks(evaluator, module, wanted)
        if not found and (whole := as_class(module)) is not None:
            found = networks(_followed("\n".join(evaluator.machine.lines), whole), whole, wanted)
    except RecursionError:
        raise _too_deep() from None
    if not found:
        raise ReadError(f"No network was found in this source. Expected {EXAMPLE}.")
    keras = any(o.base.startswith("keras.") for o in evaluator.machine.instances)
    return Reading("keras-source" if keras else "python-source", found)


def _named(text: str) -> str:
    """A bare call under a name; one layer alone becomes a model of one layer."""
    bare = textwrap.dedent(text).strip()
    title = bare.partition("(")[0].rpartition(".")[2]
    whole = title in CONTAINERS | MODELS or title in TRANSFORMERS
    return f"model = {bare}" if whole else f"model = nn.Sequential({bare})"


def follow(text: str) -> tuple[Evaluator, ast.Module]:
    """The text parsed, and followed at module level.

    Raises:
        ReadError: the text is not complete Python, or too large.
    """
    text, module, prose = _parsed(text)
    try:
        evaluator = _followed(text, module)
        for line in prose:
            evaluator.machine.assume(f"`{line.strip()[:80]}` is not Python and was left out", "the line as Python")
        return evaluator, module
    except RecursionError:
        raise _too_deep() from None


def _followed(text: str, module: ast.Module) -> Evaluator:
    """The text followed at module level."""
    evaluator = Evaluator(Machine(text.split("\n")))
    evaluator.execute(module.body, evaluator.globals)
    return evaluator


def _too_deep() -> ReadError:
    return ReadError(f"The source is nested too deeply to be followed. Expected {EXAMPLE}.")


def _parsed(text: str) -> tuple[str, ast.Module, list[str]]:
    """Python of a paste: out of its fence, without prompts and common indentation, wrapped where it is a piece."""
    if len(text) > LONGEST_SOURCE:
        raise ReadError(
            f"The source has {len(text):,} characters; at most {LONGEST_SOURCE:,} are read. "
            "Send the file that holds the model alone."
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ").lstrip("\ufeff")
    blocks = _FENCE.findall(text)
    if blocks:
        text = "\n\n".join(textwrap.dedent(b) for b in blocks)
    text = textwrap.dedent(_PROMPT.sub("", text)).strip("\n")
    failed: SyntaxError | None = None
    for form in (text, _without_magic(text)):
        try:
            return form, _tree(form), []
        except SyntaxError as error:
            failed = failed or error
    wrapped = _piece(text) or _without_prose(text)
    if wrapped is not None:
        return wrapped
    assert failed is not None
    line = failed.lineno or 0
    shown = [*text.split("\n"), ""][max(0, line - 1)].strip()[:80] if line else ""
    raise ReadError(
        f"Line {line}: this is not complete Python ({failed.msg}): {shown!r}. Expected whole classes or statements, "
        f"e.g. model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), or {EXAMPLE}."
    )


def _tree(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError:
        raise
    except (RecursionError, MemoryError, ValueError) as error:
        raise ReadError(f"The source could not be parsed ({error}). Expected {EXAMPLE}.") from None


def _without_magic(text: str) -> str:
    """Without the lines of a notebook that are not Python."""
    return re.sub(r"^[ \t]*[%!].*$", "", text, flags=re.MULTILINE)


def _without_prose(text: str) -> tuple[str, ast.Module, list[str]] | None:
    """Code between sentences: lines of words that begin at the margin and are not Python are left out."""
    lines, prose = text.split("\n"), list[str]()
    for _ in range(MOST_PROSE):
        form = "\n".join(lines)
        try:
            return form, _tree(form), prose
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
        if not 0 <= at < len(lines) or not _PROSE.match(lines[at]) or _KEYWORD.match(lines[at]):
            return None
        prose.append(lines[at])
        lines[at] = ""
    return None


def _piece(text: str) -> tuple[str, ast.Module, list[str]] | None:
    """Statements of different indentation, such as a first line that lost its own."""
    lines = text.split("\n")
    rest = textwrap.dedent("\n".join(lines[1:]))
    for form in (f"{lines[0].strip()}\n{rest}", f"{lines[0].strip()}\n{textwrap.indent(rest, '    ')}"):
        try:
            return form, _tree(form), []
        except SyntaxError:
            continue
    return None
