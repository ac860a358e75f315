"""The clients that are known: where their configuration stands, in which form, and what they fill in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["json", "toml", "shell"]
System = Literal["darwin", "linux", "win32"]
SERVER = "kaiming"
"""Name of the server in every client; with the longest tool's name it stays below 60 characters."""


class UnknownClientError(ValueError):
    """No client has that id; the message names the nearest one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client. `files` has one path for all systems, or those of macOS, Linux and Windows in this order."""

    id: str
    title: str
    form: Form
    key: str
    """Name of the mapping that holds the servers; for a shell command, the command itself."""
    files: tuple[str] | tuple[str, str, str] | tuple[()]
    where: str
    """How a person gets to the file, and what to do afterwards."""
    docs: str
    in_window: bool = True
    """Whether it is started from a desktop, where the PATH of a shell is not seen."""
    typed: bool = False
    """Whether an entry says `"type": "stdio"`."""
    workspace: str = ""
    """The variable that it replaces with the directory of the open project, empty where it has none."""

    def file(self, system: str) -> str:
        """The file to edit on a system (a value of `sys.platform`), empty where there is none."""
        if len(self.files) == 3:
            return self.files[{"darwin": 0, "win32": 2}.get(system, 1)]
        return self.files[0] if self.files else ""


CLIENTS = (
    Client(
        id="claude-desktop",
        title="Claude Desktop",
        form="json",
        key="mcpServers",
        files=(
            "~/Library/Application Support/Claude/claude_desktop_config.json",
            "~/.config/Claude/claude_desktop_config.json",
            r"%APPDATA%\Claude\claude_desktop_config.json",
        ),
        where="Settings, Developer, Edit Config opens it; restart Claude afterwards",
        docs="https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    ),
    Client(
        id="claude-code",
        title="Claude Code",
        form="shell",
        key="claude mcp add",
        files=(),
        where="run it in the project; with --scope user before the name it holds for all projects",
        docs="https://code.claude.com/docs/en/mcp",
        in_window=False,
    ),
    Client(
        id="vscode",
        title="VS Code",
        form="json",
        key="servers",
        files=(".vscode/mcp.json",),
        where='in the workspace; for all of them, the command "MCP: Open User Configuration"',
        docs="https://code.visualstudio.com/docs/copilot/reference/mcp-configuration",
        typed=True,
        workspace="${workspaceFolder}",
    ),
    Client(
        id="cursor",
        title="Cursor",
        form="json",
        key="mcpServers",
        files=(".cursor/mcp.json",),
        where="in the project; for all projects ~/.cursor/mcp.json, with the directory itself",
        docs="https://cursor.com/docs/context/mcp",
        typed=True,
        workspace="${workspaceFolder}",
    ),
    Client(
        id="windsurf",
        title="Windsurf",
        form="json",
        key="mcpServers",
        files=(
            "~/.codeium/windsurf/mcp_config.json",
            "~/.codeium/windsurf/mcp_config.json",
            r"%USERPROFILE%\.codeium\windsurf\mcp_config.json",
        ),
        where="refresh the list of MCP servers in Cascade afterwards",
        docs="https://docs.windsurf.com/windsurf/cascade/mcp",
    ),
    Client(
        id="gemini-cli",
        title="Gemini CLI",
        form="json",
        key="mcpServers",
        files=("~/.gemini/settings.json",),
        where="for one project .gemini/settings.json in it",
        docs="https://geminicli.com/docs/tools/mcp-server/",
        in_window=False,
    ),
    Client(
        id="codex",
        title="Codex",
        form="toml",
        key="mcp_servers",
        files=("~/.codex/config.toml",),
        where="for one trusted project .codex/config.toml in it",
        docs="https://developers.openai.com/codex/mcp",
        in_window=False,
    ),
    Client(
        id="zed",
        title="Zed",
        form="json",
        key="context_servers",
        files=("~/.config/zed/settings.json", "~/.config/zed/settings.json", r"%APPDATA%\Zed\settings.json"),
        where='the command "zed: open settings file" opens it',
        docs="https://zed.dev/docs/ai/mcp",
    ),
)


def find(name: str) -> Client:
    """The client with that id.

    Raises:
        UnknownClientError: there is none.
    """
    known = {client.id: client for client in CLIENTS}
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name.lower().replace(" ", "-"), known, 1, 0.5)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownClientError(f"unknown client {name!r}.{meant} Known: {', '.join(known)}.")
    return known[name]
