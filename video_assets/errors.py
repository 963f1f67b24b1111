"""The two ways in which work can fail.

The difference decides what happens next: a permanent error is final and its message is what the user
reads; a transient one is tried again with a growing pause. Anything else that is raised counts as
unknown: tried once more, then reported in general words.
"""

from __future__ import annotations


class PermanentError(Exception):
    """Bad input or bad set-up: trying again cannot help.

    The message is one line for the person who has to act: what is wrong and what to do.
    """


class TransientError(Exception):
    """The world was not ready (a server down, a time-out): the same call may work later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the other side asked us to wait, where it said so."""


def one_line(error: BaseException | str, limit: int = 500) -> str:
    """The error as one line of printable text of at most `limit` characters, for users and columns."""
    text = error if isinstance(error, str) else (str(error) or type(error).__name__)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
