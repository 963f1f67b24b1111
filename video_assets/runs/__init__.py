"""Runs, seen from the tables: which videos are due for one, which were requested, and which are dead.

`due` and `liveness` decide (pure); `launches` and `heartbeat` read and write rows. Starting and ending a run takes
Dagster, so it is in `defs`.
"""
