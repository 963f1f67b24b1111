"""Summaries without a model: sentences chosen from the transcript, chapters and tags from its terms."""
