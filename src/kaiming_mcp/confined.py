"""Files opened below a directory and nowhere else, whatever links and races are in the way.

A file is opened name by name from its root's descriptor, and no link is ever followed by the system: links are
read and walked again from inside the root. Windows cannot open that way: names are checked before and after, which
leaves a race narrow but possible. A hard link to a file outside cannot be told from a file of the root.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from kaiming_mcp.architecture.errors import ReadError

MOST_LINKS = 20
DEEPEST = 64
MOST_SEEN = 2_000
"""Entries of a directory, and files of a root, that are looked at to say what is there."""

# Files are opened so that a FIFO or a terminal put in their place neither blocks nor takes over the process.
_AS_FILE = sum(getattr(os, f"O_{name}", 0) for name in ("NOFOLLOW", "NONBLOCK", "NOCTTY", "CLOEXEC", "BINARY"))
_AS_LIST = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
# Linux can pass through a directory that may be entered but not listed.
_AS_PLACE = _AS_LIST | getattr(os, "O_PATH", 0)
BY_DESCRIPTOR = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""Whether names can be opened relative to a directory."""

_LEAVES = "leads out of the allowed directory through a link, which is never followed."


@dataclass(frozen=True, slots=True)
class Root:
    """A directory that may be read: as it was given, made absolute, and with its links resolved at start."""

    given: Path
    real: Path

    def within(self, path: str) -> tuple[str, ...] | None:
        """The parts of an absolute path below this root, None where it lies elsewhere."""
        for base in (self.given, self.real):
            with contextlib.suppress(ValueError):
                return parts_of(Path(path).relative_to(base).as_posix())
        return None


Roots = tuple[Root, ...]


def parts_of(path: str) -> tuple[str, ...]:
    """The names of a path, without empty ones and `.`."""
    return tuple(part for part in path.split("/") if part not in ("", "."))


def open_file(root: Root, parts: tuple[str, ...], as_list: bool = False) -> int:
    """A descriptor of a regular file, or of a directory to list.

    Raises:
        ReadError: it is hidden, of another kind, or a link leads out of the root.
        OSError: as the system says; IsADirectoryError for a directory when a file is wanted.
    """
    if not BY_DESCRIPTOR:
        return _open_by_name(root, parts)
    opened, pending, links = [_open_root(root)], list(reversed(parts)), 0
    try:
        while pending:
            name = pending.pop()
            if name == "..":  # of a link's target
                os.close(opened.pop())
                if not opened:
                    raise ReadError(_LEAVES)
                continue
            _visible(name)
            name, mode = _entry(name, opened[-1])
            if stat.S_ISLNK(mode):
                links += 1
                target = os.readlink(name, dir_fd=opened[-1])
                inner = root.within(target) if target.startswith("/") else parts_of(target)
                if inner is None:
                    raise ReadError(_LEAVES)
                if links > MOST_LINKS:
                    raise ReadError(f"runs through more than {MOST_LINKS} links.")
                while target.startswith("/") and len(opened) > 1:
                    os.close(opened.pop())
                pending.extend(reversed(inner))
            elif stat.S_ISDIR(mode):
                if len(opened) > DEEPEST:
                    raise ReadError(f"lies more than {DEEPEST} directories deep.")
                opened.append(os.open(name, _AS_PLACE, dir_fd=opened[-1]))
            elif pending:
                raise NotADirectoryError
            elif as_list:
                raise FileNotFoundError
            else:
                check_regular(mode)
                return os.open(name, os.O_RDONLY | _AS_FILE, dir_fd=opened[-1])
        if not as_list:
            raise IsADirectoryError
        return os.open(".", os.O_RDONLY | _AS_LIST, dir_fd=opened[-1])
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _open_root(root: Root) -> int:
    """Its path held no link when it was allowed: one that is there now was put in its place."""
    here = os.open(root.real.anchor, _AS_PLACE)
    for name in root.real.parts[1:]:
        try:
            inner = os.open(name, _AS_PLACE, dir_fd=here)
        except OSError:
            raise ReadError(
                "is not read: an allowed directory was removed, replaced or closed; start the server again."
            ) from None
        finally:
            os.close(here)
        here = inner
    return here


def _open_by_name(root: Root, parts: tuple[str, ...]) -> int:
    real = _real(root, parts)
    before = real.lstat()
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError
    check_regular(before.st_mode)
    descriptor = os.open(real, os.O_RDONLY | _AS_FILE)
    try:
        found = os.fstat(descriptor)
        if _real(root, parts) == real and all(os.path.samestat(found, seen) for seen in (before, real.lstat())):
            return descriptor
    except (OSError, ReadError):
        pass
    os.close(descriptor)
    raise ReadError("changed while it was opened; send it again.")


def _real(root: Root, parts: tuple[str, ...]) -> Path:
    real = Path(os.path.realpath(root.real.joinpath(*parts)))
    if not real.is_relative_to(root.real):
        raise ReadError(_LEAVES)
    for name in real.relative_to(root.real).parts:
        _visible(name)
    return real


def _entry(name: str, place: int) -> tuple[str, int]:
    """The name as the directory spells it, and its mode: accents are stored composed or decomposed."""
    for spelled in dict.fromkeys((name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))):
        with contextlib.suppress(FileNotFoundError):
            return spelled, os.stat(spelled, dir_fd=place, follow_symlinks=False).st_mode
    raise FileNotFoundError


def _visible(name: str) -> None:
    if name.startswith("."):
        raise ReadError("is hidden: names that begin with a dot hold settings and secrets, and are not read.")


def check_regular(mode: int) -> None:
    """Refuse what is no regular file.

    Raises:
        ReadError: it is a device, a pipe or a socket.
    """
    if not stat.S_ISREG(mode):
        raise ReadError("is not a regular file but a device, pipe or socket.")


def scan(root: Root, parts: tuple[str, ...]) -> list[tuple[str, bool]]:
    """Visible names of a directory that can be written in a message, and whether each is a directory."""
    try:
        place = open_file(root, parts, as_list=True) if BY_DESCRIPTOR else _real(root, parts)
        try:
            with os.scandir(place) as entries:
                seen = [(e.name, e.is_dir(follow_symlinks=False)) for e in itertools.islice(entries, MOST_SEEN)]
        finally:
            if isinstance(place, int):
                os.close(place)
    except (OSError, ReadError):
        return []
    return sorted((name, inner) for name, inner in seen if name.isprintable() and not name.startswith("."))
