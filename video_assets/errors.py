"""The two ways in which work can fail.

The difference decides what happens next: a permanent error is final and its message is what the user
reads; a transient one is tried again with a growing pause. Anything else that is raised counts as
unknown: tried once more, then reported in general words.
"""

from __future__ import annotations

from collections.abc import Iterable


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


class Full(TransientError):
    """A disk or a storage has no room left. It is nobody's fault among the videos, so it is tried again, as often as
    it takes, once somebody has made room."""


_SHORTEST_SECRET = 6
_secrets: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """From now on these are made unreadable in whatever `one_line` says: libraries put into their messages what
    they were given, and nobody knows all of them. Those too short to be told from ordinary words are left out."""
    _secrets.update(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)


def one_line(error: BaseException | str, limit: int = 500) -> str:
    """The error as one line of printable text of at most `limit` characters, for users and columns."""
    text = error if isinstance(error, str) else (str(error) or type(error).__name__)
    # The longest first: of one that begins another, the rest of the other would be left. A copy, as others may add.
    for secret in sorted(_secrets.copy(), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
