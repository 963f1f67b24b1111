"""Examines everything that storage has of one video, object by object.

What can be derived from other objects is repaired at once: a pointer from the manifests, the upload record from the
artifacts. Other trouble becomes a line with what to do. Nothing here reads tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from video_assets.artifacts import Manifest, Pointer
from video_assets.artifacts.audit import ALTERED, Damage, damaged_files
from video_assets.artifacts.pointer import (
    Garbage,
    Lost,
    Unreadable,
    deleted_at,
    manifest_of,
    read_manifest,
    read_pointer,
    restore_pointer,
)
from video_assets.artifacts.upload import UploadRecord, put_upload_record, read_upload_record, upload_key
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.intake.claim import claim_key
from video_assets.library.recovery import captions_trouble, derive_upload_record
from video_assets.projection.failure_record import failure_key, read_failure
from video_assets.storage import Damaged, NotFound, Storage
from video_assets.videos import Stage, video_prefix


@dataclass
class Seen:
    """What was found of one video in storage."""

    video_id: int
    deleted_at: datetime | None = None
    unfinished: bool = False
    """The upload has not ended: there is a claim, and no upload record yet."""
    record: UploadRecord | None = None
    made: dict[Stage, tuple[Manifest, Pointer]] = field(default_factory=dict)
    """The current artifacts."""
    mended: list[str] = field(default_factory=list)
    """A line about each repair."""
    trouble: list[str] = field(default_factory=list)
    """A line about each thing that could not be repaired, with what to do."""

    def mend(self, line: str) -> None:
        """Adds a line about a repair."""
        self.mended.append(one_line(f"video {self.video_id}{line}"))

    def tell(self, line: str) -> None:
        """Adds a line about trouble."""
        self.trouble.append(one_line(f"video {self.video_id}{line}"))


def survey(
    storage: Storage, video_id: int, known: Callable[[], UploadRecord | None] = lambda: None, *, hashes: bool = False
) -> Seen:
    """Examines all objects of the video; raises nothing but TransientError. `known` returns the upload record from
    another source, the tables. With `hashes` every byte of current files is read, and altered files are removed, so
    that the next run makes them again. The uploaded file is never removed."""
    seen = Seen(video_id)
    try:
        seen.deleted_at = deleted_at(storage, video_id)
        if seen.deleted_at is None:
            _look(seen, storage, known, hashes)
    except TransientError:
        raise
    except Exception as error:  # whatever is wrong with this video, the others go on
        seen.tell(f": {type(error).__name__}: {one_line(error, 200)}; {_remake(video_id)}")
    return seen


def look_at(storage: Storage, video_id: int, stage: Stage) -> Seen:
    """Examines one artifact of a video that was not deleted: its pointer, which is restored if it is lost, and its
    manifest."""
    seen = Seen(video_id)
    prefix = f"{video_prefix(video_id)}{stage.value}/"
    if found := _current(seen, storage, stage, {stat.key: stat.bytes for stat in storage.list(prefix)}):
        seen.made[stage] = found
    return seen


def _look(seen: Seen, storage: Storage, known: Callable[[], UploadRecord | None], hashes: bool) -> None:
    video_id = seen.video_id
    sizes = {stat.key: stat.bytes for stat in storage.list(video_prefix(video_id))}
    seen.unfinished = claim_key(video_id) in sizes and upload_key(video_id) not in sizes
    if seen.unfinished:
        return
    if not sizes:
        seen.tell(f": nothing of it is in storage any more; upload it again, or `video-assets delete {video_id}`")
        return
    for stage in Stage:
        if found := _current(seen, storage, stage, sizes):
            seen.made[stage] = found
    # Before the files: an altered file is removed, but the upload record may be derived from it.
    seen.record = _record(seen, storage, sizes, known)
    manifests = _manifests(storage, video_id, Stage.TRANSCRIPTS, sizes)
    mended, trouble = captions_trouble(storage, video_id, sizes, manifests, hashes=hashes)
    if mended:
        seen.mend(mended)
    if trouble:
        seen.tell(trouble)
    for stage, (manifest, _) in seen.made.items():
        for damage in damaged_files(storage, manifest, hashes=hashes, sizes=sizes):
            _tell_damage(seen, storage, stage, damage)
    _look_at_source(seen, storage, sizes)
    _look_at_failure(seen, storage)


def _current(seen: Seen, storage: Storage, stage: Stage, sizes: Mapping[str, int]) -> tuple[Manifest, Pointer] | None:
    video_id, etag = seen.video_id, None
    try:
        pointer = read_pointer(storage, video_id, stage)
    except Unreadable as error:
        pointer, etag = None, error.etag
    except PermanentError as error:  # no rights, or a disk error
        seen.tell(f", {stage.value}: {error}")
        return None
    if pointer is None and _restore_pointer(seen, storage, stage, sizes, etag):
        pointer = read_pointer(storage, video_id, stage)
    if pointer is None:
        return None
    try:
        manifest = manifest_of(storage, pointer)
    except Lost:
        seen.tell(f", {stage.value}: {pointer.manifest_key} is lost; {_remake(video_id)}")
        return None
    except PermanentError as error:
        seen.tell(f", {stage.value}: {error}; {_remake(video_id)}")
        return None
    return (manifest, pointer) if manifest else None


def _restore_pointer(seen: Seen, storage: Storage, stage: Stage, sizes: Mapping[str, int], etag: str | None) -> bool:
    """Restores a lost pointer to the newest whole artifact. Returns whether there is a pointer now."""
    video_id, lost = seen.video_id, "was lost" if etag is None else "was not readable"
    manifests = _manifests(storage, video_id, stage, sizes)
    whole = [each for each in manifests if not damaged_files(storage, each, hashes=False, sizes=sizes)]
    if whole:
        if restore_pointer(storage, whole, etag):
            seen.mend(f", {stage.value}: current.json {lost}; what was made last is current again")
        return True
    left = f"{video_prefix(video_id)}{stage.value}/"
    if etag is not None or any(key.startswith(left) and key.endswith("/manifest.json") for key in sizes):
        seen.tell(f", {stage.value}: current.json {lost}, and nothing whole lies there; {_remake(video_id)}")
    return False


def _manifests(storage: Storage, video_id: int, stage: Stage, sizes: Mapping[str, int]) -> list[Manifest]:
    """The readable manifests of this stage whose checks all passed."""
    prefix, found = f"{video_prefix(video_id)}{stage.value}/", list[Manifest]()
    for key in sizes:
        if key.startswith(prefix) and key.endswith("/manifest.json"):
            try:
                manifest = read_manifest(storage, key)
            except (NotFound, PermanentError):
                continue
            if all(check.passed for check in manifest.checks):
                found.append(manifest)
    return found


def _record(
    seen: Seen, storage: Storage, sizes: Mapping[str, int], known: Callable[[], UploadRecord | None]
) -> UploadRecord | None:
    video_id = seen.video_id
    lost = "is missing"
    try:
        return read_upload_record(storage, video_id)
    except (Garbage, Damaged):
        lost = "is not readable"
    except PermanentError as error:
        if upload_key(video_id) in sizes:  # no rights, or a disk error: it may be readable later
            seen.tell(f": {error}")
            return known()
    record = known()
    derived_from = "its row"
    if record is None:
        record, derived_from = (
            derive_upload_record(storage, video_id, {s: m for s, (m, _) in seen.made.items()}, sizes),
            "the rest",
        )
    if record is None:
        seen.tell(
            f": upload.json {lost} and nothing else tells what was uploaded; its id is not given again, "
            f"`video-assets delete {video_id}` removes what lies there"
        )
        return None
    put_upload_record(storage, record)
    words = ""
    if derived_from == "the rest":
        words = f" (title: {one_line(record.title, 60)}; what else the uploader said is lost)"
    seen.mend(f": upload.json {lost}; it is written anew from {derived_from}{words}")
    return record


def _tell_damage(seen: Seen, storage: Storage, stage: Stage, damage: Damage) -> None:
    where, video_id = f", {stage.value}: {damage}", seen.video_id
    if stage is Stage.UPLOADS:
        seen.tell(f"{where}; nothing else holds it, so upload it again (what was made of it stays)")
    elif damage.what == ALTERED:
        storage.delete(damage.file.key)
        seen.tell(f"{where} and is removed; {_remake(video_id)}")
    else:
        seen.tell(f"{where}; {_remake(video_id)}")


def _look_at_source(seen: Seen, storage: Storage, sizes: Mapping[str, int]) -> None:
    """Checks the uploaded file of a video that has no `uploads` manifest yet. Files of adopted videos, which are in
    other folders, are not checked."""
    record, video_id = seen.record, seen.video_id
    if record is None or Stage.UPLOADS in seen.made or not record.key.startswith(video_prefix(video_id)):
        return
    size = sizes.get(record.key)
    if size is None:
        seen.tell(": the uploaded file is missing; upload it again")
    elif record.size_bytes is not None and size != record.size_bytes:
        seen.tell(f": the uploaded file has {size} bytes instead of {record.size_bytes}; upload it again")


def _look_at_failure(seen: Seen, storage: Storage) -> None:
    try:
        read_failure(storage, seen.video_id)
    except (Garbage, Damaged):
        storage.delete(failure_key(seen.video_id))
        seen.mend(": failure.json was not readable and is removed; its runs tell why it failed, or its next one does")
    except PermanentError as error:
        seen.tell(f": {error}")


def _remake(video_id: int) -> str:
    return f"`video-assets process --video {video_id}` makes it again"
