"""The Dagster instance and its processes: storages, launcher, queues, worker, code server, webserver, daemon.

The graph itself is not here.
"""
