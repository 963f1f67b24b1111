"""From words to what they are about: sentences, summaries, chapters, tags."""

from video_assets.text.extractive.summarizer import summarize
from video_assets.text.sentences import Sentence, sentences
from video_assets.text.summary import Chapter, Summary, SummarySentence, chapters_to_vtt, to_json
from video_assets.text.verify import summary_checks

__all__ = [
    "Chapter",
    "Sentence",
    "Summary",
    "SummarySentence",
    "chapters_to_vtt",
    "sentences",
    "summarize",
    "summary_checks",
    "to_json",
]
