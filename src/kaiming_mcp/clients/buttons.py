"""Links that install the server by a click, for the clients that have them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

from kaiming_mcp.clients.launch import Launch
from kaiming_mcp.clients.snippet import entry
from kaiming_mcp.clients.table import SERVER, Client, find


def vscode_link(launch: Launch) -> str:
    """The page that hands the entry to VS Code, as URL-encoded JSON."""
    config = _compact(find("vscode"), launch)
    address = "https://insiders.vscode.dev/redirect/mcp/install"
    return f"{address}?{urlencode({'name': SERVER, 'config': config}, quote_via=quote)}"


def cursor_link(launch: Launch) -> str:
    """The page that hands the entry to Cursor, as JSON in base64."""
    config = base64.b64encode(_compact(find("cursor"), launch).encode()).decode()
    return f"https://cursor.com/en/install-mcp?{urlencode({'name': SERVER, 'config': config})}"


BUTTONS: dict[str, tuple[Callable[[Launch], str], str]] = {
    "vscode": (vscode_link, "https://img.shields.io/badge/VS_Code-install-0098FF"),
    "cursor": (cursor_link, "https://cursor.com/deeplink/mcp-install-dark.svg"),
}
"""The link and the picture of a button, by client."""


def _compact(client: Client, launch: Launch) -> str:
    return json.dumps(entry(client, launch), separators=(",", ":"))
