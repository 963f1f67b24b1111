"""The client of OpenAI-compatible servers, shared by `speech` and `text`: the address of a model, limits on answers,
our errors for refusals, and what is worth another try.

The requests themselves (speech, summaries), and what is made of the answers, belong to those rooms.
"""
