"""The commands, one module each: options, help, and calls of the rooms below.

Decisions belong into those rooms. What several commands print is in `cli/render`.
"""
