"""What several rooms need to know of natural language: names and codes of languages, stems, where sentences end, how
wide letters are, text made plain.

What only one room asks of language (which words search folds, which summaries leave out) is with that room.
"""
