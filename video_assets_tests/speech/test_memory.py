"""What recognition frees goes back to the system, whatever is still held between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from video_assets.speech import memory, model
from video_assets_tests.speech.conftest import recognition

_CHILD = """
import sys
import numpy as np
from pathlib import Path
from video_assets.speech import memory

def resident():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) * 1024

if sys.argv[1] == "mapped":
    memory.map_large_blocks()
np.ones(30_000_000, np.uint8)  # freed at once: from here on the C library would take such blocks from its heaps
before = resident()
large, small = [], []
for _ in range(10):
    large.append(np.ones(10_000_000, np.uint8))
    small.append(np.ones(100_000, np.uint8))
large.clear()
print(resident() - before)
"""


def _left(how: str) -> int:
    """Bytes that a process holds after it freed ten blocks of 10 MB, each followed by one that it keeps."""
    ran = subprocess.run([sys.executable, "-c", _CHILD, how], capture_output=True, text=True, timeout=60, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read where Linux tells it")
def test_large_blocks_go_back_although_small_ones_between_them_are_kept() -> None:
    if _left("plain") < 50_000_000:
        pytest.skip("this C library leaves no gaps")
    assert _left("mapped") < 10_000_000


def test_a_model_is_loaded_with_large_blocks_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    monkeypatch.setattr(memory, "map_large_blocks", lambda: called.append(True))
    model._loaded.__wrapped__(recognition().model)
    assert called == [True]
