"""All code that imports Dagster: assets, checks, sensors, the event log, the instance, operations on runs.

No other room imports it, except `definitions.py`. What can be done without Dagster belongs into the rooms below.
"""
