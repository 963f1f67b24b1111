"""The upload record: what intake knew of a video, stored with its files.

Assets read it instead of the database, and a lost row is restored from it.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from video_assets.artifacts.pointer import RECONCILE, Garbage
from video_assets.errors import PermanentError
from video_assets.storage import NotFound, Storage
from video_assets.videos import video_prefix


class UploadRecord(BaseModel):
    """The descriptive columns of a video, and the key of the uploaded object."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    video_id: int
    key: str
    title: str
    description: str | None = None
    user_id: int | None = None
    user_name: str | None = None
    filename: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    created_at: datetime


def put_upload_record(storage: Storage, record: UploadRecord) -> None:
    """Writes the record. Only intake does."""
    storage.put_bytes(upload_key(record.video_id), _bytes_of(record))


def replace_upload_record(storage: Storage, record: UploadRecord, etag: str) -> None:
    """Writes the record in the place of the one with this etag. Conflict where another is there by now."""
    storage.put_if(upload_key(record.video_id), _bytes_of(record), etag)


def read_upload_record(storage: Storage, video_id: int) -> UploadRecord:
    """The record of a video. Raises PermanentError if there is no such video, Garbage if the record is not readable."""
    return read_upload_record_with_etag(storage, video_id)[0]


def read_upload_record_with_etag(storage: Storage, video_id: int) -> tuple[UploadRecord, str]:
    """The same with the etag of its object, for `replace_upload_record`."""
    key = upload_key(video_id)
    try:
        data, etag = storage.get_with_etag(key)
        record = UploadRecord.model_validate_json(data)
    except NotFound:
        raise PermanentError(f"there is no video {video_id}; upload it first") from None
    except ValidationError:
        raise Garbage(f"{key} is not readable; {RECONCILE}") from None
    if record.video_id != video_id:
        raise Garbage(f"{key} is another video's; {RECONCILE}")
    return record, etag


def _bytes_of(record: UploadRecord) -> bytes:
    return (record.model_dump_json(indent=1) + "\n").encode()


def upload_key(video_id: int) -> str:
    """`videos/{id}/upload.json`."""
    return f"{video_prefix(video_id)}upload.json"
