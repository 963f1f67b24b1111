"""Objects by key: one protocol, implemented for a local folder and for an S3 bucket.

What keys there are, and what is in the objects, is decided by the rooms above.
"""

from video_assets.storage.base import Conflict, Damaged, Full, NotFound, Stat, Storage, Stored, open_storage

__all__ = ["Conflict", "Damaged", "Full", "NotFound", "Stat", "Storage", "Stored", "open_storage"]
