"""The examples of docs/api.md, run in their order against a new house."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.media.clips import make_clip
from video_assets_tests.web.serving import served

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
FAILING = 'set -euo pipefail\ncurl() { command curl --fail-with-body --max-time 30 "$@"; echo; }\n'
"""As the page has them, but an answer that is an error ends the script."""


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="the examples are for curl and jq")
@pytest.mark.timeout(120)
def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    examples = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) > 4
    clip = make_clip(tmp_path / "talk.mp4")
    with served(Systems(Settings(home=tmp_path / "home", min_free_bytes=0))) as site:
        environment = os.environ | {"API": f"{site.address}/api/v1", "FILE": str(clip), "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            ["bash", "-c", FAILING + "\n".join(examples)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"status":"pending"' in done.stdout
    assert '"visibility":"public"' in done.stdout
    assert "?share=vsh_" in done.stdout
