"""What storage tells of one video, and what is wrong there: each object looked at by itself.

What can be told from other objects is put right on the way (a pointer from its makings, the upload record from what was
made); the rest is said, a line each, with what to do. Nothing here looks at tables.
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
from video_assets.library.recovery import captions_trouble, put_together
from video_assets.projection.failure_record import failure_key, read_failure
from video_assets.storage import Damaged, NotFound, Storage
from video_assets.videos import Stage, video_prefix


@dataclass
class Seen:
    """One video, as storage tells it."""

    video_id: int
    deleted_at: datetime | None = None
    unfinished: bool = False
    """An upload that has not come whole: a claim, and no upload record yet."""
    record: UploadRecord | None = None
    made: dict[Stage, tuple[Manifest, Pointer]] = field(default_factory=dict)
    """What is current."""
    mended: list[str] = field(default_factory=list)
    """What was put right, a line each."""
    trouble: list[str] = field(default_factory=list)
    """What was not, a line each, with what to do."""

    def mend(self, line: str) -> None:
        """Notes what was put right."""
        self.mended.append(one_line(f"video {self.video_id}{line}"))

    def tell(self, line: str) -> None:
        """Notes what is wrong."""
        self.trouble.append(one_line(f"video {self.video_id}{line}"))


def survey(
    storage: Storage, video_id: int, known: Callable[[], UploadRecord | None] = lambda: None, *, hashes: bool = False
) -> Seen:
    """Looks at everything of the video; raises TransientError alone. `known` gives what else tells of the upload: its
    row. With `hashes` every byte of what is current is read, and what was altered is removed: it is worth nothing, and
    once it is gone the next run makes it again. A source is never removed."""
    seen = Seen(video_id)
    try:
        seen.deleted_at = deleted_at(storage, video_id)
        if seen.deleted_at is None:
            _look(seen, storage, known, hashes)
    except TransientError:
        raise
    except Exception as error:  # whatever lies there: the other videos go on
        seen.tell(f": {type(error).__name__}: {one_line(error, 200)}; {_remake(video_id)}")
    return seen


def look_at(storage: Storage, video_id: int, stage: Stage) -> Seen:
    """One artifact of a video that was not deleted: its pointer, put back where it was lost, and its manifest."""
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
    # Before the files: what is altered is removed, and may be what the record can be told from.
    seen.record = _record(seen, storage, sizes, known)
    makings = _makings(storage, video_id, Stage.TRANSCRIPTS, sizes)
    mended, trouble = captions_trouble(storage, video_id, sizes, makings, hashes=hashes)
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
    except PermanentError as error:  # no rights, or a disk that gives it no more
        seen.tell(f", {stage.value}: {error}")
        return None
    if pointer is None and _put_back(seen, storage, stage, sizes, etag):
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


def _put_back(seen: Seen, storage: Storage, stage: Stage, sizes: Mapping[str, int], etag: str | None) -> bool:
    """Whether something is current now of which no pointer told."""
    video_id, lost = seen.video_id, "was lost" if etag is None else "was not readable"
    makings = _makings(storage, video_id, stage, sizes)
    whole = [each for each in makings if not damaged_files(storage, each, hashes=False, sizes=sizes)]
    if whole:
        if restore_pointer(storage, whole, etag):
            seen.mend(f", {stage.value}: current.json {lost}; what was made last is current again")
        return True
    left = f"{video_prefix(video_id)}{stage.value}/"
    if etag is not None or any(key.startswith(left) and key.endswith("/manifest.json") for key in sizes):
        seen.tell(f", {stage.value}: current.json {lost}, and nothing whole lies there; {_remake(video_id)}")
    return False


def _makings(storage: Storage, video_id: int, stage: Stage, sizes: Mapping[str, int]) -> list[Manifest]:
    """Every making of the artifact whose manifest can be read and says that its checks passed."""
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
        if upload_key(video_id) in sizes:  # no rights, or a disk that gives it no more: it may be read again later
            seen.tell(f": {error}")
            return known()
    record = known()
    told_by = "its row"
    if record is None:
        record, told_by = put_together(storage, video_id, {s: m for s, (m, _) in seen.made.items()}, sizes), "the rest"
    if record is None:
        seen.tell(
            f": upload.json {lost} and nothing else tells what was uploaded; its id is not given again, "
            f"`video-assets delete {video_id}` removes what lies there"
        )
        return None
    put_upload_record(storage, record)
    words = ""
    if told_by == "the rest":
        words = f" (title: {one_line(record.title, 60)}; what else the uploader said is lost)"
    seen.mend(f": upload.json {lost}; it is written anew from {told_by}{words}")
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
    """The source of a video of which there is no manifest yet. Where one was adopted it may lie elsewhere."""
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
