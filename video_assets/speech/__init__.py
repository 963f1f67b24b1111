"""Speech to text: captions read, or audio recognised, as one kind of transcript."""

from video_assets.speech.captions import read_captions
from video_assets.speech.choose import choose
from video_assets.speech.transcript import Segment, Transcript, Word, empty, to_json, to_text, to_vtt
from video_assets.speech.verify import transcript_checks

__all__ = [
    "Segment",
    "Transcript",
    "Word",
    "choose",
    "empty",
    "read_captions",
    "to_json",
    "to_text",
    "to_vtt",
    "transcript_checks",
]
