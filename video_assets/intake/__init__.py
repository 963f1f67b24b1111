"""Intake: a file from the command, the inbox (a folder or a bucket prefix) or a Kafka message becomes a video.

It covers everything until the file is in storage and the row is `pending`: checks of size and free space, the claim of
an id, captions, the upload record, and cleaning up after interrupted uploads. What happens to the video after that is
not here.
"""
