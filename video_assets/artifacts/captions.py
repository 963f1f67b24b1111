"""The captions that came with a video, stored as an input of the transcript alone, apart from the upload.

So corrected captions make the transcript and what follows from it stale, but no video is encoded again.
"""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict, ValidationError

from video_assets.artifacts.pointer import RECONCILE, Garbage
from video_assets.storage import NotFound, Storage
from video_assets.videos import video_prefix


class Captions(BaseModel):
    """The current captions of a video."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    sha256: str
    name: str
    """The file's own name; its ending says which format it has."""


def put_captions(storage: Storage, video_id: int, data: bytes, name: str) -> Captions:
    """Stores a caption file (.vtt or .srt, as uploaded) and makes it the current one."""
    sha256 = hashlib.sha256(data).hexdigest()
    ending = "srt" if name.lower().endswith(".srt") else "vtt"
    captions = Captions(key=f"{captions_prefix(video_id)}{sha256[:16]}.{ending}", sha256=sha256, name=name)
    storage.put_bytes(captions.key, data, content_type="text/vtt" if ending == "vtt" else "application/x-subrip")
    make_current(storage, video_id, captions)
    return captions


def make_current(storage: Storage, video_id: int, captions: Captions) -> None:
    """Makes captions that are stored already the current ones."""
    storage.put_bytes(captions_key(video_id), captions.model_dump_json().encode())


def current_captions(storage: Storage, video_id: int) -> Captions | None:
    """The current captions; None if the video has none. Raises Garbage if their record is not readable."""
    key = captions_key(video_id)
    try:
        captions = Captions.model_validate_json(storage.get_bytes(key))
    except NotFound:
        return None
    except ValidationError:
        raise Garbage(f"{key} is not readable; {RECONCILE}") from None
    if not captions.key.startswith(captions_prefix(video_id)):
        raise Garbage(f"{key} is another video's; {RECONCILE}")
    return captions


def captions_key(video_id: int) -> str:
    """`videos/{id}/captions/current.json`."""
    return f"{captions_prefix(video_id)}current.json"


def captions_prefix(video_id: int) -> str:
    """The folder of a video's caption files."""
    return f"{video_prefix(video_id)}captions/"
