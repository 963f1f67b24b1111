"""video-assets: every video watchable, transcribed, summarised and searchable, as Dagster assets."""

__version__ = "0.1.0"
