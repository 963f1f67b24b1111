"""The pointer: which making of an artifact is current.

One small object an artifact, moved conditionally (one winner in every race) and fenced: a run created
earlier never replaces what a later one published, however late it wakes up. A tombstone in its place
outlasts every publish, so that a run still going cannot bring a deleted video back.
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
    """What an object holds cannot be read as what it should be, or is another video's."""


class Unreadable(Garbage):
    """The object that says what is current is garbage, or another video's."""

    def __init__(self, key: str, etag: str) -> None:
        super().__init__(f"{key} is not readable; {RECONCILE}")
        self.etag = etag


class Lost(PermanentError):
    """The manifest that a pointer names is not there."""


class Superseded(PermanentError):
    """A later run has already published this artifact; ours must not replace it."""


class Deleted(PermanentError):
    """The video was deleted; nothing may be published for it."""


class Pointer(BaseModel):
    """What `current.json` holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    manifest_key: str = ""
    fingerprint: str = ""
    run_id: str = ""
    fence: str = ""
    made_at: datetime | None = None
    first_made_at: datetime | None = None
    """When this artifact was first current. A video is ready from the latest of these on, so that
    `processed_at` can be told from the pointers alone."""
    first_fence: str = ""
    """The fence of the earliest run that made it; empty where a release wrote this that did not note it."""
    deleted_at: datetime | None = None
    """Set: a tombstone."""
    video_id: int | None = None
    """Whose tombstone it is; elsewhere the manifest's key says so. None in those of the releases before."""

    def is_of(self, video_id: int, artefact: Stage) -> bool:
        """Whether it belongs where it lies: a restored backup, or a mistaken copy, may have mixed them up."""
        if self.deleted_at is not None:
            return self.video_id in (None, video_id)
        return self.manifest_key.startswith(f"{video_prefix(video_id)}{artefact.value}/")


def pointer_key(video_id: int, artefact: Stage) -> str:
    """`videos/{id}/{artifact}/current.json`."""
    return f"{video_prefix(video_id)}{artefact.value}/current.json"


def make_fence(created_at: datetime, run_id: str) -> str:
    """A run's place in the order of runs: creation time, then id. Compares as text."""
    return f"{created_at.timestamp():017.6f}/{run_id}"


def seconds_of(fence: str) -> float:
    """The creation time within a fence, seconds since 1970; 0 where there is none."""
    try:
        return float(fence.partition("/")[0])
    except ValueError:
        return 0.0


def fence_over(fence: str, run_id: str, replaced: Pointer | None, after: bool | None, now: datetime) -> str:
    """The fence of a run that is about to replace what the pointer names: its own, or one more than the pointer's
    where that is higher although the run was created `after` the pointer's.

    A clock that was ahead and is set right leaves such pointers behind, and for hours every run would seem to come
    before them. `after` is None where nobody knows which of the two runs was created first; then a pointer of the
    future is no reason to give way, as nothing can have been created there.
    """
    if replaced is None or replaced.fence <= fence:
        return fence
    seconds = seconds_of(replaced.fence)
    if after or (after is None and seconds > now.timestamp()):
        return f"{seconds + 1e-6:017.6f}/{run_id}"
    return fence


def read_pointer(storage: Storage, video_id: int, artefact: Stage) -> Pointer | None:
    """The artifact's pointer (perhaps a tombstone); None where it never was current."""
    found = _read(storage, video_id, artefact)
    return found[0] if found else None


def current(storage: Storage, video_id: int, artefact: Stage) -> Manifest | None:
    """The manifest of what is current; None where nothing is, or the video was deleted."""
    return manifest_of(storage, read_pointer(storage, video_id, artefact))


def manifest_of(storage: Storage, pointer: Pointer | None) -> Manifest | None:
    """The manifest that a pointer names; None where there is no pointer, or a tombstone in its place. Lost, or another
    PermanentError, where it cannot be read."""
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
    """The manifest stored under `key`. Raises NotFound, or PermanentError where it is not readable."""
    try:
        manifest = Manifest.model_validate_json(storage.get_bytes(key))
    except ValidationError as error:
        raise PermanentError(f"{key} is no manifest of this release: {error.error_count()} fields differ") from None
    if manifest.key != key:
        raise PermanentError(f"{key} is the manifest of another artifact")
    return manifest


