"""Speech to text: makes a transcript from captions, or from audio recognised on this machine or by a server.

All of these give the same kind of `Transcript`. Extracting the audio from a video belongs to `media`; what the words
are about (sentences, summaries, chapters) belongs to `text`.
"""
