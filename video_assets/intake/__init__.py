"""How a video comes in: from the command, the inbox (a folder or a bucket prefix) or a Kafka message.

Everything up to "the source is stored and the row says pending": checks of size and room, the claim of an id,
the upload record, the sweep of what was left half-done. What happens to the video from there on is not here.
"""
