"""The supervisor of `video-assets up`: starts the parts, restarts a dead one, and stops all together.

What runs inside the parts is not here but in `defs/instance`.
"""
