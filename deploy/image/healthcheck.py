# ruff: noqa: T201 - what is printed here is what `docker inspect` shows
"""The image's HEALTHCHECK: ends with 0 when the server answers /healthz, or serves stdio and has nothing to be asked.

Which of the two, and on which port, is read where the server itself has it from: the command line of the container's
first process, then the environment. Standard library only, and nothing of the package: it runs every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT_SECONDS = 2
EVERY_ADDRESS = ("0.0.0.0", "::")


def address(words: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Where a server started with these words listens; None when it serves stdio."""
    if "--http" not in words:
        return None

    def setting(name: str, default: str) -> str:
        value = environment.get(f"KAIMING_{name.upper()}", "").strip()
        if not value or value.startswith("tcp://"):  # what Kubernetes says of a Service named "kaiming"
            value = default
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word == f"--{name}":
                value = following
            elif word.startswith(f"--{name}="):
                value = word.partition("=")[2]
        return value

    host = setting("host", "127.0.0.1")
    return ("127.0.0.1" if host in EVERY_ADDRESS else host), int(setting("port", "8000"))


def main() -> int:
    """The status to end with; what was found is printed."""
    # `docker run --init` and a shell put words before the command, and a shell puts all in one word.
    command = Path("/proc/1/cmdline").read_text("utf-8").replace("\0", " ").split()
    place = address(command, os.environ)
    if place is None:
        print("serves stdio")
        return 0
    connection = http.client.HTTPConnection(*place, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"no answer at {place[0]}:{place[1]}: {error}")
        return 1
    finally:
        connection.close()
    print(f"/healthz: {status}")
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
