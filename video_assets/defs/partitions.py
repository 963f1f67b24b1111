"""The partitions: one for each video, with the video's id as its key."""

from __future__ import annotations

import dagster as dg

from video_assets.errors import PermanentError

VIDEOS = "videos"
videos = dg.DynamicPartitionsDefinition(name=VIDEOS)


def video_id_of(partition_key: str) -> int:
    """The video id in a partition key; PermanentError where it is not one, since Dagster accepts any text as a key."""
    if not (partition_key.isascii() and partition_key.isdigit()) or len(partition_key) > 18:
        raise PermanentError(f"partition {partition_key[:40]!r} is no video id")
    return int(partition_key)
