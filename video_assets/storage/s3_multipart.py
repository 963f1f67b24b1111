"""Multipart uploads in an S3 bucket: parts go to presigned addresses, and never through us."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as boto

from video_assets.storage.base import NotFound
from video_assets.storage.multipart import Part, PartAddress, PartRefused, check_part, check_parts
from video_assets.storage.s3_client import code_of, in_words

_HASHED = "sha256:"
"""Before the ids of uploads whose parts come with their SHA-256. S3 refuses a part with a hash in other uploads, and
one without a hash in these."""
_ID = re.compile(r"[\x21-\x7e]{1,1024}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class S3Uploads:
    """The multipart uploads of a bucket. Each call is given the whole key of the object."""

    def __init__(
        self, client: Any, bucket: str, name: str, encryption: Mapping[str, str], *, signer: Any = None
    ) -> None:
        self.client = client
        self._signer = signer or client
        self.bucket = bucket
        self.name = name
        self.encryption = encryption

    def begin(self, full: str, content_type: str, part_bytes: int, *, hashed: bool) -> str:
        """Begins an upload; returns its id."""
        check_part(1, part_bytes)
        checksum = {"ChecksumAlgorithm": "SHA256"} if hashed else {}
        with in_words(self.name):
            answer = self.client.create_multipart_upload(
                Bucket=self.bucket, Key=full, ContentType=content_type, **checksum, **self.encryption
            )
        return f"{_HASHED if hashed else ''}{answer['UploadId']}"

    def address(
        self, full: str, upload_id: str, number: int, *, size: int, seconds: int, sha256: str | None
    ) -> PartAddress:
        """An address to which this part may be sent, and no other bytes than these where the hash is given."""
        check_part(number, size)
        where = self._where(full, upload_id)
        if upload_id.startswith(_HASHED) != (sha256 is not None):
            raise PartRefused(f"part {number}: its SHA-256 {'was not agreed on' if sha256 else 'is missing'}")
        headers: dict[str, str] = {}
        signed: dict[str, Any] = {**where, "PartNumber": number, "ContentLength": size}
        if sha256 is not None:
            if not _SHA256.fullmatch(sha256):
                raise PartRefused(f"part {number}: give its SHA-256 as 64 hexadecimal digits")
            signed["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(sha256)).decode()
            headers["x-amz-checksum-sha256"] = signed["ChecksumSHA256"]
        with in_words(self.name):
            url = str(self._signer.generate_presigned_url("upload_part", Params=signed, ExpiresIn=seconds))
        return PartAddress(url, headers)

    def parts(self, full: str, upload_id: str) -> list[Part]:
        """The whole parts of an upload, by number."""
        return [_part(found) for found in self._listed(full, upload_id)]

    def complete(self, full: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Checks the parts and makes the object of them."""
        listed = {found["PartNumber"]: found for found in self._listed(full, upload_id)}
        ordered = check_parts(parts, map(_part, listed.values()))
        wanted = [
            {name: found[name] for name in ("PartNumber", "ETag", "ChecksumSHA256") if name in found}
            for found in (listed[part.number] for part in ordered)
        ]
        with self._known(full):
            self.client.complete_multipart_upload(**self._where(full, upload_id), MultipartUpload={"Parts": wanted})

    def abort(self, full: str, upload_id: str) -> None:
        """Ends an upload of this key, if there is one."""
        try:
            with self._known(full):
                self.client.abort_multipart_upload(**self._where(full, upload_id))
        except NotFound:
            return

    def _listed(self, full: str, upload_id: str) -> list[dict[str, Any]]:
        where = self._where(full, upload_id)
        with self._known(full):
            pages = self.client.get_paginator("list_parts").paginate(**where)
            return [found for page in pages for found in page.get("Parts", ())]

    def _where(self, full: str, upload_id: str) -> dict[str, str]:
        own = upload_id.removeprefix(_HASHED)
        # Ids come from outside, and a server over a folder may take them for names of folders.
        if not _ID.fullmatch(own) or any(name in ("", ".", "..") for name in own.split("/")):
            raise NotFound(full)
        return {"Bucket": self.bucket, "Key": full, "UploadId": own}

    @contextmanager
    def _known(self, full: str) -> Iterator[None]:
        """NotFound where the bucket knows no such upload; other errors in words."""
        with in_words(self.name):
            try:
                yield
            except boto.ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    raise NotFound(full) from None
                raise


def _part(found: Mapping[str, Any]) -> Part:
    return Part(int(found["PartNumber"]), int(found["Size"]), str(found["ETag"]).strip('"'))
