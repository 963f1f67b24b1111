"""Checks whether the transcript says what a summary says: support, contradictions, numbers."""
