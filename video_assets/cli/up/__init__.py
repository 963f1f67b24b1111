"""`video-assets up` as a supervisor: it starts the parts, starts a dead one again, and ends them all together.

What runs inside the parts is in `defs/instance`.
"""
