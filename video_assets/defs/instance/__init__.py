"""The Dagster instance and its processes: storages, launcher, queues, worker, code server, webserver, daemon.

Assets, checks, sensors and jobs are not here. Starting these processes as children of `up` is in `cli/up`.
"""
