"""Lines of bounded length: however the input is cut into chunks, and however long a line is."""

from __future__ import annotations

import itertools
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.serving.stdio.lines import ENDS, Lines, Overlong


def _read(lines: Lines, data: bytes, cuts: list[int]) -> list[bytes | Overlong]:
    found: list[bytes | Overlong] = []
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(bounds):
        found += lines.feed(data[start:end])
    return [*found, lines.rest()]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), min_size=1), st.lists(st.integers(0)))
def test_chunks_of_any_length_give_the_same_lines(lines: list[bytes], cuts: list[int]) -> None:
    assert _read(Lines(longest=40), b"\n".join(lines), cuts) == lines


@settings(deadline=None)
@given(st.integers(1, 5000), st.lists(st.integers(0), max_size=8))
def test_of_a_line_that_is_too_long_the_two_ends_are_left(length: int, cuts: list[int]) -> None:
    long = bytes(i % 251 + 1 if i % 251 + 1 != 10 else 11 for i in range(length))
    before, found, after = _read(Lines(longest=1000), b"before\n" + long + b"\nafter", cuts)
    assert (before, after) == (b"before", b"after")
    if length <= 1000:
        assert found == long
    else:
        assert isinstance(found, Overlong)
        assert found.tail == long[-ENDS:]
        assert long.startswith(found.head)
        assert 0 < len(found.head) <= ENDS


def test_a_line_that_is_too_long_is_never_held() -> None:
    lines, chunk = Lines(longest=100_000), b"a" * 65_536
    tracemalloc.start()
    for _ in range(400):
        assert not list(lines.feed(chunk))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 400_000
