"""Summaries by a language model, by map and reduce: it takes notes of each chunk, merges them until there are few, and
writes the summary from those.

Each note and each sentence is compared with the transcript, and dropped if the transcript does not support it. A
summary of which too few sentences remain is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace

from video_assets.language.plain import plain_line
from video_assets.language.sentence_ends import split_sentences
from video_assets.text.extractive import summarizer
from video_assets.text.grounding.support import VERSION as GROUNDING
from video_assets.text.grounding.support import Evidence, Support
from video_assets.text.llm import prompts
from video_assets.text.llm.asking import Asker, Unusable, question_tokens
from video_assets.text.llm.chunking import CHUNK_TOKENS, Chunk, chunks
from video_assets.text.llm.plan import MOST_AT_THE_END, Plan, plan
from video_assets.text.llm.prompt_injection import quarantined
from video_assets.text.llm.prompts import NOTE_TOKENS, SUMMARY_TOKENS, Draft, Notes, Point
from video_assets.text.llm.tokens import VERSION as TOKENS
from video_assets.text.sentences import Sentence, sentences
from video_assets.text.spoken import Spoken
from video_assets.text.summary import Summary, SummarySentence

VERSION = f"mapreduce-1+{TOKENS}+{prompts.VERSION}+{GROUNDING}+{summarizer.VERSION}"

AT_ONCE = 5
"""Calls for chunks at the same time. As many merges can run beside them, so that no chunk waits for a merge."""
MOST_AT_ONCE = 64
LEAST_SENTENCES, MOST_SENTENCES = 4, summarizer.MOST_SENTENCES
TOO_SHORT = 8
"""A transcript with fewer distinct sentences is summarised without the model, from its own sentences."""

Points = tuple[Point, ...]


def summarize(
    transcript: Spoken,
    asker: Asker,
    *,
    at_once: int = AT_ONCE,
    chunk_tokens: int = CHUNK_TOKENS,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Summary:
    """A summary of four to six sentences in the model's words, each grounded in the transcript. Chapters and tags are
    those of the extractive summary.

    `at_once`: calls for chunks at the same time; 0: as many as the server's rate allows. `on_progress` is called with
    the fraction done. A transcript of a few sentences is summarised without the model. Raises PermanentError or
    TransientError, as `Asker.ask` does.
    """
    said = sentences(transcript)
    texts = [sentence.text for sentence in said]
    held_back = quarantined(texts)
    if len(summarizer.distinct([text for at, text in enumerate(texts) if at not in held_back])) < TOO_SHORT:
        return summarizer.summarize(transcript)
    work = _Work(asker, Evidence(texts, transcript.language, held_back))
    parts = _without_held_back(chunks(texts, chunk_tokens), held_back)
    shape = plan(len(parts))
    work.check_budget(parts, shape)
    with ThreadPoolExecutor(1, "chapters") as beside:  # while the model answers
        base = beside.submit(summarizer.summarize, transcript)
        chosen = work.write(work.notes(parts, shape, at_once or MOST_AT_ONCE, on_progress))
    on_progress(1.0)
    return _summary(base.result(), said, work, chosen, shape)


@dataclass
class _Work:
    """A summary that is being made."""

    asker: Asker
    evidence: Evidence
    dropped: list[str] = field(default_factory=list)
    """The model's notes and sentences that the transcript does not support."""

    @property
    def language(self) -> str | None:
        return None if self.evidence.language == "und" else self.evidence.language

    def check_budget(self, parts: Sequence[Chunk], shape: Plan) -> None:
        """Raises PermanentError, before anything is spent, if all calls together could exceed the video's ceiling."""
        questions = [question_tokens(self.question(part, at, len(parts))) for at, part in enumerate(parts)]
        # Merges and the summary read notes of NOTE_TOKENS each. Their instructions are at most 100 tokens longer than
        # those of a question about a chunk.
        words = question_tokens(self.question(Chunk(()), 0, 1)) + 100
        merges = [merge for level in shape.levels for merge in level if merge.calls]
        questions += [words + (merge.last - merge.first) * NOTE_TOKENS for merge in merges]
        questions.append(words + MOST_AT_THE_END * NOTE_TOKENS)
        answers = (len(parts) + len(merges)) * NOTE_TOKENS + SUMMARY_TOKENS
        self.asker.budget.check(sum(questions), answers, f"summarising it in {shape.calls} calls")

    def question(self, part: Chunk, at: int, parts: int) -> prompts.Prompt[Notes]:
        return prompts.map_prompt(part, at + 1, parts, self.language)

    def notes(
        self, parts: Sequence[Chunk], shape: Plan, at_once: int, on_progress: Callable[[float], None]
    ) -> list[Points]:
        """The notes from which the summary is written. If a call fails, no further one is begun, but those under way
        are waited for: they are paid for, and their answers are stored."""
        mapping, merging = ThreadPoolExecutor(at_once, "map"), ThreadPoolExecutor(at_once, "merge")
        patient = True
        try:
            level: list[Future[Points]] = [
                mapping.submit(self._take_notes, self.question(part, at, len(parts))) for at, part in enumerate(parts)
            ]
            every = list(level)
            for number, merges in enumerate(shape.levels, 1):
                below, level = level, []
                for merge in merges:
                    of = below[merge.first : merge.last]
                    # A merge waits only for tasks submitted before it, so a full pool cannot deadlock.
                    level.append(merging.submit(self._merge_notes, of, number, merge.first) if merge.calls else of[0])
                every += level
            for done, future in enumerate(as_completed(dict.fromkeys(every)), 1):
                future.result()
                on_progress(done / shape.calls)
            return [future.result() for future in level]
        except Exception:
            raise
        except BaseException:  # the run is being cancelled
            patient = False
            raise
        finally:
            for pool in (mapping, merging):
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in (mapping, merging):
                pool.shutdown(wait=patient)

    def write(self, notes: Sequence[Points]) -> list[tuple[str, Support]]:
        """The summary's sentences, each with its evidence."""
        bounds = {"least": LEAST_SENTENCES, "most": MOST_SENTENCES}
        draft = self.asker.ask(prompts.final_prompt(notes, self.language, **bounds), self._grounded_sentences)
        self.dropped += [text for text, support in self._sentences(draft) if not support.grounded]
        return self._grounded_sentences(draft)

    def _take_notes(self, prompt: prompts.Prompt[Notes]) -> Points:
        return self._only_grounded(self.asker.ask(prompt))

    def _merge_notes(self, below: Sequence[Future[Points]], level: int, first: int) -> Points:
        groups = [future.result() for future in below]
        name = f"notes {first + 1} to {first + len(below)} of level {level}"
        return (
            self._only_grounded(self.asker.ask(prompts.reduce_prompt(groups, name, self.language)))
            if any(groups)
            else ()
        )

    def _only_grounded(self, notes: Notes) -> Points:
        """The notes that the transcript supports. The others would mislead the later calls."""
        judged = [(point.says, self.evidence.support(point.says, point.at)) for point in notes.points]
        self.dropped += [says for says, support in judged if not support.grounded]
        return tuple(Point(says=says, at=support.at) for says, support in judged if support.grounded)

    def _sentences(self, draft: Draft) -> list[tuple[str, Support]]:
        """The draft's sentences with their support. Models sometimes put two sentences into one, so they are split."""
        found: dict[str, Support] = {}
        for point in draft.sentences:
            for text in split_sentences(plain_line(point.says)):
                if len(text.split()) > prompts.MOST_WORDS or len(text) > prompts.MOST_LETTERS:
                    raise Unusable(f"a sentence has more than {prompts.MOST_WORDS} words: “{text[:40]}…”")
                found.setdefault(summarizer.finished(text), self.evidence.support(text, point.at))
        return list(found.items())

    def _grounded_sentences(self, draft: Draft) -> list[tuple[str, Support]]:
        """The best MOST_SENTENCES of the grounded sentences, in order. Raises Unusable if there are too few."""
        judged = self._sentences(draft)
        kept = [(text, support) for text, support in judged if support.grounded]
        if len(kept) < LEAST_SENTENCES:
            invented = next((text for text, support in judged if not support.grounded), "")
            example = f", this is not: “{invented[:80]}”" if invented else ""
            raise Unusable(
                f"{len(kept)} of its {len(judged)} sentences are in the transcript and {LEAST_SENTENCES} are "
                f"needed{example}"
            )
        best = sorted(kept, key=lambda each: -each[1].score)[:MOST_SENTENCES]
        return [each for each in kept if each in best]


