"""The image, built and run for real; see build_and_check.py for what that needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from build_and_check import Unavailable, built
from check_image import CHECKS
from runtime import Runtime

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def image() -> Iterator[tuple[Runtime, str]]:
    try:
        with built() as made:
            yield made
    except Unavailable as reason:
        pytest.skip(f"no image can be built and run here: {reason}")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_image(
    check: Callable[[Runtime, str], None], image: tuple[Runtime, str], capsys: pytest.CaptureFixture[str]
) -> None:
    check(*image)
    figures = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{figures}", end="")
