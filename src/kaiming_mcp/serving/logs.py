"""One line per event on stderr, as JSON or text, and never a word that a client wrote."""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType
from typing import Any, cast

OWN = "kaiming_mcp"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message", "taskName"}
_FRAMES = 5
_UNTOLD = "message of a library"


def configure_logs(level: str, form: str) -> None:
    """Send every logger, warning and stray exception to stderr in one form.

    Other libraries are heard from `warning` on, unless everything is asked for with `debug`: what they tell at
    `info` is not about the service.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines(as_json=form == "json"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    wanted: int = getattr(logging, level.upper())
    root.setLevel(wanted if wanted == logging.DEBUG else max(wanted, logging.WARNING))
    logging.getLogger(OWN).setLevel(wanted)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger(OWN).critical("uncaught exception", exc_info=(kind, error or kind(), trace))


class Lines(logging.Formatter):
    """A record as one line of JSON, or of `time LEVEL event key=value`; both escape what would end a line.

    Of other loggers only what was written into their source is shown: the template of a message, never its
    arguments, and of a message without arguments, which may have been put together from anything, the place alone.
    Exceptions show their type and places: their words may quote an argument.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        told = self.told(record)
        if self.as_json:
            return json.dumps(told, default=str)
        head = f"{told.pop('time')} {told.pop('level').upper():7} {told.pop('event')}"
        return " ".join([head, *(f"{key}={_shown(value)}" for key, value in told.items())])

    def told(self, record: logging.LogRecord) -> dict[str, Any]:
        """The fields of the line."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name.partition(".")[0] == OWN:
            fields["event"] = record.getMessage()
            fields |= {k: v for k, v in record.__dict__.items() if k not in _STANDARD and v is not None}
        else:
            fields |= {
                "event": _written(record),
                "logger": record.name,
                "place": f"{record.module}.{record.funcName}:{record.lineno}",
            }
        if record.exc_info and record.exc_info[1]:
            error = _first(record.exc_info[1])
            fields |= {"error": type(error).__qualname__, "at": _places(error.__traceback__)}
        return fields


def _written(record: logging.LogRecord) -> str:
    # uvicorn's own words are constants, but for tracebacks of the start and the end, which have many lines.
    words: Any = record.msg
    if not isinstance(words, str) or not (record.args or record.name == "uvicorn.error"):
        return _UNTOLD
    return words.strip() if "\n" not in words.strip() else _UNTOLD


def _first(error: BaseException) -> BaseException:
    """The exception, or the first one that a group holds."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inner: Sequence[BaseException] = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return _first(inner[0])


def _places(trace: TracebackType | None) -> list[str]:
    """The innermost places of a traceback, with the file below its package."""
    frames = traceback.extract_tb(trace)[-_FRAMES:]
    return [f"{'/'.join(PurePath(f.filename).parts[-2:])}:{f.lineno} {f.name}" for f in frames]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value.isalnum() else json.dumps(value, default=str)
