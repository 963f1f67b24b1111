"""`Idempotency-Key`: a request that creates something, sent again because its answer was lost, creates nothing more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from video_assets.clock import utc_now
from video_assets.database.models import IdempotencyRow
from video_assets.web.ask import Ask
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying

HEADER = "idempotency-key"
LIFE = timedelta(hours=24)
UNDER_WAY = timedelta(minutes=2)
"""A first request that takes longer has died."""
S = TypeVar("S", bound=Saying)


def once(ask: Ask, body: Asking, kind: type[S], do: Callable[[], S]) -> S:
    """What `do` gives; or what it gave when the request came first. Problem 422 where the key was used for another
    request, 409 where the first one is still being answered."""
    key = ask.request.headers.get(HEADER)
    if not key:
        return do()
    if len(key) > 255 or not key.isprintable():
        raise Problem(400, "an Idempotency-Key has 1 to 255 printable characters")
    owner, database, now = ask.principal.owner, ask.systems.database, utc_now()
    request = _digest(ask, body)
    try:
        with database.write() as session:
            session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < now - LIFE))
            dead = IdempotencyRow.status.is_(None) & (IdempotencyRow.created_at < now - UNDER_WAY)
            session.execute(
                delete(IdempotencyRow).where(IdempotencyRow.owner == owner, IdempotencyRow.key == key, dead)
            )
            found = session.get(IdempotencyRow, (owner, key))
            if found is None:
                session.add(IdempotencyRow(owner=owner, key=key, request=request, created_at=now))
            elif found.request != request:
                raise Problem(422, "this Idempotency-Key was used for another request; take a new one")
            elif found.body is None:
                raise Problem(409, "the first request with this Idempotency-Key is still being answered")
            else:
                return kind.model_validate(found.body)
    except IntegrityError:  # both came at once
        raise Problem(409, "the first request with this Idempotency-Key is still being answered") from None
    try:
        answer = do()
    except BaseException:
        with database.write() as session:  # it created nothing, so it may be tried again
            session.execute(delete(IdempotencyRow).where(IdempotencyRow.owner == owner, IdempotencyRow.key == key))
        raise
    with database.write() as session:
        row = session.scalar(select(IdempotencyRow).where(IdempotencyRow.owner == owner, IdempotencyRow.key == key))
        if row is not None:
            row.status, row.body = 201, answer.model_dump(mode="json", by_alias=True)
    return answer


def _digest(ask: Ask, body: Asking) -> str:
    said = f"{ask.request.method} {ask.request.url.path}\n{body.model_dump_json()}"
    return hashlib.sha256(said.encode()).hexdigest()
