"""What was made plays in a browser: each rung by itself as .mp4, and all of them by the master playlist."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from video_assets.media import hls, inspect
from video_assets_tests.media.test_honest import KINDS, Result, made

SCRIPT = Path(__file__).parents[1] / "services" / "chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]
PLAYED = (
    "faststart MP4",
    "HDR10",
    "turned by 90",
    "MKV with reordered pictures",
    "sound a second late",
    "cover art, M4A",
)
QUICK = ("faststart MP4",)
PAGE = "<!doctype html><meta charset=utf-8><title>player</title><video playsinline></video>"
PLAY = """
async ([address, fast]) => {
  const video = document.querySelector('video');
  const found = {error: '', ended: false, time: 0, width: 0, height: 0, duration: 0, luma: [], frames: 0};
  const outcome = new Promise(resolve => {
    video.onended = () => { found.ended = true; resolve(); };
    video.onerror = () => { found.error = video.error.message || `code ${video.error.code}`; resolve(); };
  });
  if (video.requestVideoFrameCallback) {
    const count = () => { found.frames += 1; video.requestVideoFrameCallback(count); };
    video.requestVideoFrameCallback(count);
  }
  video.src = address;
  video.playbackRate = fast;
  video.play().catch(error => { found.error = String(error); });
  await Promise.race([outcome, new Promise(resolve => setTimeout(resolve, 60000))]);
  found.time = video.currentTime;
  [found.width, found.height, found.duration] = [video.videoWidth, video.videoHeight, video.duration];
  if (video.videoWidth) {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    found.luma = [1 / 6, 0.5, 5 / 6].map(at => Array.from(
      context.getImageData(Math.floor(canvas.width * at), canvas.height >> 1, 1, 1).data).slice(0, 3));
  }
  return found;
}
"""

pytestmark = pytest.mark.timeout(400)  # the first time, the browser is installed


class _WithRanges(http.server.SimpleHTTPRequestHandler):
    """A folder over HTTP with byte ranges, which neither players nor playlists of ranges can do without."""

    extensions_map = {  # noqa: RUF012
        ".mp4": "video/mp4",
        ".m3u8": "application/vnd.apple.mpegurl",
        ".html": "text/html",
    }

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        size, asked = path.stat().st_size, self.headers.get("Range", "")
        first, last = 0, size - 1
        if asked.startswith("bytes="):
            begin, _, end = asked[6:].partition("-")
            first, last = int(begin or 0), min(int(end or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.end_headers()
        with path.open("rb") as file:
            file.seek(first)
            try:
                self.wfile.write(file.read(last - first + 1))
            except (BrokenPipeError, ConnectionResetError):  # the player has heard enough
                return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    ran = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=360)
    if ran.returncode:
        message = f"no browser: {(ran.stderr.strip() or 'the script failed').splitlines()[-1]}"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=ran.stdout.strip(), headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder, and where it is served."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    handler = functools.partial(_WithRanges, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def play(browser: Browser, served: tuple[Path, str]) -> Iterator[Callable[[Path], dict[str, Any]]]:
    """Plays a file below the served folder to its end at double speed; what the player found."""
    folder, address = served
    page = browser.new_page()
    page.goto(f"{address}/index.html")
    yield lambda path: page.evaluate(PLAY, [f"{address}/{path.relative_to(folder).as_posix()}", 2])
    page.close()


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in PLAYED])
def test_every_rung_and_the_master_playlist_play_to_the_end(
    name: str, served: tuple[Path, str], play: Callable[[Path], dict[str, Any]], tmp_path: Path
) -> None:
    kind = KINDS[name]
    result = made(kind.make(tmp_path), served[0] / name.replace(" ", "-").replace(",", ""))
    master = write_master(result)
    for path in [*result.rungs, master]:
        found = play(path)
        assert found["error"] == "", path.name
        assert found["ended"], (path.name, found)
        assert found["duration"] == pytest.approx(kind.seconds, rel=0.005, abs=0.06)
        assert found["time"] == pytest.approx(kind.seconds, rel=0.005, abs=0.06)
        if path == master:
            assert (found["width"], found["height"]) in {(rung.width, rung.height) for rung in result.plan.rungs}
        else:
            rung = result.plan.rung(path.stem)
            assert (found["width"], found["height"]) == (rung.width, rung.height)
        if name == "HDR10":
            black, white, red = found["luma"]
            assert max(black) < 12
            assert min(white) > 165
            assert red[0] > 2 * max(red[1:])


def write_master(result: Result) -> Path:
    _, rows = inspect.variants(result.folder, result.plan, result.probe)
    path = result.folder / "master.m3u8"
    path.write_text(hls.master(rows), encoding="utf-8")
    return path
