"""`make bench`: what the system costs beyond the work itself, as ratios of figures taken in this very run.

    python -m video_assets_tests.benchmarks [--quick] [--services] [NAME…]

Prints a table a benchmark, and writes the figures to `results.json` beside this file, each with the day it was taken;
those of benchmarks that did not run stay as they are. `--quick` takes smaller numbers, to see that everything works,
and writes nothing. `--services` (`make bench-services`) takes those that need real servers. With `--keep FOLDER` and
`--within MINUTES` the one of media, which takes long, can be taken in several goes.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from video_assets_tests.benchmarks import (
    launching,
    media,
    outbox,
    overhead,
    projection,
    search,
    speech,
    text,
    wanted,
    web,
)

RESULTS = Path(__file__).with_name("results.json")
ALONE = {
    "overhead": overhead.run,
    "projection": projection.run,
    "wanted": wanted.run,
    "text": text.run,
    "media": media.run,
    "speech": speech.run,
    "search": search.run,
    "web": web.run,
}
ON_SERVERS = {
    "outbox": outbox.run,
    "indexing": search.run_on_server,
    "launching": launching.run,
    "launching_media": launching.run_with_media,
}
BENCHMARKS = ALONE | ON_SERVERS


def main(arguments: list[str]) -> None:
    """Runs the benchmarks of these names, or all."""
    logging.disable(logging.WARNING)
    quick = "--quick" in arguments
    valued = [at + 1 for at, argument in enumerate(arguments) if argument in ("--keep", "--within")]
    names = [each for at, each in enumerate(arguments) if not each.startswith("-") and at not in valued]
    names = names or list(ON_SERVERS if "--services" in arguments else ALONE)
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for name in names:
        with tempfile.TemporaryDirectory(prefix="video-assets-bench-") as folder:
            started = time.monotonic()
            figures = BENCHMARKS[name](Path(folder) / name, quick=quick)
        print(f"\n{name} ({time.monotonic() - started:.0f} s)")
        for what, figure in figures.items():
            print(f"  {what:<70} {figure:>12}")
        if not quick:
            _keep(name, {"taken": date.today().isoformat(), "on": machine, **figures})


def _keep(name: str, figures: dict[str, float | str]) -> None:
    """Puts one benchmark's figures in the place of its last ones, at once: a later one may take long, or fail."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results = {each: figures if each == name else kept.get(each) for each in BENCHMARKS}
    RESULTS.write_text(json.dumps({k: v for k, v in results.items() if v}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
