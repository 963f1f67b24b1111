"""What both users of OpenAI-compatible servers stand on: how long they are asked to wait."""

from __future__ import annotations

from datetime import datetime, timezone

import httpx2 as httpx
import pytest

from video_assets.model_server.refusals import retry_after

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("Fri, 01 May 2026 12:01:30 GMT", 90.0),
        ("Fri, 01 May 2026 11:00:00 GMT", 0.0),
        ("999999999", 86_400.0),
        ("0", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("1e9", None),
        ("nan", None),
    ],
)
def test_the_pause_that_is_asked_for_is_read_in_seconds_or_as_a_date(given: str, seconds: float | None) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": given}), NOW) == seconds
