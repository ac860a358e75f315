"""Files that an argument names (`path:models/net.py#Net`), read only from directories that the user allowed."""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import os
import re
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.confined import MOST_SEEN, Root, Roots, check_regular, open_file, parts_of, scan

ROOTS_VARIABLE = "KAIMING_ROOTS"
"""Directories of `--root`, separated as in PATH; it holds on stdio and over HTTP."""
PREFIX = "path:"
LARGEST = 2_000_000
"""Bytes of one file."""
SUFFIXES = ("", ".py", ".ipynb", *".txt .log .out .md .json .jsonl .csv .tsv .yaml .yml".split())
LONGEST_PATH = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """The text of an argument; `reference` is its path with a digest of the content, empty for pasted text."""

    text: str
    fragment: str = ""
    reference: str = ""


def allow(directory: str) -> Root:
    """The root for a directory of the command line.

    Raises:
        ValueError: it is no existing directory, or holds the whole machine.
    """
    try:
        real = Path(os.path.realpath(directory, strict=True))
    except OSError as error:
        raise ValueError(_no_directory(directory, error.strerror)) from error
    if not directory.strip() or not real.is_dir():
        raise ValueError(_no_directory(directory, "it is empty" if not directory.strip() else "it is a file"))
    if len(real.parts) == 1 or real.parts[1] in ("proc", "sys") or str(real) == "/dev":
        raise ValueError(f"{str(real)!r} holds the whole machine: give the directory of one project instead")
    return Root(Path(os.path.abspath(directory)), real)  # noqa: PTH100 - links must stay as they were given


def resolve(value: str, roots: Roots, argument: str, example: str = "path:models/net.py") -> Source:
    """The argument itself, or the text of the file that it names.

    Raises:
        ReadError: the file cannot or may not be read; the message names the argument and shows a valid one.
    """
    asked = value.strip()
    if asked[: len(PREFIX)].lower() != PREFIX or "\n" in asked:
        return Source(value)
    path = asked[len(PREFIX) :].strip()
    try:
        if not roots:
            raise ReadError(
                "is not read: no directory is allowed. Paste the text, or start the server with --root DIR "
                "(kaiming-mcp --root /home/me/project), from where paths then begin."
            )
        _check(path)
        return _named(path, roots)
    except ReadError as error:
        raise ReadError(f"`{argument}`: {_shown(path)} {error} Example: {example}") from error


def texts_of(arguments: Mapping[str, object], roots: Roots) -> Iterator[str]:
    """Every text that the arguments bring along, those of the files that they name as well."""
    for name, value in arguments.items():
        if isinstance(value, str):
            yield value
            with contextlib.suppress(ReadError):
                source = resolve(value, roots, name)
                if source.reference:
                    yield source.text


def is_file_name(text: str) -> bool:
    """Whether a text is but the name of a file, sent without `path:`."""
    name = text.strip().partition("#")[0]
    return len(text) < LONGEST_PATH and re.fullmatch(r"\S+\.\w{1,5}", name) is not None and _readable(name)


def _no_directory(directory: str, reason: str | None) -> str:
    return (
        f"{directory!r} is not an existing directory ({reason}); give an absolute path, such as /home/me/project "
        "(~ and variables are filled in by shells and some clients only)"
    )


def _shown(path: str) -> str:
    return repr(path if len(path) <= 80 else f"{path[:77]}...")


