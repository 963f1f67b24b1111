"""Storage in an S3 bucket, of Amazon or of any compatible server.

Files are uploaded and downloaded in parts, several at once, and are never whole in memory. Each object has its SHA-256
in its metadata, and a download is checked against it. On an upload the server checks each part.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from botocore import exceptions as boto
from s3transfer.exceptions import S3DownloadFailedError
from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.storage.base import Conflict, Damaged, Full, NotFound, Stat, Stored, check_key
from video_assets.storage.multipart import Part, PartAddress, PartWriter
from video_assets.storage.s3_client import code_of, in_words, status_of
from video_assets.storage.s3_multipart import S3Uploads

PART_BYTES = 16 * 2**20
"""The size of a part. The library raises it for files that would have more than 10,000 parts."""
# These bound the memory: a few parts in transfer, and a short queue of data to be written to disk.
_TRANSFER = TransferConfig(
    multipart_threshold=PART_BYTES,
    multipart_chunksize=PART_BYTES,
    max_request_concurrency=4,
    max_io_queue_size=32,
    io_chunksize=256 * 2**10,
    max_request_queue_size=16,
)
_DELETED_AT_ONCE = 1000
_TRIES = 3
_FETCHED = ".fetched"
_BROKEN_OFF = (
    boto.IncompleteReadError,
    boto.ResponseStreamingError,
    boto.ReadTimeoutError,
    boto.FlexibleChecksumError,
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def bucket_and_prefix(url: str, setting: str) -> tuple[str, str]:
    """The bucket of an `s3://bucket/prefix` URL, and the prefix: empty, or ending in a slash. Raises PermanentError
    that names `setting` if it is another kind of URL."""
    parts = urlsplit(url)
    # The URL is not repeated: it may contain keys.
    if not _BUCKET.fullmatch(parts.netloc):
        raise PermanentError(f"{setting} names no bucket; give s3://bucket/prefix, and keys as AWS_ACCESS_KEY_ID")
    prefix = unquote(parts.path).strip("/")
    if parts.query or parts.fragment or (prefix and any(not p or p.startswith(".") for p in prefix.split("/"))):
        raise PermanentError(f"{setting}: what follows the bucket is no prefix; give s3://bucket/prefix")
    return parts.netloc, f"{prefix}/" if prefix else ""


class S3Storage:
    """Objects below `prefix` in a bucket. `client` is a boto3 client (storage/s3_client.py)."""

    keeps_files = False

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str = "",
        *,
        encryption: Mapping[str, str] | None = None,
        signer: Any = None,
    ) -> None:
        self.client = client
        self._signer = signer or client
        """Makes addresses for others, who may reach the server under another name than we do."""
        self.bucket = bucket
        self.prefix = prefix
        self.encryption = dict(encryption or {})
        """The arguments for server-side encryption of each write, by S3's names; empty: the bucket's default."""
        self._uploads = S3Uploads(client, bucket, self.name, self.encryption, signer=self._signer)

    @classmethod
    def from_url(
        cls, url: str, client: Any, *, encryption: Mapping[str, str] | None = None, signer: Any = None
    ) -> S3Storage:
        """Storage for an `s3://bucket/prefix` URL."""
        bucket, prefix = bucket_and_prefix(url, "VIDEO_ASSETS_STORAGE_URL")
        return cls(client, bucket, prefix, encryption=encryption, signer=signer)

    @property
    def name(self) -> str:
        """The storage's name in messages."""
        return f"bucket {self.bucket}"

    def put_file(
        self, key: str, path: Path, *, content_type: str = "application/octet-stream", sha256: str | None = None
    ) -> None:
        full = self._key(key)
        extra = self._put_arguments(content_type, sha256 or _file_sha256(path))
        with in_words(self.name), TransferManager(self.client, _TRANSFER) as manager:
            # The library removes the parts of an upload that fails; `clear_unfinished` those of a killed process.
            manager.upload(str(path), self.bucket, full, extra_args=extra).result()

    def put_open(self, key: str, file: BinaryIO, *, content_type: str = "application/octet-stream") -> Stored:
        full, stored = self._key(key), _size_and_hash(file)
        file.seek(0)
        # If the system has a path for the open file, that is used: each part then reads the file by itself, and no part
        # has to be in memory.
        source = f"/proc/self/fd/{file.fileno()}" if os.path.isdir("/proc/self/fd") else file
        arguments = self._put_arguments(content_type, stored.sha256)
        with in_words(self.name), TransferManager(self.client, _TRANSFER) as manager:
            manager.upload(source, self.bucket, full, extra_args=arguments).result()
        head = self._head(full)
        if head is None or Stored(int(head["ContentLength"]), head["Metadata"].get("sha256", "")) != stored:
            raise TransientError(f"{self.name}: {key} is not there as it was sent; it is sent again")
        return stored

    def put_bytes(self, key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        full = self._key(key)
        with in_words(self.name):
            self._put(full, data, content_type, {})

    def put_if(self, key: str, data: bytes, etag: str | None) -> str:
        full, token = self._key(key), uuid4().hex
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with in_words(self.name):
            try:
                return self._put(full, data, "application/json", condition, write=token)
            except boto.ClientError as error:
                if status_of(error) not in (409, 412) and code_of(error) != "NoSuchKey":
                    raise
            # A request whose answer was lost is sent again, and then finds the object that it has written itself.
            head = self._head(full)
        if head is None or head["Metadata"].get("write") != token:
            raise Conflict(key)
        return str(head["ETag"])

    def get_bytes(self, key: str) -> bytes:
        return self.get_with_etag(key)[0]

    def get_with_etag(self, key: str) -> tuple[bytes, str]:
        full = self._key(key)
        with in_words(self.name):
            for attempt in range(_TRIES):
                try:
                    answer = self.client.get_object(Bucket=self.bucket, Key=full)
                    data: bytes = answer["Body"].read()
                except boto.ClientError as error:
                    if code_of(error) == "NoSuchKey":
                        raise NotFound(key) from None
                    raise
                except _BROKEN_OFF:  # the library repeats a failed request, but not one whose answer breaks off
                    if attempt == _TRIES - 1:
                        raise
                    continue
                if answer["Metadata"].get("sha256") in (None, hashlib.sha256(data).hexdigest()):
                    return data, str(answer["ETag"])
        raise self._damaged(key)

    def fetch(self, key: str, folder: Path) -> Path:
        full = self._key(key)
        for _ in range(_TRIES):
            head = self._head(full)
            if head is None:
                raise NotFound(key)
            # A file of this name is complete, since it is renamed last. A replaced object has another etag, so another
            # folder.
            place = hashlib.sha256(f"{key}\0{head['ETag']}".encode()).hexdigest()[:16]
            target = folder / _FETCHED / place / key.rpartition("/")[2]
            if target.is_file() or self._download(full, head, target):
                return target
        raise self._damaged(key)

    def stat(self, key: str) -> Stat | None:
        head = self._head(self._key(key))
        return Stat(key, int(head["ContentLength"])) if head else None

    def list(self, prefix: str) -> Iterator[Stat]:
        if "/" in prefix:
            check_key(prefix.rpartition("/")[0])
        pages = iter(
            self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + prefix)
        )
        while True:
            with in_words(self.name):
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):  # an empty object that some tools create for a folder
                    yield Stat(found["Key"].removeprefix(self.prefix), int(found["Size"]))

    def folders(self, prefix: str) -> Iterator[str]:
        check_key(prefix.rstrip("/"))
        full = self.prefix + prefix
        pages = iter(
            self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=full, Delimiter="/")
        )
        while True:
            with in_words(self.name):
                page = next(pages, None)
            if page is None:
                return
            for found in page.get("CommonPrefixes", ()):
                if name := found["Prefix"].removeprefix(full).rstrip("/"):
                    yield name

    def free_bytes(self) -> int | None:
        return None

    def delete(self, key: str) -> None:
        full = self._key(key)
        with in_words(self.name):
            self.client.delete_object(Bucket=self.bucket, Key=full)

    def delete_prefix(self, prefix: str) -> int:
        found = [stat.key for stat in self.list(prefix)]
        for start in range(0, len(found), _DELETED_AT_ONCE):
            chunk = [{"Key": self.prefix + key} for key in found[start : start + _DELETED_AT_ONCE]]
            with in_words(self.name):
                answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": chunk, "Quiet": True})
            for error in answer.get("Errors", ()):
                raise PermanentError(one_line(f"{self.name}: {error['Key']} cannot be removed: {error['Code']}"))
        return len(found)

    def url(self, key: str, *, seconds: int, download_as: str | None = None) -> str | None:
        where = {"Bucket": self.bucket, "Key": self._key(key)}
        if download_as:
            where["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(download_as, safe='')}"
        with in_words(self.name):
            return str(self._signer.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds))

    def begin_multipart(self, key: str, *, content_type: str, part_bytes: int, hashed: bool = False) -> str:
        return self._uploads.begin(self._key(key), content_type, part_bytes, hashed=hashed)

    def part_url(
        self, key: str, upload_id: str, number: int, *, size: int, seconds: int, sha256: str | None = None
    ) -> PartAddress | None:
        return self._uploads.address(self._key(key), upload_id, number, size=size, seconds=seconds, sha256=sha256)

    def open_part(
        self, key: str, upload_id: str, number: int, size: int, *, sha256: str | None = None
    ) -> AbstractContextManager[PartWriter]:
        raise PermanentError(f"{self.name} takes parts at their addresses only; ask for one")

    def parts(self, key: str, upload_id: str) -> Sequence[Part]:
        return self._uploads.parts(self._key(key), upload_id)

    def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        self._uploads.complete(self._key(key), upload_id, parts)

    def abort_multipart(self, key: str, upload_id: str) -> None:
        self._uploads.abort(self._key(key), upload_id)

    def clear_abandoned(self) -> int:
        return 0  # an unfinished upload does not show which process it belongs to

    def clear_unfinished(self, before: datetime, prefix: str = "") -> int:
        removed = 0
        with in_words(self.name):
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < before:
                        where = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
                        self.client.abort_multipart_upload(**where)
                        removed += 1
        return removed

    def _put(self, full: str, data: bytes, content_type: str, condition: dict[str, str], **metadata: str) -> str:
        arguments = self._put_arguments(content_type, hashlib.sha256(data).hexdigest(), **metadata)
        answer = self.client.put_object(Bucket=self.bucket, Key=full, Body=data, **arguments, **condition)
        return str(answer["ETag"])

    def _put_arguments(self, content_type: str, sha256: str, **metadata: str) -> dict[str, Any]:
        return {"ContentType": content_type, "Metadata": {"sha256": sha256, **metadata}, **self.encryption}

    def _head(self, full: str) -> dict[str, Any] | None:
        """The answer to HEAD for an object; None if there is none."""
        with in_words(self.name):
            try:
                head: dict[str, Any] = self.client.head_object(Bucket=self.bucket, Key=full)
                return head
            except boto.ClientError as error:
                if status_of(error) >= 500:
                    raise
                # An answer to HEAD does not say whether the object or the bucket is missing, or the keys are wrong. A
                # listing raises for the last two.
                self.client.list_objects_v2(Bucket=self.bucket, Prefix=full, MaxKeys=1)
                if status_of(error) != 404:
                    raise
        return None

    def _download(self, full: str, head: dict[str, Any], target: Path) -> bool:
        """Downloads this version of the object; False if it was replaced meanwhile, or arrived altered."""
        partial = target.with_name(f".{uuid4().hex}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with in_words(self.name), TransferManager(self.client, _TRANSFER) as manager:
                try:
                    manager.download(self.bucket, full, str(partial), subscribers=[_Version(head)]).result()
                except S3DownloadFailedError:  # it has another etag by now
                    return False
                except boto.ClientError as error:
                    if status_of(error) in (404, 412):
                        return False
                    raise
            if not _is_intact(partial, head):
                return False
            os.replace(partial, target)
            return True
        except OSError as error:
            what = one_line(f"cannot write below {target.parent}: {error.strerror or error}")
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Full(f"the disk is full: {what}; free some space there") from error
            raise PermanentError(what) from error
        finally:
            partial.unlink(missing_ok=True)

    def _damaged(self, key: str) -> Damaged:
        return Damaged(f"{self.name}: {key} is not what was stored; remove it, and it is made or uploaded again")

    def _key(self, key: str) -> str:
        check_key(key)
        full = self.prefix + key
        if len(full.encode()) > 1024:
            raise PermanentError(one_line(f"too long to be a storage key: {key!r}", 200))
        return full


class _Version(BaseSubscriber):  # type: ignore[misc]
    """Makes a download take one version of the object, or fail."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.head = head

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self.head["ContentLength"])
        future.meta.provide_object_etag(self.head["ETag"])


def _is_intact(path: Path, head: dict[str, Any]) -> bool:
    """Whether a download has the object's size and hash."""
    if path.stat().st_size != head["ContentLength"]:
        return False
    sha256 = head["Metadata"].get("sha256")  # None for an object that another tool stored
    return sha256 is None or sha256 == _file_sha256(path)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return _size_and_hash(file).sha256


def _size_and_hash(file: BinaryIO) -> Stored:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(2**20):
        digest.update(chunk)
        size += len(chunk)
    return Stored(size, digest.hexdigest())
