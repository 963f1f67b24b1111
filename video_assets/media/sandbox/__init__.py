"""The one door through which FFmpeg, and whatever else reads an untrusted file, is run: confined, watched, bounded.

`process` runs a child, `confine` takes away what it must not do, `watchdog` ends it when it hangs or grows.
"""
