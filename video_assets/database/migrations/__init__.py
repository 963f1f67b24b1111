"""The schema's history, by Alembic. It is run in code (database/engine.py); there is no alembic.ini."""

HEAD = "0006"
"""The newest revision. A database that stands there is left alone without loading Alembic."""

VERSION_TABLE = "video_assets_version"
"""Where a database says at which revision it stands. Not Alembic's usual name: Dagster keeps its own revision
under that, and may well live in the same database."""
