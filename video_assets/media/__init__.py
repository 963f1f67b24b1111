"""Pictures and sound of a video: probing, the ladder, encoding, stills, audio extraction and verification.

FFmpeg and every child that reads media are started by `sandbox` alone. What is spoken belongs to `speech`. Where files
are stored and when they are made again belongs to `artifacts` and `recipes`: this room only knows local paths.
"""
