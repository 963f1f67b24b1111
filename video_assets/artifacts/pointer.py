"""The pointer: a small object for each video and stage that names the current artifact's manifest.

It is moved by conditional writes, so every race has one winner. It is fenced: a run never replaces what a run created
after it has published, however late it gets to that. When a video is deleted, tombstones replace its pointers. No
publish replaces a tombstone, so a run that is still going cannot bring the video back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from video_assets.artifacts.manifest import Manifest, manifest_bytes
from video_assets.errors import PermanentError
from video_assets.storage import Conflict, NotFound, Storage
from video_assets.videos import Stage, video_prefix

log = logging.getLogger(__name__)
RECONCILE = "`video-assets reconcile` puts it right where it can"


class Garbage(PermanentError):
    """An object is not readable as what it should be, or belongs to another video."""


class Unreadable(Garbage):
    """A pointer is not readable, or belongs to another video. `etag`: under which it may be replaced."""

    def __init__(self, key: str, etag: str) -> None:
        super().__init__(f"{key} is not readable; {RECONCILE}")
        self.etag = etag


class Lost(PermanentError):
    """The manifest that a pointer names is missing."""


class Superseded(PermanentError):
    """A later run has already published this artifact; ours must not replace it."""


class Deleted(PermanentError):
    """The video was deleted; nothing may be published for it."""


class Pointer(BaseModel):
    """The content of `current.json`: a pointer, or a tombstone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    manifest_key: str = ""
    fingerprint: str = ""
    run_id: str = ""
    fence: str = ""
    made_at: datetime | None = None
    first_made_at: datetime | None = None
    """When the stage first had a current artifact. The latest of these of all stages is the video's `processed_at`, so
    that the pointers alone give it."""
    first_fence: str = ""
    """The fence of the earliest run that made it; empty in pointers of earlier releases."""
    deleted_at: datetime | None = None
    """If set, this is a tombstone."""
    video_id: int | None = None
    """The video of a tombstone; None in tombstones of earlier releases. A pointer's video is in its manifest's key."""

    def is_of(self, video_id: int, stage: Stage) -> bool:
        """Whether it is the pointer of this video and stage. A restored backup may have mixed them up."""
        if self.deleted_at is not None:
            return self.video_id in (None, video_id)
        return self.manifest_key.startswith(f"{video_prefix(video_id)}{stage.value}/")


def pointer_key(video_id: int, stage: Stage) -> str:
    """`videos/{id}/{stage}/current.json`."""
    return f"{video_prefix(video_id)}{stage.value}/current.json"


def make_fence(created_at: datetime, run_id: str) -> str:
    """A run's place in the order of runs: its creation time, then its id. Fences compare as text."""
    return f"{created_at.timestamp():017.6f}/{run_id}"


def seconds_of(fence: str) -> float:
    """The creation time in a fence, in seconds since 1970; 0 if it has none."""
    try:
        return float(fence.partition("/")[0])
    except ValueError:
        return 0.0


def fence_over(fence: str, run_id: str, replaced: Pointer | None, after: bool | None, now: datetime) -> str:
    """The fence of a run that is about to replace a pointer: its own, or one just above the pointer's if that is higher
    although the run was created after the pointer's run.

    Pointers with such fences remain after a clock that was ahead was corrected. Without this, every run would count as
    earlier for hours. `after`: whether the run was created after the pointer's run; None if nobody knows. Then a
    pointer with a fence in the future is replaced, since no run can have been created there.
    """
    if replaced is None or replaced.fence <= fence:
        return fence
    seconds = seconds_of(replaced.fence)
    if after or (after is None and seconds > now.timestamp()):
        return f"{seconds + 1e-6:017.6f}/{run_id}"
    return fence


def read_pointer(storage: Storage, video_id: int, stage: Stage) -> Pointer | None:
    """The pointer of a video and stage, or its tombstone; None if there is none. Raises Unreadable."""
    found = _read(storage, video_id, stage)
    return found[0] if found else None


def current(storage: Storage, video_id: int, stage: Stage) -> Manifest | None:
    """The manifest of the current artifact; None if there is none, or the video was deleted."""
    return manifest_of(storage, read_pointer(storage, video_id, stage))


def manifest_of(storage: Storage, pointer: Pointer | None) -> Manifest | None:
    """The manifest that a pointer names; None if there is no pointer, or a tombstone. Raises Lost if the manifest is
    missing, another PermanentError if it is not readable."""
    if pointer is None or pointer.deleted_at is not None:
        return None
    try:
        return read_manifest(storage, pointer.manifest_key)
    except NotFound:
        video_id = pointer.manifest_key.split("/")[1]
        raise Lost(
            f"{pointer.manifest_key} is lost; `video-assets process --video {video_id}` makes it again"
        ) from None


def read_manifest(storage: Storage, key: str) -> Manifest:
    """The manifest stored under `key`. Raises NotFound, or PermanentError if it is not readable."""
    try:
        manifest = Manifest.model_validate_json(storage.get_bytes(key))
    except ValidationError as error:
        raise PermanentError(f"{key} is no manifest of this release: {error.error_count()} fields differ") from None
    if manifest.key != key:
        raise PermanentError(f"{key} is the manifest of another artifact")
    return manifest


