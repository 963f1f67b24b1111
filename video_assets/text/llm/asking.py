"""Asks a language model questions and returns checked values. Answers are stored, so that each is paid for once; an
unusable answer is asked for once more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from video_assets.artifacts.answers import Answers
from video_assets.artifacts.fingerprint import digest
from video_assets.errors import PermanentError, one_line
from video_assets.text.llm.budget import Budget
from video_assets.text.llm.prompts import Prompt, Shape, repair
from video_assets.text.llm.server import Reply, Server, request
from video_assets.text.llm.tokens import most_tokens

ENVELOPE_TOKENS = 40
"""The most tokens that servers add for the format of the messages and the schema."""

_FENCE = re.compile(r"\A\s*```\w*\s*|\s*```\s*\Z")


class Unusable(ValueError):
    """An answer cannot be used. The message says why, and is shown to the model."""


class Replies(Protocol):
    """A language model, as `LanguageModel` in `language_model.py` is one."""

    @property
    def server(self) -> Server: ...

    def reply(self, body: Mapping[str, Any], *, tokens: int, idempotency_key: str) -> Reply: ...

    def is_listed(self) -> bool | None: ...


@dataclass
class Asker:
    """Asks the questions of one video, within its budget."""

    model: Replies
    answers: Answers
    video_id: int
    budget: Budget

    def ask(self, prompt: Prompt[Shape], check: Callable[[Shape], Any] = lambda value: None) -> Shape:
        """The answer, valid by its shape and by `check`, which raises Unusable.

        If it is not valid, the model is asked once more and told what was wrong. Raises PermanentError if the second
        answer is not valid either, or the model refuses. Then the stored answers are deleted, so that the next try asks
        again.
        """
        asked = [prompt]
        reply = self._reply(prompt)
        try:
            return usable(reply, prompt, check)
        except Unusable as error:
            if refused(reply):
                self._forget(asked)
                raise PermanentError(
                    f"{self.model.server.model} refused to answer for {prompt.name}"
                    f" ({one_line(reply.refusal, 120) or 'content filter'}); {_ADVICE}"
                ) from None
            asked.append(repair(prompt, reply.content, str(error)))
        try:
            return usable(self._reply(asked[1]), prompt, check)
        except Unusable as error:
            self._forget(asked)
            raise PermanentError(
                f"{self.model.server.model} gave no usable answer for {prompt.name}, asked twice: "
                f"{one_line(str(error), 200)}; {_ADVICE}"
            ) from None

    def _reply(self, prompt: Prompt[Shape]) -> Reply:
        body = self._body(prompt)
        asking, answering = question_tokens(prompt), prompt.max_tokens

        def call() -> Mapping[str, Any]:
            aside = self.budget.set_aside(asking, answering, prompt.name)
            try:
                reply = self.model.reply(body, tokens=asking + answering, idempotency_key=digest(body))
            finally:
                self.budget.release(aside)
            return reply.model_dump()

        kept, _ = self.answers.once(self.video_id, self._question(body), call)
        try:
            reply = Reply.model_validate(kept)
        except ValidationError:  # stored by another release
            reply = Reply()
        self.budget.spend(
            asking if reply.prompt_tokens is None else reply.prompt_tokens,
            most_tokens(reply.content) if reply.completion_tokens is None else reply.completion_tokens,
        )
        return reply

    def _forget(self, asked: list[Prompt[Shape]]) -> None:
        for prompt in asked:
            self.answers.forget(self.video_id, self._question(self._body(prompt)))

    def _body(self, prompt: Prompt[Shape]) -> dict[str, Any]:
        return request(self.model.server, prompt.messages, prompt.max_tokens, strict_schema(prompt.shape))

    def _question(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"server": self.model.server.base_url, "chat": body}


_ADVICE = "set VIDEO_ASSETS_SUMMARY_MODEL to another model, or VIDEO_ASSETS_SUMMARIZER=extractive"


def question_tokens(prompt: Prompt[Shape]) -> int:
    """An upper estimate of the tokens of a question."""
    return ENVELOPE_TOKENS + sum(most_tokens(message["content"]) for message in prompt.messages)


def refused(reply: Reply) -> bool:
    """Whether the model, or a content filter, refuses to answer."""
    return bool(reply.refusal) or reply.finish_reason == "content_filter"


def usable(reply: Reply, prompt: Prompt[Shape], check: Callable[[Shape], Any]) -> Shape:
    """The value in a reply. Raises Unusable with what is wrong."""
    if refused(reply):
        raise Unusable("it is a refusal")
    if not reply.content.strip():
        spent = " (all its tokens went elsewhere)" if reply.finish_reason == "length" else ""
        raise Unusable(f"it is empty{spent}")
    try:
        value = prompt.shape.model_validate(parsed(reply.content))
    except (ValueError, RecursionError) as error:
        if reply.finish_reason == "length":
            raise Unusable(f"it is longer than {prompt.max_tokens} tokens and breaks off: be briefer") from None
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise Unusable(one_line(f"{where}: {first['msg']}", 120)) from None
        raise Unusable("it is not JSON") from None
    check(value)
    return value


def parsed(content: str) -> Any:
    """The JSON in an answer, also inside a code fence or between other words. Raises ValueError if there is none."""
    bare = _FENCE.sub("", content)
    try:
        return json.loads(bare)
    except ValueError:
        first, last = bare.find("{"), bare.rfind("}")
        if not 0 <= first < last:
            raise
        return json.loads(bare[first : last + 1])


def strict_schema(shape: type[Shape]) -> dict[str, Any]:
    """The shape as a JSON schema, without the bounds that servers do not support in strict mode."""
    schema = _bare(shape.model_json_schema())
    assert isinstance(schema, dict)
    return schema


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = ("maxLength", "minLength", "maxItems", "minItems", "title", "description")
        return {key: _bare(each) for key, each in value.items() if key not in dropped or isinstance(each, dict)}
    return [_bare(each) for each in value] if isinstance(value, list) else value
