"""Derives lost objects of a video, its upload record or its captions pointer, from the other objects."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from video_assets.artifacts import Manifest
from video_assets.artifacts.captions import Captions, captions_key, captions_prefix, current_captions, make_current
from video_assets.artifacts.pointer import Garbage
from video_assets.artifacts.upload import UploadRecord
from video_assets.clock import utc_now
from video_assets.errors import PermanentError
from video_assets.storage import Damaged, NotFound, Storage
from video_assets.videos import Stage, video_prefix

DOCUMENT = "document.json"
"""The name of the document's file in the manifest of `search_documents`."""
_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def derive_upload_record(
    storage: Storage, video_id: int, made: Mapping[Stage, Manifest], sizes: Mapping[str, int]
) -> UploadRecord | None:
    """The upload record, derived from the video's other objects; None where none of them names the uploaded object.
    Title, description, uploader and time come from the search document, the object from the manifest of `uploads`."""
    source = next(iter(made[Stage.UPLOADS].files), None) if Stage.UPLOADS in made else None
    folder = f"{video_prefix(video_id)}source/"
    sources = sorted(key for key in sizes if key.startswith(folder))
    if source is None and len(sources) != 1:
        return None
    key = source.key if source else sources[0]
    said = _uploader_words(storage, made.get(Stage.SEARCH_DOCUMENTS))
    user_id, title, description = said.get("user_id"), said.get("title"), said.get("description")
    return UploadRecord(
        video_id=video_id,
        key=key,
        title=title if isinstance(title, str) and title else f"video {video_id}",
        description=description if isinstance(description, str) else None,
        user_id=user_id if isinstance(user_id, int) else None,
        content_type=source.content_type if source else mimetypes.guess_type(key)[0] or "application/octet-stream",
        size_bytes=source.bytes if source else sizes[key],
        created_at=_moment(said.get("created_at")) or min((each.made_at for each in made.values()), default=utc_now()),
    )


def _uploader_words(storage: Storage, manifest: Manifest | None) -> dict[str, Any]:
    """The uploader's title, description and so on, from the search document and its parameters."""
    if manifest is None:
        return {}
    try:
        document = json.loads(storage.get_bytes(manifest.file(DOCUMENT).key))
    except (NotFound, PermanentError, KeyError, ValueError):
        document = {}
    return {**manifest.params, **(document if isinstance(document, dict) else {})}


def _moment(value: object) -> datetime | None:
    try:
        return _MOMENT.validate_python(value)
    except ValidationError:
        return None


def captions_trouble(
    storage: Storage, video_id: int, sizes: Mapping[str, int], transcripts: Sequence[Manifest], *, hashes: bool
) -> tuple[str, str]:
    """Checks a video's captions, and makes a new pointer to the newest ones where the old pointer is lost or damaged.
    Returns a line about the repair and a line about the trouble. Each continues a line that begins with the video's
    name, and is empty where there is nothing to say."""
    prefix, current = captions_prefix(video_id), captions_key(video_id)
    files = [key for key in sizes if key.startswith(prefix) and key != current]
    lost = "was lost"
    try:
        found = current_captions(storage, video_id)
    except (Garbage, Damaged):
        found, lost = None, "was not readable"
    except PermanentError as error:  # no rights, or a disk error
        return "", f", captions: {error}"
    if found is None:
        if not files and current not in sizes:
            used = any("captions" in each.inputs for each in transcripts)
            return "", ", captions: they are lost; its transcript stays as it is" if used else ""
        there = {hashlib.sha256(data).hexdigest(): key for key in files if (data := _bytes(storage, key)) is not None}
        there = {sha256: key for sha256, key in there.items() if sha256[:16] in key}
        chosen = newest_captions(list(there), transcripts)
        if chosen is None:
            return "", f", captions: current.json {lost} and none lie there whole; its transcript stays as it is"
        key = there[chosen]
        make_current(storage, video_id, Captions(key=key, sha256=chosen, name=key.rpartition("/")[2]))
        return f", captions: current.json {lost}; {key.rpartition('/')[2]} is in force again", ""
    if found.key not in sizes:
        return "", f", captions: {found.key} is missing; its transcript stays as it is"
    if hashes and hashlib.sha256(_bytes(storage, found.key) or b"").hexdigest() != found.sha256:
        return "", f", captions: {found.key} was altered; its transcript stays as it is"
    return "", ""


def newest_captions(there: Sequence[str], transcripts: Sequence[Manifest]) -> str | None:
    """The hash of the captions that were set last. Judged by the transcripts made of them: captions of which no
    transcript was made are the newest. None where there are none."""
    made_of = [each.inputs.get("captions") for each in sorted(transcripts, key=lambda each: (each.fence, each.made_at))]
    unused = sorted(sha256 for sha256 in there if sha256 not in made_of)
    used = [sha256 for sha256 in made_of if sha256 in there]
    return unused[-1] if unused else used[-1] if used else None


def _bytes(storage: Storage, key: str) -> bytes | None:
    try:
        return storage.get_bytes(key)
    except (NotFound, PermanentError):
        return None
