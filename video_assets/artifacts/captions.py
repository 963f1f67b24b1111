"""Captions that came with a video: a side input of its transcript, versioned apart from the upload.

Correcting them therefore makes the words stale and leaves every video byte alone.
"""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict

from video_assets.storage import NotFound, Storage
from video_assets.videos import video_prefix


class Captions(BaseModel):
    """The captions now in force for a video."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    sha256: str
    name: str
    """The file's own name; its ending tells the format."""


def put_captions(storage: Storage, video_id: int, data: bytes, name: str) -> Captions:
    """Stores a caption file (.vtt or .srt, as uploaded) and puts it in force."""
    sha256 = hashlib.sha256(data).hexdigest()
    ending = "srt" if name.lower().endswith(".srt") else "vtt"
    captions = Captions(key=f"{_prefix(video_id)}{sha256[:16]}.{ending}", sha256=sha256, name=name)
    storage.put_bytes(captions.key, data, content_type="text/vtt" if ending == "vtt" else "application/x-subrip")
    storage.put_bytes(f"{_prefix(video_id)}current.json", captions.model_dump_json().encode())
    return captions


def current_captions(storage: Storage, video_id: int) -> Captions | None:
    """The captions in force, None where the video came without."""
    try:
        return Captions.model_validate_json(storage.get_bytes(f"{_prefix(video_id)}current.json"))
    except NotFound:
        return None


def _prefix(video_id: int) -> str:
    return f"{video_prefix(video_id)}captions/"
