"""The real servers that some benchmarks measure against."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from video_assets_tests.e2e.production import Servers

SCRIPT = Path(__file__).parents[1] / "services" / "services"
NEEDED = ("postgres", "redis", "kafka", "s3", "elasticsearch")


def variables(*names: str) -> dict[str, str]:
    """Starts those of these servers that are not up yet, and says where they are."""
    subprocess.run([SCRIPT, "up", *names], check=True, capture_output=True)
    said = subprocess.run([SCRIPT, "env", *names], check=True, capture_output=True, text=True).stdout
    return dict(word.split("=", 1) for word in shlex.split(said) if "=" in word)


def started() -> Servers:
    """Starts what is not up yet, and says where all of it is."""
    where = variables(*NEEDED)
    return Servers(
        postgres=where["TEST_DATABASE_URL"],
        redis=where["TEST_REDIS_URL"],
        kafka=where["TEST_KAFKA_BOOTSTRAP_SERVERS"],
        s3=where["TEST_S3_ENDPOINT_URL"],
        elasticsearch=where["TEST_ELASTICSEARCH_URL"],
    )
