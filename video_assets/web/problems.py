"""Errors as problem documents (RFC 9457): one line of detail, and never what the client sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from video_assets.accounts.signing_in import NotAllowed, Taken, WrongPassword
from video_assets.errors import BadInput, Busy, Full, NoRoom, NoSuchVideo, PermanentError, TransientError, one_line
from video_assets.intake.upload_plan import NoSuchUpload, OverQuota, UploadCompleted, UploadExpired
from video_assets.intake.uploads import Refused
from video_assets.storage import Conflict, NotFound, PartRefused, PartsDiffer

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
log = logging.getLogger("video_assets.web")


class ProblemDocument(BaseModel):
    """What every error answers."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Always about:blank: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(description="What is wrong and what to do, in one line.", examples=["there is no video 7"])


class Problem(Exception):
    """An answer that is an error. `more`: further members of the document, such as what is missing."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = one_line(detail)
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def answer(problem: Problem) -> JSONResponse:
    """The response of a problem."""
    document = {
        "type": "about:blank",
        "title": _title(problem.status),
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    return JSONResponse(document, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is to the client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, WrongPassword):
        return Problem(401, str(error), headers={"WWW-Authenticate": "Bearer"})
    if isinstance(error, NotAllowed):
        return Problem(403, str(error))
    if isinstance(error, NoSuchUpload):
        return Problem(404, str(error))
    if isinstance(error, UploadExpired):
        return Problem(410, str(error))
    if isinstance(error, PartsDiffer):
        return Problem(409, str(error), more={"missing": list(error.missing[:1000]), "wrong": list(error.wrong[:1000])})
    if isinstance(error, UploadCompleted):
        return Problem(409, str(error))
    if isinstance(error, OverQuota):
        return Problem(403, str(error))
    if isinstance(error, (Full, NoRoom)):
        return Problem(507, "there is no room for it just now; try again later")
    if isinstance(error, NoSuchVideo):
        return Problem(404, str(error))
    if isinstance(error, (Taken, Conflict)):
        return Problem(409, str(error) if isinstance(error, Taken) else "somebody else changed it meanwhile; try again")
    if isinstance(error, NotFound):
        return Problem(404, "it is no longer in storage")
    if isinstance(error, (BadInput, Refused, PartRefused)):
        return Problem(400, str(error))
    if isinstance(
        error, PermanentError
    ):  # of the house: its words name files and servers, and are no client's business
        log.error("a request met a fault of the set-up: %s", error)
        return Problem(500, "something is not set up as it should be here, and was logged; tell whoever runs it")
    if isinstance(error, Busy):
        return Problem(503, str(error), headers={"Retry-After": str(RETRY_SECONDS)})
    if isinstance(error, TransientError):
        log.warning("a request met something that is away: %s", error)
        seconds = round(error.retry_after or RETRY_SECONDS)
        return Problem(503, "a server that this needs is away; try again", headers={"Retry-After": str(seconds)})
    if isinstance(error, HTTPException):
        words = error.detail if isinstance(error.detail, str) else _title(error.status_code)
        return Problem(error.status_code, words, headers=error.headers)
    log.error("unexpected error", exc_info=error)
    return Problem(500, "something went wrong here, and was logged; try again")


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem document."""

    async def handle(_: Request, error: Exception) -> JSONResponse:
        return answer(problem_of(error))

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(_invalid(error))

    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (Problem, HTTPException, PermanentError, TransientError, Conflict, NotFound, Exception):
        app.add_exception_handler(kind, handle)


def _invalid(error: RequestValidationError) -> Problem:
    """Which fields are wrong and why. What was sent is not repeated: it may be a password, or script for a page."""
    fields = []
    for each in error.errors()[:20]:
        place, *names = (str(part) for part in each["loc"])
        message = "is not valid JSON" if each["type"] == "json_invalid" else str(each["msg"])
        fields.append({"in": place, "field": one_line(".".join(names), 100), "message": one_line(message, 200)})
    first = fields[0]
    where = first["field"] if first["field"] and not first["field"].isdigit() else f"the {first['in']}"
    return Problem(422, f"{where}: {first['message']}", more={"errors": fields})


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