def deleted_at(storage: Storage, video_id: int) -> datetime | None:
    """When the video was deleted; None where it was not. One tombstone that is left tells it, whatever became of the
    others: they are written in the order of the stages, and nothing is ever published over one."""
    for artefact in Stage:
        try:
            pointer = read_pointer(storage, video_id, artefact)
        except PermanentError:
            continue
        if pointer is not None:
            return pointer.deleted_at
    return None


def publish(storage: Storage, manifest: Manifest) -> None:
    """Writes the manifest, then makes it current. Raises Superseded or Deleted where it may not be;
    its files are then nobody's, and whoever made them removes them."""
    storage.put_bytes(manifest.key, manifest_bytes(manifest), content_type="application/json")
    while True:
        pointer, etag = _replaceable(storage, manifest.video_id, manifest.artefact)
        if pointer is None and etag is not None and deleted_at(storage, manifest.video_id) is not None:
            raise _deleted(manifest.video_id)
        _may_replace(pointer, manifest)
        first = pointer.first_made_at if pointer and pointer.first_made_at else manifest.made_at
        earliest = (pointer.first_fence or pointer.fence) if pointer else manifest.fence
        moved = _to(manifest, min(first, manifest.made_at), min(earliest, manifest.fence))
        try:
            storage.put_if(pointer_key(manifest.video_id, manifest.artefact), _dump(moved), etag)
            return
        except Conflict:
            continue  # somebody moved it meanwhile: look again whether ours may still replace theirs


def put_back(storage: Storage, makings: Sequence[Manifest], etag: str | None) -> bool:
    """Makes the newest of an artifact's makings current again whose pointer is lost, or unreadable under this etag.
    False where somebody published meanwhile."""
    newest = max(makings, key=lambda each: (each.fence, each.fingerprint, each.made_at, each.key))
    moved = _to(newest, min(each.made_at for each in makings), min(each.fence for each in makings))
    try:
        storage.put_if(pointer_key(newest.video_id, newest.artefact), _dump(moved), etag)
    except Conflict:
        return False
    return True


def tombstone(storage: Storage, video_id: int, deleted_at: datetime) -> None:
    """Ends publishing for the video, for ever, whatever stands in the pointers' places."""
    stone = _dump(Pointer(deleted_at=deleted_at, video_id=video_id))
    for artefact in Stage:
        key = pointer_key(video_id, artefact)
        while True:
            try:
                pointer, etag = _replaceable(storage, video_id, artefact)
            except PermanentError:  # the storage itself cannot read it; what is to be deleted need not be read
                storage.delete(key)
                pointer, etag = None, None
            if pointer is not None and pointer.deleted_at is not None:
                break
            if etag is None:
                storage.delete_prefix(f"{key}/")  # a folder of this name would stand in the way
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


def _replaceable(storage: Storage, video_id: int, artefact: Stage) -> tuple[Pointer | None, str | None]:
    """The pointer, and the etag under which it may be replaced. One that says nothing holds nobody up: no fence is
    known that would be higher, and making the artifact again is what puts it right."""
    try:
        return _read(storage, video_id, artefact) or (None, None)
    except Unreadable as error:
        log.warning("%s", error)
        return None, error.etag


def _deleted(video_id: int) -> Deleted:
    return Deleted(f"video {video_id} was deleted; nothing of this run was kept")


def _may_replace(pointer: Pointer | None, manifest: Manifest) -> None:
    if pointer is None:
        return
    if pointer.deleted_at is not None:
        raise _deleted(manifest.video_id)
    if pointer.fence > manifest.fence:
        raise Superseded(f"a later run ({pointer.run_id[:8]}) has already published this; nothing of this run was kept")


def _read(storage: Storage, video_id: int, artefact: Stage) -> tuple[Pointer, str] | None:
    try:
        data, etag = storage.get_with_etag(pointer_key(video_id, artefact))
    except NotFound:
        return None
    try:
        pointer = Pointer.model_validate_json(data)
    except ValidationError:
        raise Unreadable(pointer_key(video_id, artefact), etag) from None
    if not pointer.is_of(video_id, artefact):
        raise Unreadable(pointer_key(video_id, artefact), etag)
    return pointer, etag


def _dump(pointer: Pointer) -> bytes:
    return (pointer.model_dump_json(indent=1, exclude_none=True) + "\n").encode()
