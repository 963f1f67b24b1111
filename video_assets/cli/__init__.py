"""The `video-assets` command."""

from video_assets.cli.app import main

__all__ = ["main"]
