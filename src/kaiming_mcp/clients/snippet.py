"""The text that a person pastes: JSON, TOML or a command, for a client and a launch."""

from __future__ import annotations

import json
import shlex
import subprocess

from kaiming_mcp.clients.launch import Launch
from kaiming_mcp.clients.table import SERVER, Client


def entry(client: Client, launch: Launch) -> dict[str, str | list[str]]:
    """The entry of the server in a client's configuration."""
    kind: dict[str, str | list[str]] = {"type": "stdio"} if client.typed else {}
    return {**kind, "command": launch.command, "args": list(launch.args)}


def snippet(client: Client, launch: Launch, windows: bool = False) -> str:
    """What to paste, ended by a newline; `windows` decides how a command is quoted."""
    match client.form:
        case "json":
            return _json(client, launch)
        case "toml":
            return _toml(client, launch)
        case "shell":
            words = [launch.command, *launch.args]
            quoted = subprocess.list2cmdline(words) if windows else shlex.join(words)
            return f"{client.key} {SERVER} -- {quoted}\n"


def _json(client: Client, launch: Launch) -> str:
    """Indented as people write it: one field a line, a list on one line."""
    fields = [f"      {_quoted(name)}: {_quoted(value)}" for name, value in entry(client, launch).items()]
    head = f'{{\n  "{client.key}": {{\n    "{SERVER}": {{\n'
    return head + ",\n".join(fields) + "\n    }\n  }\n}\n"


def _toml(client: Client, launch: Launch) -> str:
    fields = [f"{name} = {_quoted(value)}" for name, value in entry(client, launch).items()]
    return "\n".join([f"[{client.key}.{SERVER}]", *fields]) + "\n"


def _quoted(value: str | list[str]) -> str:
    """A string or list of strings as JSON that is TOML too: there DEL must be escaped, and surrogates may not be."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
