"""What only a bucket can get wrong: parts, lost answers, altered bytes, refusals, addresses."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from video_assets.errors import PermanentError, TransientError
from video_assets.storage import Conflict, Full, NotFound, open_storage
from video_assets.storage import s3 as s3_module
from video_assets.storage.s3 import S3Storage
from video_assets.storage.s3_client import S3Options, make_client


@pytest.fixture
def storage(s3_bucket: str, s3_endpoint: str) -> S3Storage:
    client = make_client(S3Options(endpoint_url=s3_endpoint, region="us-east-1", max_attempts=2))
    return S3Storage(client, s3_bucket, "some/prefix/")


def content(size: int) -> bytes:
    """Bytes that differ everywhere, so that a part in a wrong place shows."""
    return hashlib.shake_128(b"seed").digest(size)


def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Makes parts as small as the servers allow."""
    part = 5 * 2**20
    for name in ("multipart_threshold", "multipart_chunksize"):
        monkeypatch.setattr(s3_module._TRANSFER, name, part)
    return part


def parts_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_of_several_parts_comes_back_as_it_was(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content(small_parts(monkeypatch) * 3 + 12345)
    (tmp_path / "source").write_bytes(data)
    storage.put_file("v/big.mp4", tmp_path / "source", content_type="video/mp4")
    assert storage.client.head_object(Bucket=storage.bucket, Key="some/prefix/v/big.mp4")["ETag"].endswith('-4"')
    fetched = storage.fetch("v/big.mp4", tmp_path / "work")
    assert fetched.name == "big.mp4"
    assert fetched.read_bytes() == data
    assert parts_below(tmp_path / "work") == [fetched]


def test_an_upload_that_fails_leaves_neither_object_nor_parts(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_bytes(content(small_parts(monkeypatch) * 2 + 1))
    sent: list[str] = []

    def refuse_the_third(params: Any, **_: Any) -> None:
        sent.append("part")
        if len(sent) >= 3:
            raise OSError(5, "Input/output error")

    storage.client.meta.events.register("before-call.s3.UploadPart", refuse_the_third)
    with pytest.raises((OSError, PermanentError)):
        storage.put_file("v/big", tmp_path / "source")
    assert storage.stat("v/big") is None
    assert storage.client.list_multipart_uploads(Bucket=storage.bucket).get("Uploads", []) == []


def test_a_fetched_file_is_not_fetched_twice_unless_it_was_replaced(storage: S3Storage, tmp_path: Path) -> None:
    storage.put_bytes("o", b"one")
    first = storage.fetch("o", tmp_path)
    stamp = first.stat().st_mtime_ns
    assert storage.fetch("o", tmp_path) == first
    assert first.stat().st_mtime_ns == stamp
    storage.put_bytes("o", b"two")
    assert storage.fetch("o", tmp_path).read_bytes() == b"two"
    assert first.read_bytes() == b"one"  # whoever still reads it reads what he opened


def test_two_objects_of_one_name_are_two_files(storage: S3Storage, tmp_path: Path) -> None:
    storage.put_bytes("a/720p.mp4", b"same")
    storage.put_bytes("b/720p.mp4", b"same")
    one, other = (storage.fetch(f"{folder}/720p.mp4", tmp_path) for folder in "ab")
    assert one != other
    assert one.name == other.name == "720p.mp4"


def test_bytes_that_were_altered_in_the_bucket_are_refused_by_every_reader(storage: S3Storage, tmp_path: Path) -> None:
    storage.put_bytes("o", b"what was stored")
    head = storage.client.head_object(Bucket=storage.bucket, Key="some/prefix/o")
    storage.client.put_object(
        Bucket=storage.bucket, Key="some/prefix/o", Body=b"what is there", Metadata=head["Metadata"]
    )
    for read in (lambda: storage.get_bytes("o"), lambda: storage.fetch("o", tmp_path)):
        with pytest.raises(PermanentError, match="o is not what was stored"):
            read()
    assert parts_below(tmp_path) == []


def test_what_another_tool_put_there_is_read_all_the_same(storage: S3Storage, tmp_path: Path) -> None:
    storage.client.put_object(Bucket=storage.bucket, Key="some/prefix/o", Body=b"bytes")
    assert storage.get_bytes("o") == b"bytes"
    assert storage.fetch("o", tmp_path).read_bytes() == b"bytes"


def test_an_object_replaced_in_the_middle_of_a_download_is_fetched_whole(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = small_parts(monkeypatch)
    old, new = content(part * 3), content(part * 3 + 7)[7:]
    for name, data in (("old", old), ("new", new)):
        (tmp_path / name).write_bytes(data)
    storage.put_file("o", tmp_path / "old")
    asked: list[str] = []

    def replace_at_the_second(**_: Any) -> None:
        asked.append("range")
        if len(asked) == 2:
            other = S3Storage(storage.client, storage.bucket, storage.prefix)
            other.client.put_object(Bucket=storage.bucket, Key="some/prefix/o", Body=new)

    storage.client.meta.events.register("before-call.s3.GetObject", replace_at_the_second)
    assert storage.fetch("o", tmp_path / "work").read_bytes() == new


def test_a_full_disk_is_said_in_a_line_and_leaves_nothing(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    storage.put_bytes("o", b"bytes")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Full, match=r"the disk is full: .*No space left on device"):
        storage.fetch("o", tmp_path)
    assert parts_below(tmp_path) == []


def test_a_winner_whose_answer_got_lost_still_wins(storage: S3Storage) -> None:
    """The request arrives, its answer does not; the library sends it again, and that one is refused."""
    etag = storage.put_if("pointer", b"1", None)
    real, calls = storage.client.put_object, []

    def twice(**words: Any) -> Any:
        calls.append(words)
        real(**words)
        return real(**words)

    storage.client.put_object = twice
    second = storage.put_if("pointer", b"2", etag)
    assert storage.get_with_etag("pointer") == (b"2", second)
    assert len(calls) == 1
    with pytest.raises(Conflict):
        storage.put_if("pointer", b"2", etag)  # another writer, of the very same bytes


def test_more_objects_than_one_page_are_listed_and_removed(storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "_DELETED_AT_ONCE", 7)
    storage.client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 5}
    )
    for number in range(23):
        storage.put_bytes(f"v/{number:02}", b"x")
    assert [stat.key for stat in storage.list("v/")] == [f"v/{number:02}" for number in range(23)]
    assert storage.delete_prefix("v/") == 23
    assert list(storage.list("")) == []


def test_an_address_serves_ranges_for_a_while_and_no_longer(storage: S3Storage, tmp_path: Path) -> None:
    (tmp_path / "o.mp4").write_bytes(b"0123456789")
    storage.put_file("v/o.mp4", tmp_path / "o.mp4", content_type="video/mp4")
    address = storage.url("v/o.mp4", seconds=2)
    assert address is not None
    asked = urllib.request.Request(address, headers={"Range": "bytes=2-5"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert (answer.status, answer.read(), answer.headers["Content-Type"]) == (206, b"2345", "video/mp4")
        assert answer.headers["Content-Range"] == "bytes 2-5/10"
    with pytest.raises(urllib.error.HTTPError) as refused:  # signed for this key alone
        urllib.request.urlopen(address.replace("o.mp4", "p.mp4", 1), timeout=10)
    assert refused.value.code in (403, 404)
    deadline = time.monotonic() + 10
    while True:
        try:
            urllib.request.urlopen(address, timeout=10).close()
        except urllib.error.HTTPError as error:
            ended = error.code
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert ended == 403


def test_more_parts_than_one_page_are_listed(storage: S3Storage) -> None:
    storage.client.meta.events.register(
        "provide-client-params.s3.ListParts", lambda params, **_: {**params, "MaxParts": 2}
    )
    upload = storage.begin_multipart("o", content_type="video/mp4", part_bytes=5 * 2**20)
    for number in range(1, 6):
        address = storage.part_url("o", upload, number, size=1, seconds=60)
        assert address is not None
        urllib.request.urlopen(urllib.request.Request(address.url, data=b"x", method="PUT"), timeout=10).close()
    assert [part.number for part in storage.parts("o", upload)] == [1, 2, 3, 4, 5]


def test_an_address_takes_its_part_for_a_while_and_no_longer(storage: S3Storage) -> None:
    upload = storage.begin_multipart("v/o.mp4", content_type="video/mp4", part_bytes=5 * 2**20)
    address = storage.part_url("v/o.mp4", upload, 1, size=1, seconds=2)
    assert address is not None
    put = urllib.request.Request(address.url, data=b"x", method="PUT")
    urllib.request.urlopen(put, timeout=10).close()
    for other in (address.url.replace("partNumber=1", "partNumber=2"), address.url.replace("o.mp4", "p.mp4")):
        assert other != address.url
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(other, data=b"x", method="PUT"), timeout=10)
        assert refused.value.code in (403, 404)
    deadline = time.monotonic() + 10
    ended = 0
    while not ended:
        try:
            urllib.request.urlopen(put, timeout=10).close()
        except urllib.error.HTTPError as error:
            ended = error.code
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert ended == 403
    storage.complete_multipart("v/o.mp4", upload, storage.parts("v/o.mp4", upload))
    head = storage.client.head_object(Bucket=storage.bucket, Key="some/prefix/v/o.mp4")
    assert (head["ContentType"], head["ContentLength"]) == ("video/mp4", 1)


def test_encryption_is_asked_for_with_every_write(storage: S3Storage, tmp_path: Path) -> None:
    wanted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/videos"}
    encrypted = S3Storage(storage.client, storage.bucket, storage.prefix, encryption=wanted)
    asked: list[tuple[str | None, str | None]] = []

    def note(params: Any, **_: Any) -> None:
        headers = params["headers"]
        said = headers.get("x-amz-server-side-encryption"), headers.get("x-amz-server-side-encryption-aws-kms-key-id")
        asked.append(said)

    for operation in ("PutObject", "CreateMultipartUpload"):
        storage.client.meta.events.register(f"before-call.s3.{operation}", note)
    (tmp_path / "o").write_bytes(b"x")
    encrypted.put_bytes("a", b"x")
    encrypted.put_if("b", b"x", None)
    encrypted.put_file("c", tmp_path / "o")
    (tmp_path / "big").write_bytes(bytes(s3_module.PART_BYTES + 1))
    encrypted.put_file("d", tmp_path / "big")
    encrypted.begin_multipart("e", content_type="video/mp4", part_bytes=1)
    assert asked == [("aws:kms", "alias/videos")] * 5


def test_no_such_bucket_wrong_keys_and_no_server_are_told_apart(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_endpoint: str
) -> None:
    nowhere = S3Storage(storage.client, "no-such-bucket-here")
    away = make_client(S3Options(endpoint_url="http://127.0.0.1:1", region="us-east-1", max_attempts=1))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-word")
    stranger = make_client(S3Options(endpoint_url=s3_endpoint, region="us-east-1", max_attempts=1))
    for broken, kind, words in (
        (nowhere, PermanentError, "bucket no-such-bucket-here does not exist"),
        (S3Storage(stranger, storage.bucket), PermanentError, "does not take our keys .*AWS_ACCESS_KEY_ID"),
        (S3Storage(away, storage.bucket), TransientError, "did not answer .*is 127.0.0.1:1 up"),
    ):
        for call in calls(broken, tmp_path):
            with pytest.raises(kind, match=words) as error:
                call()
            assert "\n" not in str(error.value)
            assert "hidden-word" not in str(error.value)


def test_without_keys_it_is_said_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_endpoint: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    client = make_client(S3Options(endpoint_url=s3_endpoint, region="us-east-1"))
    with pytest.raises(PermanentError, match=r"no keys .*AWS_ACCESS_KEY_ID"):
        S3Storage(client, "some-bucket").get_bytes("o")


def calls(storage: S3Storage, folder: Path) -> list[Callable[[], object]]:
    """Every call of the protocol that reaches the server."""
    (folder / "file").write_bytes(b"x")
    return [
        lambda: storage.put_file("o", folder / "file"),
        lambda: storage.put_bytes("o", b"x"),
        lambda: storage.put_if("o", b"x", None),
        lambda: storage.put_if("o", b"x", '"etag"'),
        lambda: storage.get_bytes("o"),
        lambda: storage.fetch("o", folder),
        lambda: storage.stat("o"),
        lambda: list(storage.list("")),
        lambda: put_open(storage, folder / "file"),
        lambda: list(storage.folders("o/")),
        lambda: storage.delete("o"),
        lambda: storage.delete_prefix(""),
        lambda: storage.clear_unfinished(datetime.now()),
        lambda: storage.begin_multipart("o", content_type="video/mp4", part_bytes=1),
        lambda: storage.parts("o", "x"),
        lambda: storage.complete_multipart("o", "x", []),
        lambda: storage.abort_multipart("o", "x"),
    ]


def put_open(storage: S3Storage, path: Path) -> None:
    with path.open("rb") as file:
        storage.put_open("o", file)


class Answering(ThreadingHTTPServer):
    """A server that gives every request the same answer, as no real one does at will."""

    def __init__(self, status: int, code: str, headers: dict[str, str]) -> None:
        self.asked = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                owner.asked += 1
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = f"<Error><Code>{code}</Code><Message>two\nlines</Message></Error>".encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[S3Storage, Answering]]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-word")
    servers: list[Answering] = []

    def start(status: int, code: str, **headers: str) -> tuple[S3Storage, Answering]:
        server = Answering(status, code, {name.replace("_", "-"): value for name, value in headers.items()})
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        client = make_client(S3Options(endpoint_url=endpoint, region="us-east-1", max_attempts=2))
        return S3Storage(client, "videos"), server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_in_trouble_is_asked_again_and_then_said_to_be_not_ready(
    answering: Callable[..., tuple[S3Storage, Answering]],
) -> None:
    for status, code in ((503, "SlowDown"), (500, "InternalError")):
        storage, server = answering(status, code, Retry_After="1")
        with pytest.raises(TransientError, match=f"bucket videos is not ready .{code}.") as error:
            storage.put_bytes("o", b"x")
        assert error.value.retry_after == 1
        assert server.asked == 2


def test_a_full_bucket_may_have_room_later(answering: Callable[..., tuple[S3Storage, Answering]]) -> None:
    storage, _ = answering(507, "InsufficientStorage")
    with pytest.raises(Full, match="bucket videos is full"):
        storage.put_bytes("o", b"x")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "refuses us .*rights to list it"),
        (403, "InvalidAccessKeyId", "does not take our keys"),
        (400, "ExpiredToken", "does not take our keys"),
        (400, "AuthorizationHeaderMalformed", "in another region|in region eu-north-1.*VIDEO_ASSETS_S3_REGION"),
        (501, "NotImplemented", "refuses this .NotImplemented.: two lines"),
        (400, "EntityTooLarge", "refuses this .EntityTooLarge."),
    ],
)
def test_refusals_are_final_and_one_line(
    answering: Callable[..., tuple[S3Storage, Answering]], status: int, code: str, words: str
) -> None:
    storage, _ = answering(status, code)
    with pytest.raises(PermanentError, match=words) as error:
        storage.put_bytes("o", b"x")
    assert "\n" not in str(error.value)
    assert "hidden-word" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///prefix",
        "s3://A_B/prefix",
        "s3://key:hidden-word@bucket/prefix",
        "s3://bucket/a//b",
        "s3://bucket/../b",
        "s3://bucket/.hidden",
        "s3://bucket/p?secret=hidden-word",
        "s3://bucket/p#f",
    ],
)
def test_urls_that_name_no_bucket_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_STORAGE_URL") as error:
        open_storage(url)
    assert "hidden-word" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_object_below_a_missing_bucket_is_no_missing_object(s3_client: Any) -> None:
    with pytest.raises(PermanentError, match="does not exist"):
        S3Storage(s3_client, "no-such-bucket-here").stat("o")


def test_a_key_that_no_bucket_can_hold_is_refused_before_it_is_sent(storage: S3Storage) -> None:
    with pytest.raises(PermanentError, match="too long"):
        storage.put_bytes("v/" + "é" * 600, b"x")
    with pytest.raises(NotFound):
        storage.get_bytes("v/" + "é" * 400)
