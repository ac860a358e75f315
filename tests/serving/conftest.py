from __future__ import annotations

from collections.abc import Iterator

import pytest
from team_server import Running, running


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """One server as it is by default, for all tests that do not end it."""
    with running() as process:
        yield process


@pytest.fixture(params=["modern", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)
