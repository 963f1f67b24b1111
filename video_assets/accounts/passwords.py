"""Hashes passwords with Argon2id, and verifies those of the services before, which are bcrypt.

One verification takes 64 MiB and about 50 ms, so only a few run at once: a flood of logins must not take the memory of
whatever else runs here.
"""

from __future__ import annotations

import threading
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from video_assets.errors import BadInput, Busy

SHORTEST = 8
LONGEST = 1024
"""Characters. Longer ones only cost time."""
AT_ONCE = 4
WAIT_SECONDS = 10.0
_BCRYPT_BYTES = 72
"""bcrypt never looked further; its library refuses longer passwords since 5.0, where older ones cut them off."""

_turns = threading.BoundedSemaphore(AT_ONCE)


@cache
def _hashes() -> PasswordHash:
    return PasswordHash((Argon2Hasher(), BcryptHasher()))


@cache
def _nobody() -> str:
    """A hash that no password has: a login without such a user takes as long as one with a wrong password."""
    return _hashes().hash("nobody's password")


def check(password: str) -> None:
    """Raises BadInput where this is no acceptable new password."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"a password has {SHORTEST} to {LONGEST:,} characters; choose another")


def hash_password(password: str) -> str:
    """The hash to keep. Busy where too many are being hashed."""
    with _Turn():
        return _hashes().hash(_storable(password))


def verify(password: str, hashed: str | None) -> tuple[bool, str | None]:
    """Whether it is the password, and a new hash to keep instead where the old one is of an older kind. `hashed` None:
    there is no such user; it takes as long. Busy where too many are being verified."""
    known = hashed or _nobody()
    given = _storable(password[:LONGEST])
    if known.startswith(("$2a$", "$2b$", "$2y$")):
        given = given[:_BCRYPT_BYTES]
    with _Turn():
        try:
            right, _ = _hashes().verify_and_update(given, known)
        except Exception:  # a hash of no kind that is known: nobody signs in with it
            right = False
        if not right or hashed is None:
            return False, None
        if known.startswith("$2"):
            return True, _hashes().hash(_storable(password))
    return True, None


def _storable(password: str) -> bytes:
    """Half of a surrogate pair cannot be encoded, and must not end in a stack trace."""
    return password.encode("utf-8", "replace")


class _Turn:
    def __enter__(self) -> None:
        if not _turns.acquire(timeout=WAIT_SECONDS):
            raise Busy("too many people are signing in; try again in a minute")

    def __exit__(self, *_: object) -> None:
        _turns.release()
