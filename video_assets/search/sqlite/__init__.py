"""Search in SQLite by FTS5, for a house of one machine."""
