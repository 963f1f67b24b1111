"""The commands, one module each: their options and help, and which use case they call.

Nothing is decided here. What several commands show stands in `cli/render`.
"""
