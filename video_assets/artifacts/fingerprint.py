"""Fingerprints: one hash over what an artifact is made from.

Inputs count by their content: an input that is made again with the same bytes makes nothing stale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from video_assets.artifacts.manifest import ManifestFile


def canonical(value: Any) -> bytes:
    """JSON that is the same for equal values: sorted keys, no spaces, UTF-8. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of the value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def fingerprint(inputs: Mapping[str, str], code_version: str, params: Mapping[str, Any]) -> str:
    """The fingerprint of an artifact. `inputs`: each input's content hash, by name."""
    return digest({"inputs": dict(inputs), "code": code_version, "params": dict(params)})


def content_hash(files: Iterable[ManifestFile], facts: Mapping[str, Any]) -> str:
    """The hash of an artifact's content: names and bytes of its files, and its facts. It is independent of where the
    files are stored and of what they were made from."""
    return digest({"files": {file.name: file.sha256 for file in files}, "facts": dict(facts)})


def file_sha256(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        hasher = hashlib.sha256()
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()
