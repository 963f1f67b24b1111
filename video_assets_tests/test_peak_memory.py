"""Peak memory is that of the stretch asked about, not of the process's whole life."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from video_assets import peak_memory

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux sets its mark back")
MEGABYTE = 2**20


def touched(megabytes: int) -> bytearray:
    """So much memory, really there."""
    return bytearray(b"x" * MEGABYTE) * megabytes


def test_memory_given_back_before_the_stretch_does_not_count() -> None:
    peak_memory.start()
    before = peak_memory.own()
    held = touched(300)
    del held
    assert peak_memory.own() > before + 250 * MEGABYTE
    peak_memory.start()
    assert peak_memory.own() < before + 100 * MEGABYTE


def test_a_childs_peak_is_its_own_and_not_what_its_parent_held() -> None:
    held = touched(300)
    peak_memory.start()
    script = "x = bytearray(b'x' * 2**20) * 60; x = None; print('done', flush=True); input()"
    child = subprocess.Popen([sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    peak_memory.look_at(child.pid)
    child.communicate(b"\n", timeout=30)
    assert 60 * MEGABYTE < peak_memory.largest_child() < 200 * MEGABYTE
    peak_memory.look_at(child.pid)  # gone: nothing to see, nothing lost
    assert peak_memory.largest_child() > 60 * MEGABYTE
    peak_memory.start()
    assert peak_memory.largest_child() == 0
    del held
