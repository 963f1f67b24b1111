"""Checks that the files of a manifest are still in storage, byte for byte."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from video_assets.artifacts.fingerprint import file_sha256
from video_assets.artifacts.manifest import Manifest, ManifestFile
from video_assets.errors import PermanentError, one_line
from video_assets.storage import Damaged, NotFound, Storage

ALTERED = "was altered"


@dataclass(frozen=True)
class Damage:
    """A file that is not what its manifest says."""

    file: ManifestFile
    what: str
    """`is missing`, `was altered`, …"""

    def __str__(self) -> str:
        return f"{self.file.name} {self.what}"


def damaged_files(
    storage: Storage, manifest: Manifest, *, hashes: bool = True, sizes: Mapping[str, int] | None = None
) -> list[Damage]:
    """The artifact's files that are missing or altered.

    `hashes`: whether to read every byte and compare hashes, or only sizes. `sizes`: sizes that are known already, by
    key; the storage is asked for the others.
    """
    found: list[Damage] = []
    for file in manifest.files:
        size = (sizes or {}).get(file.key)
        if size is None:
            stat = storage.stat(file.key)
            size = stat.bytes if stat else None
        if size is None:
            found.append(Damage(file, "is missing"))
        elif size != file.bytes:
            found.append(Damage(file, f"has {size} bytes instead of {file.bytes}"))
        elif hashes and (what := _content_problem(storage, file)):
            found.append(Damage(file, what))
    return found


def _content_problem(storage: Storage, file: ManifestFile) -> str:
    """What is wrong with a file's content; empty if nothing is. A file that looks altered is read a second time, since
    altered files may be removed."""
    with tempfile.TemporaryDirectory(prefix="video-assets-audit-") as folder:
        try:
            for _ in range(2):
                if file_sha256(storage.fetch(file.key, Path(folder))) == file.sha256:
                    return ""
        except (NotFound, FileNotFoundError):  # removed meanwhile
            return "is missing"
        except Damaged:
            return ALTERED
        except (OSError, PermanentError) as error:
            return f"cannot be read: {one_line(error, 200)}"
    return ALTERED


def whole(storage: Storage, file: ManifestFile) -> bytes:
    """A file's bytes. Raises PermanentError if their hash is not the manifest's, NotFound if the file is missing."""
    data = storage.get_bytes(file.key)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise PermanentError(f"{file.name} was altered")
    return data
