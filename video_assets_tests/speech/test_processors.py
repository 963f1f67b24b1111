"""What is stated of recognition holds on other processors: the same tests, as those would run them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("test_whisper.py")


def _offered(instructions: str) -> bool:
    """Whether this processor has them; one told to use what it has not dies of it."""
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split("\nflags", 2)[1].split("\n")[0]
    return {"AVX": "avx", "AVX2": "avx2", "AVX512": "avx512vl"}.get(instructions, "fpu") in flags.split()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize(
    ("instructions", "kernels"),
    [("GENERIC", "Nehalem"), ("AVX", "Sandybridge"), ("AVX2", "Haswell"), ("AVX512", "SkylakeX")],
)
def test_recognition_is_as_good_with_other_instructions(instructions: str, kernels: str, threads: str) -> None:
    if not _offered(instructions):
        pytest.skip(f"this processor has no {instructions}")
    environment = os.environ | {
        "CT2_FORCE_CPU_ISA": instructions,
        "OPENBLAS_CORETYPE": kernels,
        "SPEECH_TEST_THREADS": threads,
    }
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", str(TESTS)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=850,
        cwd=TESTS.parents[2],
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
