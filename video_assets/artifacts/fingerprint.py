"""Fingerprints: what an artifact was made from, as one hash.

Content, not recipe: an input re-made with the same bytes leaves everything made from it fresh.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from video_assets.artifacts.manifest import ManifestFile


def canonical(value: Any) -> bytes:
    """JSON with one spelling a value: sorted keys, no spaces, UTF-8, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of the value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def fingerprint(inputs: Mapping[str, str], code_version: str, params: Mapping[str, Any]) -> str:
    """The fingerprint of what would be made of these inputs' content hashes, by this code, so set up."""
    return digest({"inputs": dict(inputs), "code": code_version, "params": dict(params)})


def content_hash(files: Iterable[ManifestFile], facts: Mapping[str, Any]) -> str:
    """What the artifact holds, wherever it lies and however it came about: names, bytes and facts."""
    return digest({"files": {file.name: file.sha256 for file in files}, "facts": dict(facts)})


def file_sha256(path: Path) -> str:
    """SHA-256 (64 hex digits) of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        hasher = hashlib.sha256()
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()
