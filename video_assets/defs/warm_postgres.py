"""The name by which a dagster.yaml written for an earlier release finds its storage."""

from video_assets.defs.instance.warm_postgres import WarmPostgresStorage as WarmPostgresStorage
