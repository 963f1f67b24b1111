"""JSON of requests and answers: camelCase, as the services before wrote it."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from video_assets.web.ask import etag_of
from video_assets.web.problems import Problem

MOST_FIELDS = 50


class Asking(BaseModel):
    """A request's body. Fields that are not known are refused: a misspelled one would be silently ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, data: Any) -> Any:
        """Each unknown field is an error with a line of its own: half a megabyte of them took 50 MB and froze the
        process for half a second."""
        if isinstance(data, dict) and len(data) > MOST_FIELDS:
            raise ValueError(f"an object may have {MOST_FIELDS} fields at most")
        return data


class Saying(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


def conditional(request: Request, body: Saying, **headers: str) -> Response:
    """The answer with an ETag; 304 without a body where the client has just this one."""
    data = body.model_dump_json(by_alias=True).encode()
    etag = etag_of(data)
    headers |= {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if holds(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="application/json")


def holds(condition: str | None, etag: str) -> bool:
    """Whether an `If-Match` or `If-None-Match` names this ETag."""
    if condition is None:
        return False
    named = {each.strip().removeprefix("W/") for each in condition.split(",")}
    return "*" in named or etag in named


def cursor_of(last: int | None) -> str | None:
    """Where the next page begins, as a word that clients pass on and do not read."""
    return None if last is None else base64.urlsafe_b64encode(f"v1:{last}".encode()).decode().rstrip("=")


def before(cursor: str | None) -> int | None:
    """The id that a cursor stands for. Problem 400 where it is none of ours."""
    if cursor is None:
        return None
    try:
        kind, _, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        if kind == "v1" and number.isascii() and number.isdigit() and len(number) < 19:
            return int(number)
    except ValueError:
        pass
    raise Problem(400, "the cursor is none that this list gave; begin without one")


def described(*examples: Any) -> dict[str, Any]:
    """Examples for the OpenAPI document."""
    return {"examples": list(examples)}
