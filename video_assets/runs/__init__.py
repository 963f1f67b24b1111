"""Which videos get a run, which runs were asked for, and which are dead.

`due` and `liveness` decide (pure), `launches` and `heartbeat` are rows. Starting a run is in `defs`.
"""
