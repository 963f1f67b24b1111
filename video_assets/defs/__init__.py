"""Everything that knows Dagster. Nothing else in the project imports it, but for `definitions.py`."""
