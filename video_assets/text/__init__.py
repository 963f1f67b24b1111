"""What a transcript is about: its sentences, summary, chapters and tags, and whether a summary is grounded in it.

It takes any transcript that has segments (`spoken.py`), and knows neither `speech`, which makes transcripts, nor
storage. Rules of language that other rooms need too are in `language`.
"""
