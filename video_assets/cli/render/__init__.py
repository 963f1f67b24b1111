"""How things look on a terminal: tables, progress, changes, plain words for durations and sizes.

What is shown comes from `library`; nothing here reads a table.
"""
