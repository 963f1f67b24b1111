"""Artifacts as such: manifest, fingerprint, the pointer to the current one, the workbench on which one is made, and the
stored inputs (upload record, captions, answers of paid services).

How a certain artifact is made belongs to `recipes` and to the rooms that do the work. What the tables say of artifacts
belongs to `projection`.
"""

from video_assets.artifacts.fingerprint import content_hash, digest, fingerprint
from video_assets.artifacts.manifest import CheckOutcome, Cost, Manifest, ManifestFile
from video_assets.artifacts.pointer import Deleted, Pointer, Superseded, current, publish, read_pointer, tombstone
from video_assets.artifacts.workbench import Artifact, RunInfo, Workbench

__all__ = [
    "Artifact",
    "CheckOutcome",
    "Cost",
    "Deleted",
    "Manifest",
    "ManifestFile",
    "Pointer",
    "RunInfo",
    "Superseded",
    "Workbench",
    "content_hash",
    "current",
    "digest",
    "fingerprint",
    "publish",
    "read_pointer",
    "tombstone",
]
