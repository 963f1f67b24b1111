"""Large objects go through little memory: what a process holds does not grow with what it moves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

MB = 2**20
BOUND_MB = 64
MOVER = """
import json, sys, threading
from pathlib import Path
import psutil
from video_assets.storage.s3 import S3Storage
from video_assets.storage.s3_client import S3Options, make_client

endpoint, bucket, size, folder, way = sys.argv[1:]
size, folder, back = int(size), Path(folder), way == "back"
storage = S3Storage(make_client(S3Options(endpoint_url=endpoint, region="us-east-1")), bucket)
source, me, done = folder / "sparse.mp4", psutil.Process(), threading.Event()
with source.open("wb") as file:
    file.truncate(size)
storage.put_bytes("first", b"x")  # what is loaded once is loaded now
before, peak = me.memory_info().rss, 0

def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, me.memory_info().rss)

watcher = threading.Thread(target=watch)
watcher.start()
storage.put_file("large.mp4", source)
if back:
    assert storage.fetch("large.mp4", folder / "work").stat().st_size == size
done.set()
watcher.join()
print(json.dumps([before, peak]))
"""


def growth_mb(endpoint: str, bucket: str, size: int, folder: Path, *, back: bool) -> float:
    """How much memory a process takes beyond what it had, while it moves a file of this size."""
    words = [endpoint, bucket, str(size), str(folder), "back" if back else "up"]
    moved = subprocess.run([sys.executable, "-c", MOVER, *words], capture_output=True, text=True, timeout=850)
    assert moved.returncode == 0, moved.stderr[-2000:]
    before, peak = map(float, json.loads(moved.stdout))
    print(f"{size // MB} MB moved: {before / MB:.0f} MB before, at most {peak / MB:.0f} MB while it went")
    return (peak - before) / MB


@pytest.mark.timeout(300)
def test_a_quarter_of_a_gigabyte_goes_both_ways_in_little_memory(
    s3_endpoint: str, s3_bucket: str, tmp_path: Path
) -> None:
    assert growth_mb(s3_endpoint, s3_bucket, 256 * MB, tmp_path, back=True) < BOUND_MB


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a server that takes every part and keeps none: a real one would need the disk for it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.swallow()
            begun = self.path.endswith("?uploads")
            self.answer(
                b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
                if begun
                else b"<CompleteMultipartUploadResult><ETag>all</ETag></CompleteMultipartUploadResult>"
            )

        def do_PUT(self) -> None:
            self.answer(b"", ETag=f'"{self.swallow()}"')

        def swallow(self) -> str:
            left, digest = int(self.headers.get("Content-Length") or 0), hashlib.md5(usedforsecurity=False)
            while left:
                piece = self.rfile.read(min(left, MB))
                left -= len(piece)
                digest.update(str(left).encode())
            return digest.hexdigest()

        def answer(self, body: bytes, **headers: str) -> None:
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_twenty_gigabytes_go_up_in_as_little(swallowing: str, tmp_path: Path) -> None:
    assert growth_mb(swallowing, "bucket", 20 * 1024 * MB, tmp_path, back=False) < BOUND_MB


@pytest.mark.slow
def test_two_gigabytes_go_both_ways_in_as_little(s3_endpoint: str, s3_bucket: str, tmp_path: Path) -> None:
    assert growth_mb(s3_endpoint, s3_bucket, 2 * 1024 * MB, tmp_path, back=True) < BOUND_MB
