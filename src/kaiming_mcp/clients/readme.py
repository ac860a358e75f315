"""`python -m kaiming_mcp.clients.readme`: write the clients' part of README.md from the table."""

from __future__ import annotations

import sys
from pathlib import Path

from kaiming_mcp.clients.buttons import BUTTONS
from kaiming_mcp.clients.launch import Launch, contained, rooted
from kaiming_mcp.clients.snippet import snippet
from kaiming_mcp.clients.table import CLIENTS, Client, find

BEGIN = "<!-- written by `make readme` from src/kaiming_mcp/clients/table.py -->\n"
END = "<!-- end of what `make readme` writes -->\n"
PLACE = Launch("/absolute/path/to/kaiming-mcp/.venv/bin/kaiming-mcp", ())
PROJECT = "/absolute/path/to/project"
_FENCES = {"json": "json", "toml": "toml", "shell": "sh"}


def written(readme: str) -> str:
    """The README with its marked part written anew.

    Raises:
        ValueError: the two marks are not there.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"README.md: the two lines {BEGIN.strip()!r} and {END.strip()!r} were expected")
    return before + BEGIN + _clients() + END + after


def _clients() -> str:
    parts = [_buttons(), *(_section(client) for client in CLIENTS), _docker()]
    return "\n".join(parts)


def _buttons() -> str:
    launch = contained(())
    pictures = [f"[![{find(name).title}]({picture})]({link(launch)})" for name, (link, picture) in BUTTONS.items()]
    return (
        "By a click, with Docker and the image built (`docker build -t kaiming-mcp .`):\n" + "\n".join(pictures) + "\n"
    )


def _section(client: Client) -> str:
    text = snippet(client, rooted(PLACE, [client.workspace or PROJECT]))
    place = " · ".join(f"`{file}`" for file in dict.fromkeys(client.files))
    where = f"{place}: {client.where}" if place else f"{client.where[0].upper()}{client.where[1:]}"
    return _folded(f"{client.title}", f"{where} ([documentation]({client.docs})).", client, text)


def _docker() -> str:
    client = find("claude-desktop")
    about = (
        "`docker run --rm kaiming-mcp config CLIENT --docker --root DIR` prints this for any client. Never add `-t`\n"
        "(it rewrites the protocol's line ends) or `--name` (some hosts start a server twice)."
    )
    return _folded("Docker", about, client, snippet(client, contained([PROJECT])))


def _folded(title: str, about: str, client: Client, text: str) -> str:
    fence = f"```{_FENCES[client.form]}\n{text}```"
    return f"<details><summary><b>{title}</b></summary>\n\n{about}\n\n{fence}\n</details>\n"


def main() -> None:
    """Write README.md of the clone that this module stands in."""
    path = Path(__file__).parents[3] / "README.md"
    try:
        text = written(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{error}; run this in a clone, not in an installed package")
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
