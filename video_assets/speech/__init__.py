"""Speech to text: captions read, or audio recognised on this machine or by a server, as one kind of transcript.

How sound is taken out of a video is media's affair, what the words are about is text's.
"""
