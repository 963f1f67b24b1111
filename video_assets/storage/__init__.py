"""Where files live: one protocol, a folder or a bucket behind it."""

from video_assets.storage.base import Conflict, NotFound, Stat, Storage, open_storage

__all__ = ["Conflict", "NotFound", "Stat", "Storage", "open_storage"]
