"""What operators do to runs and videos, by command or by sensor, where it takes the Dagster instance.

What needs none of it stands in `library`.
"""
