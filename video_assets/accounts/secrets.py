"""Random words that open something, and the hash by which they are kept."""

from __future__ import annotations

import hashlib
import secrets

SESSION, API, SHARE, INVITATION = "vas_", "vat_", "vsh_", "vin_"
"""Prefixes: whoever finds one in a log, or a scanner that looks for leaked keys, sees what it is."""
BYTES = 32


def new(prefix: str) -> str:
    """A word with 256 random bits, safe in URLs and headers."""
    return prefix + secrets.token_urlsafe(BYTES)


def hash_of(word: str) -> str:
    """What is kept of it. Looking a hash up needs no constant-time comparison: what an attacker could learn of it by
    the time it takes is nothing he can turn into a word."""
    return hashlib.sha256(word.encode("utf-8", "replace")).hexdigest()
