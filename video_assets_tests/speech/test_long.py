"""Three hours of speech in the memory of three minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_assets_tests.benchmarks.speech import SENTENCES, TALK_SECONDS, heard


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_three_hours_take_no_more_memory_than_three_minutes(tmp_path: Path) -> None:
    short = heard(180, tmp_path / "short")
    long = heard(3 * 3600, tmp_path / "long", timeout=2000)
    assert long["seconds"] == pytest.approx(3 * 3600, abs=1)
    assert long["segments"] == pytest.approx(3 * 3600 / TALK_SECONDS * SENTENCES, rel=0.01)
    assert long["peak"] <= 1.2 * short["peak"]
