"""What every artifact knows of itself: its manifest, its fingerprint, the pointer that makes it current."""

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
