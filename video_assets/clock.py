"""The wall clock: the only place that asks for the current time. Durations are measured with `time.monotonic`."""

from __future__ import annotations

from datetime import datetime, timezone


def utc_now() -> datetime:
    """The current time, aware, in UTC. Pure code takes times as arguments instead."""
    return datetime.now(timezone.utc)


def from_timestamp(seconds: float) -> datetime:
    """A time given as seconds since 1970, aware, in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc)
