"""`make bench`: what the system costs beyond the work itself, as ratios of figures taken in this very run.

Prints a table, and writes the same as JSON to `results.json` beside this file.
"""

from __future__ import annotations

import json
import logging
import platform
import sys
import tempfile
import time
from pathlib import Path

from video_assets_tests.benchmarks import overhead, projection

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Runs every benchmark. `--quick` takes smaller numbers, to see that they work."""
    logging.disable(logging.WARNING)
    quick = "--quick" in sys.argv[1:]
    results: dict[str, object] = {"python": platform.python_version(), "machine": platform.machine()}
    with tempfile.TemporaryDirectory(prefix="video-assets-bench-") as name:
        folder = Path(name)
        for title, benchmark in (("overhead", overhead.run), ("projection", projection.run)):
            started = time.monotonic()
            rows = benchmark(folder / title, quick=quick)
            results[title] = rows
            print(f"\n{title} ({time.monotonic() - started:.0f} s)")
            for what, figure in rows.items():
                print(f"  {what:<62} {figure:>12}")
    if not quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(f"\nwritten to {RESULTS.name}")


if __name__ == "__main__":
    main()