def _check(path: str) -> None:
    if not path:
        raise ReadError("names no file.")
    if len(path) > LONGEST_PATH:
        raise ReadError(f"has {len(path):,} characters; at most {LONGEST_PATH:,} are taken.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        raise ReadError("holds a control character.")
    if "\\" in path or re.match(r"[A-Za-z]:", path):
        raise ReadError("is a Windows path: write it from the allowed directory, with forward slashes.")
    if ".." in path.split("/"):
        raise ReadError("climbs with `..`: write the path from the allowed directory downwards.")


def _named(path: str, roots: Roots) -> Source:
    """A file whose name really holds a '#' wins over a fragment."""
    spellings = [(path, "", "")]
    name, _, tail = path.rpartition("#")
    if name and "/" not in tail:
        fragment, _, digest = tail.partition("@")
        spellings.append((name, fragment, digest))
    for file, fragment, digest in spellings:
        for root, parts in _places(file, roots):
            try:
                data = _content(open_file(root, parts), file)
            except (FileNotFoundError, NotADirectoryError, UnicodeEncodeError):
                continue
            except IsADirectoryError:
                raise ReadError(_listing(root, parts)) from None
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:
                    continue
                raise ReadError(f"cannot be read by this server: {error.strerror}.") from None
            now = hashlib.sha256(data).hexdigest()[:8]
            if digest and digest != now:
                raise ReadError(f"has changed: its digest was {digest[:8]} and is {now} now. Leave @{digest[:8]} out.")
            return Source(_decoded(data, file), fragment, f"{PREFIX}{file}#{fragment}@{now}")
    raise ReadError(_missing(spellings[-1][0], roots))


def _places(file: str, roots: Roots) -> list[tuple[Root, tuple[str, ...]]]:
    """Under each root in order; an absolute path under the innermost root that holds it."""
    if not file.startswith("/"):
        return [(root, parts_of(file)) for root in roots]
    below = [(root, parts) for root in roots if (parts := root.within(file)) is not None]
    return sorted(below, key=lambda place: len(place[1]))[:1]


def _content(descriptor: int, file: str) -> bytes:
    with open(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        check_regular(found.st_mode)
        if not _readable(file):
            raise ReadError(f"is not of a text kind; read are {', '.join(SUFFIXES[1:])} and names without suffix.")
        data = opened.read(LARGEST + 1) if found.st_size <= LARGEST else b""
    if found.st_size > LARGEST or len(data) > LARGEST:
        raise ReadError(f"is too large: more than {LARGEST:,} bytes.")
    return data


def _readable(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _decoded(data: bytes, file: str) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ReadError("is not text in UTF-8 (or UTF-16 with its mark).") from None
    if "\0" in text:
        raise ReadError("is a binary file.")
    text = text.replace("\r\n", "\n")
    return _cells(text) if file.lower().endswith(".ipynb") else text


def _cells(text: str) -> str:
    """The code of a notebook; magic commands become comments, and cells in another language are left out."""
    try:
        cells: Any = json.loads(text)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise ReadError("is not a notebook of format 4, JSON with `cells`.") from None
    python = [text for text in code if not re.match(r"%%(?!time|capture|prun)", text)]
    return re.sub(r"(?m)^(?=[%!])", "# ", "\n\n".join(python))


def _files(root: Root) -> Iterator[str]:
    pending: deque[tuple[str, ...]] = deque([()])
    seen = 0
    while pending and seen < MOST_SEEN:
        place = pending.popleft()
        for name, inner in scan(root, place):
            seen += 1
            if inner:
                pending.append((*place, name))
            elif _readable(name):
                yield "/".join((*place, name))


def _listing(root: Root, parts: tuple[str, ...]) -> str:
    names = [name for name, inner in scan(root, parts) if not inner and _readable(name)]
    return f"is a directory. Text files in it: {listed(names, 10) or 'none'}."


def _missing(file: str, roots: Roots) -> str:
    if file.startswith("/") and not _places(file, roots):
        said = "lies outside the allowed directories: write the path from one of them downwards."
    elif re.match(r"~|.*[$%]", file):
        said = "does not exist: `~` and variables are not filled in."
    else:
        said = "does not exist in an allowed directory."
    known = {name: PurePosixPath(name).name for root in roots for name in _files(root)}
    close = difflib.get_close_matches(PurePosixPath(file).name, set(known.values()), 3, 0.6)
    near = sorted(known, key=lambda name: close.index(known[name]) if known[name] in close else 3)
    near = [PREFIX + name for name in near if known[name] in close][:3]
    return f"{said} Nearest: {', '.join(near)}." if near else said
