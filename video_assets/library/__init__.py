"""The library of existing videos: queries and views, deletion, adoption, the report, staleness, survey and rebuild.

How a video comes in is not here but in `intake`; how events become rows is in `projection`. What takes Dagster is in
`defs/operations`.
"""
