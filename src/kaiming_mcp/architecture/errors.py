"""The one error that readers raise: it says what was wrong, what was expected, and shows an example."""

from __future__ import annotations


class ReadError(ValueError):
    """The text could not be read as a network.

    The message is meant for the person who pasted the text: where it went wrong, what was expected,
    and an example that works.
    """
