"""Three hours take no more memory than eighteen minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_assets_tests.benchmarks.media import three_hours


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_is_flat_over_three_hours(tmp_path: Path) -> None:
    figures = three_hours(tmp_path, seconds=3 * 3600)
    assert float(figures["3 h at a low rate: peak memory over that of a tenth"]) < 1.2, figures
    assert float(figures["3 h at a low rate: peak memory, MB"]) < 600, figures
