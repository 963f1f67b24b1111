"""The name by which a dagster.yaml written for an earlier release finds its launcher."""

from video_assets.defs.instance.launcher import WarmRunLauncher as WarmRunLauncher
