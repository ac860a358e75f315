"""The settings of `serve --http`: one table. Each is a flag and an environment variable, and the flag wins."""

from __future__ import annotations

import argparse
import difflib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from kaiming_mcp.roots import ROOTS_VARIABLE
from kaiming_mcp.serving.hosts import EVERY, host_pattern, is_loopback, one_origin, origin_pattern

PREFIX = "KAIMING_"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("json", "text")


class SettingError(ValueError):
    """A setting that cannot be used; the message names it, says what was expected and shows an example."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a setting is written; `read` raises ValueError where it is written otherwise."""

    read: Callable[[str], Any]
    expected: str
    metavar: str | None = None


def _checked(kind: Callable[[str], Any], holds: Callable[[Any], bool]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind(text)
        if not holds(value):
            raise ValueError
        return value

    return read


def _switch(text: str) -> bool:
    return {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}[
        text.lower()
    ]


def _choice(names: tuple[str, ...]) -> Kind:
    return Kind(_checked(str.lower, names.__contains__), f"one of {', '.join(names)}", "|".join(names))


def _network(text: str) -> str:
    return str(ip_network(text))


_TEXT = Kind(_checked(str.strip, bool), "an address or a name of this machine", "ADDRESS")
_PORT = Kind(_checked(int, lambda port: 0 <= port <= 65_535), "a port from 0 (any free one) to 65535", "PORT")
_COUNT = Kind(_checked(int, lambda count: count > 0), "a whole number above 0", "N")
_COUNT_OR_NONE = Kind(_checked(int, lambda count: count >= 0), "a whole number, or 0", "N")
_SECONDS = Kind(_checked(float, lambda s: math.isfinite(s) and s > 0), "seconds above 0", "SECONDS")
_SECONDS_OR_NONE = Kind(_checked(float, lambda s: math.isfinite(s) and s >= 0), "seconds, or 0", "SECONDS")
_HOST = Kind(host_pattern, "a host name or address, with its port or :* where it has one, without https://", "HOST")
_ORIGIN = Kind(origin_pattern, "an origin: scheme, host and port, without a path", "ORIGIN")
_ONE_ORIGIN = Kind(one_origin, "one origin by name: scheme, host and port, without * or a path", "ORIGIN")
_NETWORK = Kind(_network, "an IP address or network", "NETWORK")
_FILE = Kind(_checked(Path, lambda path: path.name), "a file", "FILE")
_SWITCH = Kind(_switch, "true or false")


def _set(default: Any, kind: Kind, example: str, text: str, *, flag: str = "", shown: str = "") -> Any:
    """A row of the table; `flag` for lists, whose flag names one and is repeatable."""
    row = {"kind": kind, "example": example, "help": text, "flag": flag, "shown": shown}
    return field(default=default, metadata=row)


def _cpus() -> int:
    # What this process may use, where the system tells: a container is often given fewer than there are.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What `serve --http` was asked for, checked."""

    host: str = _set("127.0.0.1", _TEXT, "0.0.0.0", "address to listen on")
    port: int = _set(8000, _PORT, "8000", "port; the endpoint is /mcp")
    allowed_hosts: tuple[str, ...] = _set(
        (),
        _HOST,
        "kaiming.example.org",
        "Host header to accept (name, name:port, name:* for any port); required beyond loopback",
        flag="--allowed-host",
        shown="loopback",
    )
    allowed_origins: tuple[str, ...] = _set(
        (),
        _ORIGIN,
        "https://app.example.org",
        "Origin of web pages to accept",
        flag="--allowed-origin",
        shown="loopback",
    )
    cors_origins: tuple[str, ...] = _set(
        (),
        _ONE_ORIGIN,
        "https://app.example.org",
        "Origin whose pages may also read the answers (CORS)",
        flag="--cors-origin",
        shown="none",
    )
    trusted_proxies: tuple[str, ...] = _set(
        (),
        _NETWORK,
        "10.0.0.0/8",
        "proxy whose X-Forwarded-For is believed",
        flag="--trusted-proxy",
        shown="none",
    )
    token_file: Path | None = _set(  # noqa: RUF009 - it is a dataclasses.field
        None, _FILE, "/etc/kaiming/tokens", "file of bearer tokens (`kaiming-mcp token`); none: anyone may call"
    )
    max_body_bytes: int = _set(4 * 1024 * 1024, _COUNT, "4194304", "largest request body, then 413")
    rate_limit: int = _set(600, _COUNT_OR_NONE, "600", "requests a minute of one client, then 429; 0: no limit")
    rate_burst: int = _set(100, _COUNT, "100", "requests that one client may send at once")
    max_in_flight: int = _set(64, _COUNT, "64", "requests worked on at once")
    max_queued: int = _set(256, _COUNT_OR_NONE, "256", "requests that wait for their turn, then 503")
    max_connections: int = _set(1000, _COUNT, "1000", "open connections, then 503")
    request_timeout: float = _set(60.0, _SECONDS, "60", "seconds until an answer must be there, then 504")
    receive_timeout: float = _set(15.0, _SECONDS, "15", "seconds to send a request, or to go on taking in its answer")
    keep_alive: float = _set(75.0, _SECONDS, "75", "seconds that an idle connection stays open")
    drain_seconds: float = _set(
        0.0, _SECONDS_OR_NONE, "5", "after SIGTERM: seconds in which /readyz says no and requests are still answered"
    )
    grace_seconds: float = _set(0.5, _SECONDS_OR_NONE, "0.5", "then: seconds for calls in flight to finish")
    workers: int = _set(
        min(4, _cpus()),
        _COUNT_OR_NONE,
        "4",
        "processes for heavy calls; 0: threads of this one",
        shown="CPUs, at most 4",
    )
    log_level: str = _set("info", _choice(LOG_LEVELS), "info", "least severe lines of the log on stderr")
    log_format: str = _set("json", _choice(LOG_FORMATS), "json", "form of the log")
    telemetry: bool = _set(
        False, _SWITCH, "true", "traces and metrics by OpenTelemetry, set up by the standard OTEL_ variables"
    )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table, as users meet it."""

    name: str
    flag: str
    variable: str
    is_list: bool
    default: str
    kind: Kind
    example: str
    help: str

    def parsed(self, text: str, place: str) -> Any:
        """The value of a text that stands at a place, a flag or a variable.

        Raises:
            SettingError: the text is no such value.
        """
        try:
            return self.kind.read(text)
        except (ValueError, KeyError):
            joint = " " if place == self.flag else "="
            raise SettingError(
                f"{place} {text[:80]!r}: expected {self.kind.expected}, such as {place}{joint}{self.example}"
            ) from None


def _setting(row: Field[Any]) -> Setting:
    told = row.metadata
    shown = told["shown"] or ("none" if row.default is None else str(row.default).lower())
    return Setting(
        name=row.name,
        flag=told["flag"] or f"--{row.name.replace('_', '-')}",
        variable=PREFIX + row.name.upper(),
        is_list=bool(told["flag"]),
        default=shown.removesuffix(".0"),
        kind=told["kind"],
        example=told["example"],
        help=told["help"],
    )


TABLE = tuple(_setting(row) for row in fields(Settings))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Every setting as an option; its value stays text until read_settings."""
    for setting in TABLE:
        often = "repeatable; separated by commas in " if setting.is_list else ""
        text = f"{setting.help} ({often}{setting.variable}; default: {setting.default})"
        if setting.kind is _SWITCH:
            parser.add_argument(
                setting.flag, action=argparse.BooleanOptionalAction, default=None, dest=setting.name, help=text
            )
        else:
            parser.add_argument(
                setting.flag,
                action="append" if setting.is_list else "store",
                dest=setting.name,
                metavar=setting.kind.metavar,
                help=text,
            )


def read_settings(options: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """The settings of options as add_options makes them, of variables where there is no option, or their defaults.

    Raises:
        SettingError: a value cannot be read, or the server would listen to everyone under any name.
    """
    values = {s.name: value for s in TABLE if (value := _value(s, options.get(s.name), environment)) is not None}
    settings = Settings(**values)
    if not settings.is_local and not settings.allowed_hosts:
        raise SettingError(
            f"--host {settings.host} listens beyond this machine, so say which Host headers to accept: "
            "--allowed-host kaiming.example.org or KAIMING_ALLOWED_HOSTS=kaiming.example.org, with the port where the "
            f"address has one (kaiming.example.org:{settings.port or 8000}, or :* for any). Behind a proxy that "
            f"checks it: --allowed-host '{EVERY}'"
        )
    return settings


def _value(setting: Setting, given: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(given, bool):
        return given
    if given:
        texts: list[str] = given if setting.is_list else [given]
        values = [setting.parsed(text, setting.flag) for text in texts]
    else:
        text = environment.get(setting.variable, "").strip()
        if not text or _is_of_kubernetes(text):
            return None
        parts = [part.strip() for part in text.split(",") if part.strip()] if setting.is_list else [text]
        values = [setting.parsed(part, setting.variable) for part in parts]
    return tuple(values) if setting.is_list else values[0]


def _is_of_kubernetes(text: str) -> bool:
    # A Service named "kaiming" puts its own address into KAIMING_PORT of every container beside it.
    return text.startswith("tcp://")


def misspelt(environment: Iterable[str]) -> dict[str, str]:
    """Variables that are no setting but nearly one, with the one that was probably meant."""
    known = [*(s.variable for s in TABLE), ROOTS_VARIABLE]
    near = {v: difflib.get_close_matches(v, known, 1, 0.85) for v in environment if v.startswith(PREFIX)}
    return {v: close[0] for v, close in near.items() if close and v not in known}
