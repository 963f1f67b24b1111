"""The web: the HTTP API under `/api/v1`, for programs and for the pages.

Routes, what a request may be, and what an answer looks like belong here. What a route does is in `library`, `intake`,
`runs` and `accounts`. Dagster is never loaded: work is asked for by rows, which the sensors take up.
"""
