"""Where files live: one protocol, a folder or a bucket behind it."""

from video_assets.storage.base import Conflict, Damaged, Full, NotFound, Stat, Storage, Stored, open_storage

__all__ = ["Conflict", "Damaged", "Full", "NotFound", "Stat", "Storage", "Stored", "open_storage"]