def deleted_at(storage: Storage, video_id: int) -> datetime | None:
    """When the video was deleted; None if it was not. The first readable pointer decides: tombstones are written in the
    order of the stages, and none is ever replaced."""
    for stage in Stage:
        try:
            pointer = read_pointer(storage, video_id, stage)
        except PermanentError:
            continue
        if pointer is not None:
            return pointer.deleted_at
    return None


def publish(storage: Storage, manifest: Manifest) -> None:
    """Writes the manifest, then makes it current. Raises Superseded or Deleted if it may not become current; the caller
    then removes the artifact's files."""
    storage.put_bytes(manifest.key, manifest_bytes(manifest), content_type="application/json")
    while True:
        pointer, etag = _replaceable(storage, manifest.video_id, manifest.artefact)
        if pointer is None and etag is not None and deleted_at(storage, manifest.video_id) is not None:
            raise _deleted(manifest.video_id)
        _refuse_unless_later(pointer, manifest)
        first = pointer.first_made_at if pointer and pointer.first_made_at else manifest.made_at
        earliest = (pointer.first_fence or pointer.fence) if pointer else manifest.fence
        moved = _to(manifest, min(first, manifest.made_at), min(earliest, manifest.fence))
        try:
            storage.put_if(pointer_key(manifest.video_id, manifest.artefact), _dump(moved), etag)
            return
        except Conflict:
            continue  # another run moved it meanwhile: check again whether this one may replace it


def restore_pointer(storage: Storage, makings: Sequence[Manifest], etag: str | None) -> bool:
    """Restores a pointer that is lost, or unreadable and has this etag: makes the newest of `makings`, manifests of one
    video and stage, current again. False if another run published meanwhile."""
    newest = max(makings, key=lambda each: (each.fence, each.fingerprint, each.made_at, each.key))
    moved = _to(newest, min(each.made_at for each in makings), min(each.fence for each in makings))
    try:
        storage.put_if(pointer_key(newest.video_id, newest.artefact), _dump(moved), etag)
    except Conflict:
        return False
    return True


def tombstone(storage: Storage, video_id: int, deleted_at: datetime) -> None:
    """Puts a tombstone in place of each pointer of the video, readable or not. Nothing can be published for it then."""
    stone = _dump(Pointer(deleted_at=deleted_at, video_id=video_id))
    for stage in Stage:
        key = pointer_key(video_id, stage)
        while True:
            try:
                pointer, etag = _replaceable(storage, video_id, stage)
            except PermanentError:  # the storage cannot read the object, which does not matter: it is to be deleted
                storage.delete(key)
                pointer, etag = None, None
            if pointer is not None and pointer.deleted_at is not None:
                break
            if etag is None:
                storage.delete_prefix(f"{key}/")  # a folder of this name would make the write fail
            try:
                storage.put_if(key, stone, etag)
                break
            except Conflict:
                continue


def _to(manifest: Manifest, first_made_at: datetime, first_fence: str) -> Pointer:
    return Pointer(
        manifest_key=manifest.key,
        fingerprint=manifest.fingerprint,
        run_id=manifest.run_id,
        fence=manifest.fence,
        made_at=manifest.made_at,
        first_made_at=first_made_at,
        first_fence=first_fence,
    )


def _replaceable(storage: Storage, video_id: int, stage: Stage) -> tuple[Pointer | None, str | None]:
    """The pointer, and the etag under which it may be replaced. An unreadable one counts as none and may be replaced:
    it has no fence, and making the artifact again is what repairs it."""
    try:
        return _read(storage, video_id, stage) or (None, None)
    except Unreadable as error:
        log.warning("%s", error)
        return None, error.etag


def _deleted(video_id: int) -> Deleted:
    return Deleted(f"video {video_id} was deleted; nothing of this run was kept")


def _refuse_unless_later(pointer: Pointer | None, manifest: Manifest) -> None:
    """Raises Deleted for a tombstone, Superseded for a pointer with a higher fence."""
    if pointer is None:
        return
    if pointer.deleted_at is not None:
        raise _deleted(manifest.video_id)
    if pointer.fence > manifest.fence:
        raise Superseded(f"a later run ({pointer.run_id[:8]}) has already published this; nothing of this run was kept")


def _read(storage: Storage, video_id: int, stage: Stage) -> tuple[Pointer, str] | None:
    try:
        data, etag = storage.get_with_etag(pointer_key(video_id, stage))
    except NotFound:
        return None
    try:
        pointer = Pointer.model_validate_json(data)
    except ValidationError:
        raise Unreadable(pointer_key(video_id, stage), etag) from None
    if not pointer.is_of(video_id, stage):
        raise Unreadable(pointer_key(video_id, stage), etag)
    return pointer, etag


def _dump(pointer: Pointer) -> bytes:
    return (pointer.model_dump_json(indent=1, exclude_none=True) + "\n").encode()
