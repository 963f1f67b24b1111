"""From events to rows: what was made and how runs went become a video's status, results and messages.

`events` are what can happen, `fold` decides (pure), `store` reads and writes rows, `apply` does it in one
transaction. Nothing else writes the columns that the projection owns.
"""
