"""What several rooms need of natural language: names and codes of languages, stems, ends of sentences, width of
characters, text on one plain line.

What only one room needs (words that search folds, words that summaries leave out) is in that room.
"""
