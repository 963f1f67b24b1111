"""Cuts long segments at the ends of sentences and in pauses."""

from __future__ import annotations

from video_assets.speech.transcript import Segment, Word

LONGEST_SECONDS = 15.0
"""A recogniser's segment that lasts longer is cut."""
SENTENCE_END = ".!?…。\uff01\uff1f\u0964\u061f\u06d4"
"""Fewer marks than in `language.sentence_ends`. One more would change where segments are cut, so it would need a new
`VERSION` of the recognisers."""
_CLAUSE_END = tuple(",:;、") + tuple("\uff0c\uff1b")
_CLOSING = "\"')]»”」』\u2019"


def shortened(segment: Segment, longest: float = LONGEST_SECONDS) -> list[Segment]:
    """The segment in pieces of at most `longest` seconds, cut between words. It stays whole if it is short enough, or
    if the times of its words are unknown. No text is lost."""
    words = segment.words or ()
    if segment.end - segment.start <= longest or len(words) < 2:
        return [segment]
    cut = max(range(1, len(words)), key=lambda at: _goodness(words, at))
    first, second = words[:cut], words[cut:]
    texts = _texts(segment.text, first, second)
    if texts is None:
        return [segment]
    return [
        *shortened(segment.model_copy(update={"end": _end(first, second), "text": texts[0], "words": first}), longest),
        *shortened(segment.model_copy(update={"start": second[0].start, "text": texts[1], "words": second}), longest),
    ]


def _goodness(words: tuple[Word, ...], at: int) -> float:
    """How good a cut before word `at` is: 3 for the end of a sentence, 1 for a comma, the pause in seconds (2 at most),
    and up to 2 for being near the middle."""
    before, after = words[at - 1], words[at]
    last = before.text.rstrip(_CLOSING)
    marks = 3.0 if last.endswith(tuple(SENTENCE_END)) else 1.0 if last.endswith(_CLAUSE_END) else 0.0
    pause = min(max(after.start - before.end, 0.0), 2.0)
    span = words[-1].end - words[0].start or 1.0
    middle = 1 - abs((before.end - words[0].start) / span - 0.5) * 2
    return marks + pause + 2 * middle


def _end(first: tuple[Word, ...], second: tuple[Word, ...]) -> float:
    return min(max(word.end for word in first), second[0].start)


def _texts(text: str, first: tuple[Word, ...], second: tuple[Word, ...]) -> tuple[str, str] | None:
    """The text, divided where the words are divided. Letters are counted, not spaces, which the words do not have. None
    if the words do not spell the text."""
    letters = ["".join("".join(word.text for word in part).split()) for part in (first, second)]
    if "".join(text.split()) != "".join(letters) or not all(letters):
        return None
    passed = 0
    for position, character in enumerate(text):
        passed += not character.isspace()
        if passed == len(letters[0]):
            return text[: position + 1].strip(), text[position + 1 :].strip()
    return None
