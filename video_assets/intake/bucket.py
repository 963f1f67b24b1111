"""A bucket prefix that others put files into: what lies there, and taking it away."""

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

# Copies are made by the server itself, so parts cost no memory; one request copies 5 GB at most.
_COPY = TransferConfig(multipart_threshold=2**30, multipart_chunksize=2**28, max_request_concurrency=4)


@dataclass(frozen=True)
class Dropped:
    """An object that lies there."""

    name: str
    """Below the prefix; without a slash."""
    bytes: int
    etag: str
    modified: datetime


class BucketInbox:
    """Objects directly below `s3://bucket/prefix/`; what lies deeper is nobody's drop."""

    def __init__(self, client: Any, url: str, *, encryption: Mapping[str, str] | None = None) -> None:
        self.client = client
        self.bucket, self.prefix = bucket_and_prefix(url, "VIDEO_ASSETS_INBOX")
        self._files = S3Storage(client, self.bucket, self.prefix, encryption=encryption)

    @property
    def name(self) -> str:
        """The inbox, for people."""
        return f"s3://{self.bucket}/{self.prefix}"

    def dropped(self) -> Iterator[Dropped]:
        """What lies there now, by name."""
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
        """The whole of a small one."""
        with in_words(self.name):
            answer = self.client.get_object(Bucket=self.bucket, Key=self.prefix + dropped.name, IfMatch=dropped.etag)
            data: bytes = answer["Body"].read()
        return data

    def store(self, dropped: Dropped, storage: Storage, key: str, content_type: str, work: Path) -> None:
        """Stores just this version of it under a key of the storage: by the server's own copying where that is
        a bucket too, else by way of `work`. NotFound where it was replaced or taken away meanwhile."""
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
        """Takes it away, unless something newer lies there under its name."""
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
        """Moves it to `refused/`, with the reason beside it."""
        source = {"Bucket": self.bucket, "Key": self.prefix + dropped.name}
        with in_words(self.name), TransferManager(self.client, _COPY) as manager:
            manager.copy(source, self.bucket, f"{self.prefix}refused/{dropped.name}").result()
        with suppress(PermanentError, Full):  # a name that is no key of ours: the file itself is there
            self._files.put_bytes(
                f"refused/{dropped.name}.reason.txt", f"{reason}\n".encode(), content_type="text/plain"
            )
        self.remove(dropped)
