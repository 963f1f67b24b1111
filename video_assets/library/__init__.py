"""What is there: queries and views, editing, deleting, adopting, the report, staleness, comparing and rebuilding.

It works on what exists. How a video comes in is in `intake`, how events become rows in `projection`.
"""