def _without_held_back(parts: Sequence[Chunk], held_back: frozenset[int]) -> list[Chunk]:
    """The chunks without the sentences that are kept from the model."""
    shown = [replace(part, lines=tuple(line for line in part.lines if line.number not in held_back)) for part in parts]
    return [part for part in shown if part.lines]


def _summary(
    base: Summary, said: Sequence[Sentence], work: _Work, chosen: Sequence[tuple[str, Support]], shape: Plan
) -> Summary:
    texts = [text for text, _ in chosen]
    grounding = [support.score for _, support in chosen]
    coverage = work.evidence.coverage(texts)
    info = {
        "summarizer": "openai",
        "version": VERSION,
        "model": work.asker.model.server.model,
        "chunks": shape.chunks,
        "calls": shape.calls,
        "dropped": len(work.dropped),
        "held_back": work.evidence.left_out,
        "grounding": grounding,
        "evidence": [list(support.at) for _, support in chosen],
    }
    return base.model_copy(
        update={
            "text": summarizer.prose(texts),
            "sentences": tuple(SummarySentence(text=text, start=said[support.at[0]].start) for text, support in chosen),
            "quality_score": None if coverage is None else round(coverage * sum(grounding) / len(grounding), 3),
            "model_info": {**base.model_info, **info},
        }
    )
