"""Objects by key: one protocol, implemented for a local folder and for an S3 bucket.

What keys there are, and what is in the objects, is decided by the rooms above.
"""

from video_assets.storage.base import Conflict, Damaged, Full, NotFound, Stat, Storage, Stored, open_storage
from video_assets.storage.multipart import Part, PartAddress, PartRefused, PartsDiffer, PartWriter

__all__ = [
    "Conflict",
    "Damaged",
    "Full",
    "NotFound",
    "Part",
    "PartAddress",
    "PartRefused",
    "PartWriter",
    "PartsDiffer",
    "Stat",
    "Storage",
    "Stored",
    "open_storage",
]
