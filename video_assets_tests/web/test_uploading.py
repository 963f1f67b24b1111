"""Uploads over HTTP: resumed wherever they broke off, and a video exactly once."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from video_assets.artifacts.captions import current_captions
from video_assets.database.models import OutboxRow, VideoRow
from video_assets.intake import multipart
from video_assets_tests.defs.studio import CAPTIONS, Studio
from video_assets_tests.web.serving import Site

pytestmark = pytest.mark.timeout(300)
PART = 64 * 1024


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 16 MiB would make these tests long; nothing else knows how large they are."""
    monkeypatch.setattr(multipart, "part_bytes_for", lambda _: PART)


def begun(client: httpx.Client, size: int, **more: Any) -> dict[str, Any]:
    answer = client.post("/videos/upload/initiate", json={"filename": "talk.mp4", "sizeBytes": size, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def presigned(client: httpx.Client, upload: dict[str, Any], number: int, **more: Any) -> dict[str, Any]:
    body = {"uploadId": upload["uploadId"], "partNumber": number, **more}
    answer = client.post("/videos/upload/presign", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def sent(client: httpx.Client, upload: dict[str, Any], number: int, data: bytes) -> str:
    """Sends a part whole, as somebody without a token; its ETag."""
    target = presigned(client, upload, number)
    answer = httpx.put(target["url"], content=data, headers=target["headers"], timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.headers["etag"]


def parts_of(data: bytes) -> dict[int, bytes]:
    return {number: data[at : at + PART] for number, at in enumerate(range(0, len(data), PART), 1)}


def announced(studio: Studio, video_id: int) -> int:
    """How often `video.uploaded` is in the outbox."""
    with studio.systems.database.read() as session:
        payloads = session.scalars(select(OutboxRow.payload).where(OutboxRow.topic == "video.uploaded"))
        return sum(each["videoId"] == video_id for each in payloads)


def test_a_file_in_parts_becomes_a_video_with_its_captions(site: Site, studio: Studio) -> None:
    studio.video()
    data = (studio.folder / "herons.mp4").read_bytes()
    with site.as_("owner") as client:
        captions = {"filename": "talk.vtt", "text": CAPTIONS}
        upload = begun(client, len(data), title="Herons again", captions=captions, visibility="private")
        assert upload["partCount"] == len(parts_of(data)) > 2
        etags = [
            {"partNumber": number, "etag": sent(client, upload, number, part)}
            for number, part in sorted(parts_of(data).items(), reverse=True)
        ]
        body = {"uploadId": upload["uploadId"], "parts": etags}
        done = client.post("/videos/upload/complete", json=body)
        again = client.post("/videos/upload/complete", json=body)
    assert (done.status_code, again.status_code) == (200, 200)
    assert done.json() == again.json() == {"videoId": upload["videoId"], "status": "pending", "key": upload["key"]}
    assert studio.systems.storage.get_bytes(upload["key"]) == data
    assert current_captions(studio.systems.storage, upload["videoId"])
    assert announced(studio, upload["videoId"]) == 1
    studio.run(upload["videoId"])
    with site.as_("owner") as client:
        video = client.get(f"/videos/{upload['videoId']}").json()
        assert (video["status"], video["title"], video["visibility"]) == ("ready", "Herons again", "private")
    with site.as_("member") as client:
        assert client.get(f"/videos/{upload['videoId']}").status_code == 404


def test_a_connection_cut_anywhere_two_hundred_times_loses_nothing(site: Site, studio: Studio) -> None:
    chance = random.Random(14)
    data = chance.randbytes(20 * PART + 123)
    cuts = 0
    with site.as_("owner") as client:
        upload = begun(client, len(data))
        parts = parts_of(data)
        while cuts < 200:
            number = chance.choice(list(parts))
            cut_off(presigned(client, upload, number)["url"], parts[number], chance.randrange(len(parts[number])))
            cuts += 1
            if cuts % 10 == 0:  # and one in between gets through
                sent(client, upload, number, parts[number])
        there = {
            each["partNumber"] for each in client.get(f"/videos/upload/{upload['uploadId']}/parts").json()["parts"]
        }
        refused = client.post("/videos/upload/complete", json={"uploadId": upload["uploadId"]})
        assert refused.status_code == 409
        assert refused.json()["missing"] == sorted(set(parts) - there)
        for number in sorted(set(parts) - there):
            sent(client, upload, number, parts[number])
        assert client.post("/videos/upload/complete", json={"uploadId": upload["uploadId"]}).status_code == 200
    stored = studio.systems.storage.get_bytes(upload["key"])
    assert hashlib.sha256(stored).digest() == hashlib.sha256(data).digest()
    assert announced(studio, upload["videoId"]) == 1


def cut_off(address: str, data: bytes, after: int) -> None:
    """Sends so many bytes of a part and hangs up."""
    parts = urlsplit(address)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data[:after])


def test_what_a_part_may_be_is_checked_before_and_after(site: Site) -> None:
    with site.as_("owner") as client:
        upload = begun(client, PART + 10)
        target = presigned(client, upload, 1)
        short = httpx.put(target["url"], content=b"x", timeout=30, trust_env=False)
        assert (short.status_code, "65,536 bytes" in short.json()["detail"]) == (400, True)
        forged = httpx.put(
            target["url"].replace("/parts/1", "/parts/2"), content=b"x" * 10, timeout=30, trust_env=False
        )
        assert forged.status_code == 403
        late = httpx.put(
            target["url"].partition("sig=")[0] + "sig=1.x", content=b"x" * PART, timeout=30, trust_env=False
        )
        assert late.status_code == 403
        assert (
            client.post("/videos/upload/presign", json={"uploadId": upload["uploadId"], "partNumber": 3}).status_code
            == 400
        )


def test_a_part_with_another_hash_is_refused(site: Site) -> None:
    data = os.urandom(1000)
    right = hashlib.sha256(data).hexdigest()
    with site.as_("owner") as client:
        upload = begun(client, len(data), hashed=True)
        target = presigned(client, upload, 1, sha256=right)
        altered = httpx.put(target["url"], content=b"x" * 1000, timeout=30, trust_env=False)
        assert altered.status_code == 400
        assert client.post("/videos/upload/complete", json={"uploadId": upload["uploadId"]}).status_code == 409
        assert httpx.put(target["url"], content=data, timeout=30, trust_env=False).status_code == 200
        assert client.post("/videos/upload/complete", json={"uploadId": upload["uploadId"]}).status_code == 200


def test_what_is_too_large_or_nothing_is_refused_before_a_byte_is_sent(site: Site, studio: Studio) -> None:
    with site.as_("owner") as client:
        for size in (0, studio.settings.max_upload_bytes + 1):
            answer = client.post("/videos/upload/initiate", json={"filename": "a.mp4", "sizeBytes": size})
            assert answer.status_code == 400, answer.text
            assert answer.headers["content-type"] == "application/problem+json"


def test_an_upload_is_its_users_alone_and_can_be_aborted(site: Site, studio: Studio) -> None:
    with site.as_("owner") as owner, site.as_("member") as other:
        upload = begun(owner, 10)
        for path, body in (
            ("presign", {"uploadId": upload["uploadId"], "partNumber": 1}),
            ("complete", {"uploadId": upload["uploadId"]}),
        ):
            assert other.post(f"/videos/upload/{path}", json=body).status_code == 404
        other.post("/videos/upload/abort", json={"uploadId": upload["uploadId"]})
        sent(owner, upload, 1, b"0123456789")
        for _ in range(2):
            gone = owner.post("/videos/upload/abort", json={"uploadId": upload["uploadId"]})
            assert gone.status_code == 204
        assert owner.get(f"/videos/upload/{upload['uploadId']}/parts").status_code == 404
    with studio.systems.database.read() as session:
        assert session.get(VideoRow, upload["videoId"]) is None
    assert list(studio.systems.storage.list(f"videos/{upload['videoId']}/")) == []


def test_the_same_request_twice_begins_one_upload(site: Site, studio: Studio) -> None:
    with site.as_("owner") as client, studio.systems.database.read() as session:
        before = session.scalar(select(func.count()).select_from(VideoRow)) or 0
        headers = {"Idempotency-Key": "k-1"}
        body = {"filename": "a.mp4", "sizeBytes": 10}
        first, again = (client.post("/videos/upload/initiate", json=body, headers=headers) for _ in range(2))
        other = client.post("/videos/upload/initiate", json=body | {"sizeBytes": 11}, headers=headers)
    assert first.json() == again.json()
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    with studio.systems.database.read() as session:
        assert session.scalar(select(func.count()).select_from(VideoRow)) == before + 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nX: 1.mp4", "x" * 4000 + ".mp4", "‮4pm.exe", "C:\\a\\b.mov"])
def test_a_files_name_is_only_text(site: Site, studio: Studio, name: str, tmp_path: Path) -> None:
    with site.as_("owner") as client:
        upload = client.post("/videos/upload/initiate", json={"filename": name, "sizeBytes": 10}).json()
        assert upload["key"].startswith(f"videos/{upload['videoId']}/source/original")
        video = client.get(f"/videos/{upload['videoId']}").json()
        assert video["title"].isprintable()
        client.post("/videos/upload/abort", json={"uploadId": upload["uploadId"]})
