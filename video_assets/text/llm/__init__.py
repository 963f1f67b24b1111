"""Summaries by a language model: chunks, prompts, checks of the answers, budget and rate limit."""
