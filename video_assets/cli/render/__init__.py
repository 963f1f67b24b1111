"""How answers look on a terminal: tables, progress, changes, and words for durations and sizes.

The data comes from `library`; this package has no queries of its own.
"""
