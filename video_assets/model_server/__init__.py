"""The one client of OpenAI-compatible servers: where a model is, how long an answer may be, which answers are refusals
and how those are put, what is asked again.

What is asked (speech, summaries) and what is made of the answers is not here.
"""
