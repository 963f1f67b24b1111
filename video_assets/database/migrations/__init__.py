"""The schema's history, by Alembic. It is run in code (database/engine.py); there is no alembic.ini."""

HEAD = "0001"
"""The newest revision. A database that stands there is left alone without loading Alembic."""
