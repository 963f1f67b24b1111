"""The vote on which language is spoken."""

from __future__ import annotations

import pytest

from video_assets.speech.language import agreed


def test_an_excerpt_counts_by_how_much_is_said_in_it() -> None:
    voted = agreed([(1.0, {"cy": 1.0}), (20.0, {"en": 0.6, "de": 0.4})])
    assert voted is not None
    assert voted[0] == "en"
    assert voted[1] == pytest.approx(12 / 21)
    assert agreed([]) is None
    assert agreed([(0.0, {"en": 1.0})]) is None
