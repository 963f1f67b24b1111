"""The projection: turns events (an artifact was made, a run changed) into a video's status, results and messages.

`events` are its input, `fold` decides (pure), `store` reads and writes rows, `apply` does all of it in one transaction.
No other room writes the columns that the projection owns. Reading Dagster's event log is in `defs/event_log`.
"""
