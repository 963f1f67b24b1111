"""The two kinds of error, which decide what happens next.

A permanent error is final, and the user reads its message. A transient error is retried with growing pauses. Any other
exception counts as unknown: it is retried once, then reported in general words.
"""

from __future__ import annotations

from collections.abc import Iterable


class PermanentError(Exception):
    """Bad input or bad set-up: trying again cannot help.

    The message is one line for the person who has to act: what is wrong and what to do.
    """


class BadInput(PermanentError):
    """What somebody gave is no good; the house is fine."""


class NoSuchVideo(PermanentError):
    """There is no such video, or no longer."""

    def __init__(self, video_id: int) -> None:
        super().__init__(f"there is no video {video_id}; it may have been deleted")


class NoRoom(PermanentError):
    """There is no room for a file just now; nothing of it was taken."""


class TransientError(Exception):
    """A server is down, a call timed out, a disk is full: the same call may work later."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the server asked us to wait; None where it asked for nothing."""


class Busy(TransientError):
    """Too many ask at once. Its message is for whoever asked."""


class Full(TransientError):
    """A disk or the storage is full. No video is to blame, so the stage waits for room and is retried without a
    practical limit."""


_SHORTEST_SECRET = 6
_secrets: set[str] = set()


def hide(secrets: Iterable[str]) -> None:
    """Makes `one_line` replace these secrets from now on. Libraries repeat in their messages what they were given.
    Secrets of fewer than six characters look like ordinary words and are not replaced."""
    _secrets.update(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)


def one_line(error: BaseException | str, limit: int = 500) -> str:
    """The error as one line of printable text of at most `limit` characters, for users and columns."""
    text = error if isinstance(error, str) else (str(error) or type(error).__name__)
    # The longest first: replacing a secret that is the beginning of a longer one would leave the rest of that one.
    # A copy, because another thread may add to the set.
    for secret in sorted(_secrets.copy(), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
