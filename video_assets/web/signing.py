"""Signed addresses: what may be fetched or sent without signing in, until when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings

NAME = "secret.key"


def secret_of(settings: Settings) -> bytes:
    """The key that signs. Made once and kept in HOME where no setting gives it: then there is one machine."""
    given = settings.secret_key.get_secret_value()
    if given:
        return given.encode()
    path = settings.home.absolute() / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _read(path)
        except FileNotFoundError:
            return _made(path)
    except OSError as error:
        raise PermanentError(one_line(f"cannot keep {path}: {error.strerror}; set VIDEO_ASSETS_SECRET_KEY")) from None


def _made(path: Path) -> bytes:
    """Of two processes that make it at once, both use the one that was there first."""
    temporary = path.with_name(f".{NAME}-{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    key = path.read_bytes().strip()
    if len(key) < 32:
        raise PermanentError(f"{path} is too short to be a key; remove it, and it is made anew")
    return key


class Signer:
    """Signs words together with the second at which the signature ends."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, what: str, until: int) -> str:
        """A signature of `what`, good until this second since 1970; safe in URLs."""
        return f"{until}.{self._mac(what, until)}"

    def holds(self, what: str, signature: str, now: float) -> bool:
        """Whether this is an unexpired signature of `what`."""
        until, _, mac = signature.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 16) or int(until) <= now:
            return False
        return hmac.compare_digest(self._mac(what, int(until)).encode(), mac.encode("utf-8", "replace"))

    def _mac(self, what: str, until: int) -> str:
        digest = hmac.new(self._key, f"{until}\n{what}".encode("utf-8", "replace"), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:24]).decode()
