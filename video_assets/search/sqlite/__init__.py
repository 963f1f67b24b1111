"""The search index in SQLite (FTS5), for an installation on one machine."""
