"""The one client of OpenAI-compatible servers: which answers are refusals, how they are put, how long one may be.

What is asked (speech, summaries) is not here.
"""
