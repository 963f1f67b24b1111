"""An inbox in a bucket: lists, reads, copies and removes the objects that others put under a prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore import exceptions as boto
from s3transfer.manager import TransferConfig, TransferManager

from video_assets.errors import PermanentError
from video_assets.storage.base import Full, NotFound, Storage
from video_assets.storage.s3 import S3Storage, bucket_and_prefix
from video_assets.storage.s3_client import in_words, status_of

# The S3 server copies by itself, so parts need no memory here; one request copies 5 GB at most.
_COPY = TransferConfig(multipart_threshold=2**30, multipart_chunksize=2**28, max_request_concurrency=4)


@dataclass(frozen=True)
class Dropped:
    """An object in the inbox."""

    name: str
    """The key without the prefix; it has no slash."""
    bytes: int
    etag: str
    modified: datetime


class BucketInbox:
    """The objects directly below `s3://bucket/prefix/`. Objects in deeper folders are ignored."""

    def __init__(self, client: Any, url: str, *, encryption: Mapping[str, str] | None = None) -> None:
        self.client = client
        self.bucket, self.prefix = bucket_and_prefix(url, "VIDEO_ASSETS_INBOX")
        self._files = S3Storage(client, self.bucket, self.prefix, encryption=encryption)

    @property
    def name(self) -> str:
        """The inbox's URL, for messages."""
        return f"s3://{self.bucket}/{self.prefix}"

    def dropped(self) -> Iterator[Dropped]:
        """The objects in the inbox now, in order of name."""
        pages = self.client.get_paginator("list_objects_v2")
        found = iter(pages.paginate(Bucket=self.bucket, Prefix=self.prefix, Delimiter="/"))
        while True:
            with in_words(self.name):
                page = next(found, None)
            if page is None:
                return
            for each in page.get("Contents", ()):
                name = each["Key"].removeprefix(self.prefix)
                if name:
                    yield Dropped(name, int(each["Size"]), str(each["ETag"]), each["LastModified"])

    def read(self, dropped: Dropped) -> bytes:
        """The content of a small object."""
        with in_words(self.name):
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + dropped.name, IfMatch=dropped.etag)
            data: bytes = answer["Body"].read()
        return data

    def store(self, dropped: Dropped, storage: Storage, key: str, content_type: str, work: Path) -> None:
        """Stores this version of the object under a key of the storage. If the storage is a bucket, the S3 server
        copies it; else it is downloaded into the folder `work` first. NotFound where it was replaced or removed
        meanwhile."""
        if not isinstance(storage, S3Storage):
            path = self._files.fetch(dropped.name, work)
            with path.open("rb") as file:
                storage.put_open(key, file, content_type=content_type)
            return
        source = {"Bucket": self.bucket, "Key": self.prefix + dropped.name}
        extra = {
            "CopySourceIfMatch": dropped.etag,
            "ContentType": content_type,
            "MetadataDirective": "REPLACE",
            **storage.encryption,
        }
        with in_words(self.name), TransferManager(self.client, _COPY) as manager:
            try:
                manager.copy(source, storage.bucket, storage.prefix + key, extra_args=extra).result()
            except boto.ClientError as error:
                if status_of(error) in (404, 412):
                    raise NotFound(dropped.name) from None
                raise

    def remove(self, dropped: Dropped) -> None:
        """Deletes the object, unless another version has its name by now."""
        full = self.prefix + dropped.name
        with in_words(self.name):
            try:
                there = self.client.head_object(Bucket=self.bucket, Key=full)["ETag"]
            except boto.ClientError as error:
                if status_of(error) == 404:
                    return
                raise
            if there == dropped.etag:
                self.client.delete_object(Bucket=self.bucket, Key=full)

    def refuse(self, dropped: Dropped, reason: str) -> None:
        """Moves the object to `refused/`, with a text file beside it that says why."""
        source = {"Bucket": self.bucket, "Key": self.prefix + dropped.name}
        with in_words(self.name), TransferManager(self.client, _COPY) as manager:
            manager.copy(source, self.bucket, f"{self.prefix}refused/{dropped.name}").result()
        with suppress(
            PermanentError, Full
        ):  # the name may not be a valid key of ours; the object itself is moved anyway
            self._files.put_bytes(
                f"refused/{dropped.name}.reason.txt", f"{reason}\n".encode(), content_type="text/plain"
            )
        self.remove(dropped)
