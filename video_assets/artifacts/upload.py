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
    storage.put_bytes(upload_key(record.video_id), (record.model_dump_json(indent=1) + "\n").encode())


def read_upload_record(storage: Storage, video_id: int) -> UploadRecord:
    """The record of a video. Raises PermanentError if there is no such video, Garbage if the record is not readable."""
    key = upload_key(video_id)
    try:
        record = UploadRecord.model_validate_json(storage.get_bytes(key))
    except NotFound:
        raise PermanentError(f"there is no video {video_id}; upload it first") from None
    except ValidationError:
        raise Garbage(f"{key} is not readable; {RECONCILE}") from None
    if record.video_id != video_id:
        raise Garbage(f"{key} is another video's; {RECONCILE}")
    return record


def upload_key(video_id: int) -> str:
    """`videos/{id}/upload.json`."""
    return f"{video_prefix(video_id)}upload.json"
