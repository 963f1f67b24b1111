"""Reads Dagster's event log in order, translates its records into the projection's events, and has them applied.

What follows from an event is not here: `projection` decides it, without Dagster.
"""
