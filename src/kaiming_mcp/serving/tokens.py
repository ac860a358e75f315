"""Bearer tokens by name: made once, kept as hashes in a file that is read again whenever it changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from mcp.server.auth.provider import AccessToken, TokenVerifier

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LARGEST_FILE = 4 * 1024 * 1024
_SETTLED_SECONDS = 2.0
_DAY = 86_400
EXAMPLE = "alice sha256:" + "0" * 64 + " 2030-12-31"


class TokenFileError(ValueError):
    """The file cannot be read; the message names it, and the line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file: `name sha256:… [last day]`."""

    name: str
    digest: str
    last_day: date | None = None

    @property
    def ends_at(self) -> int | None:
        """When it stops to work, in seconds since 1970: the end of its last day in UTC."""
        if self.last_day is None:
            return None
        return int(datetime.combine(self.last_day, datetime.min.time(), UTC).timestamp()) + _DAY

    def line(self) -> str:
        """As it stands in the file."""
        return " ".join(filter(None, [self.name, self.digest, self.last_day and self.last_day.isoformat()]))


def new_token(name: str, last_day: str = "") -> tuple[str, Entry]:
    """A token, to be shown once, and its entry for the file.

    Raises:
        ValueError: the name or the day is not of the form that the file takes.
    """
    # 256 random bits: no list of guesses comes near, so one fast hash keeps them. bcrypt and its kind make
    # guessable passwords dear to guess, and would cost each request some 100 ms.
    token = f"kaiming_{secrets.token_urlsafe(32)}"
    return token, _entry([name, _digest(token), last_day])


def read_entries(text: str) -> list[Entry]:
    """The entries of a token file; # starts a comment.

    Raises:
        ValueError: a line is no entry; the message names the line, never its content.
    """
    entries: list[Entry] = []
    for number, line in enumerate(text.splitlines(), 1):
        if content := line.partition("#")[0].strip():
            try:
                entries.append(_entry(content.split()))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
    return entries


def _entry(words: list[str]) -> Entry:
    name, digest, last_day, *rest = [*words, "", ""]
    if not _NAME.fullmatch(name):
        raise ValueError(f"a name has letters, digits and . _ @ -, at most 64; expected a line such as: {EXAMPLE}")
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"no hash of a token; expected a line such as: {EXAMPLE}")
    try:
        if any(rest):
            raise ValueError
        return Entry(name, digest, date.fromisoformat(last_day) if last_day else None)
    except ValueError:
        raise ValueError(f"the last day is not a date such as 2030-12-31; expected a line such as: {EXAMPLE}") from None


def _digest(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class TokenFile(TokenVerifier):
    """The SDK's verifier over a file. While the file cannot be read, no token is good."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[Entry] = []
        self._seen: object = None
        self._fault = ""

    def load(self) -> int:
        """Read the file now; the number of tokens.

        Raises:
            TokenFileError: it cannot be read.
        """
        self._refresh()
        if self._fault:
            raise TokenFileError(f"{self.path}: {self._fault}")
        return len(self._entries)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is, or None; the file as it is at this moment decides."""
        self._refresh()
        digest = _digest(token)
        found = None
        for entry in self._entries:
            # All are compared, each in constant time: how long it takes tells nothing.
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        if found is None or (found.ends_at is not None and found.ends_at <= time.time()):
            return None
        # The token itself goes no further.
        return AccessToken(token=digest, client_id=found.name, scopes=[], expires_at=found.ends_at)

    def _refresh(self) -> None:
        try:
            now = self.path.stat()
            seen = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)
            if seen == self._seen:
                return
            entries = self._read(now)
        except (OSError, ValueError) as error:
            self._fail(error.strerror or "cannot be read" if isinstance(error, OSError) else str(error))
        else:
            if self._fault:
                logger.warning("token file is readable again", extra={"tokens": len(entries)})
            self._entries, self._fault = entries, ""
            # The clock of files is coarse: two writes within one tick look like one, so the state of a file that
            # was just written is not taken for its last.
            changed = max(now.st_mtime, now.st_ctime)
            self._seen = seen if abs(time.time() - changed) > _SETTLED_SECONDS else None

    def _read(self, found: os.stat_result) -> list[Entry]:
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("is no regular file")
        if found.st_size > _LARGEST_FILE:
            raise ValueError(f"has more than {_LARGEST_FILE:,} bytes")
        return read_entries(self.path.read_text(encoding="utf-8"))

    def _fail(self, fault: str) -> None:
        if fault != self._fault:
            logger.error("token file cannot be read: every token is refused", extra={"reason": fault})
        self._entries, self._seen, self._fault = [], None, fault
