"""Dagster's event log, read: its records in order, translated into the projection's events, and applied.

What follows from an event is decided in `projection`, which does not know Dagster.
"""
