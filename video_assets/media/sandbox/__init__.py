"""Runs FFmpeg, and every other program that reads an untrusted file, as a confined, watched and limited child.

`process` runs a child, `confine` removes rights from it before it starts, `watchdog` ends it if it hangs or uses too
much, `program` finds FFmpeg. What the child is told to do is decided by its callers in `media`.
"""
