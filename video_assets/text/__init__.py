"""From words to what they are about: sentences, summaries, chapters, tags, and whether a summary was said.

It takes a transcript of any shape that has segments, and knows neither the room that made it nor where files lie.
Rules of language that other rooms need too are in `language`.
"""
