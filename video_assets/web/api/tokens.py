"""API tokens: of oneself, with scopes; and the audit trail, for admins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from video_assets.accounts import audit, rows
from video_assets.accounts.permissions import Scope
from video_assets.clock import utc_now
from video_assets.database.models import TokenRow
from video_assets.web.ask import Asked
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying, before, cursor_of, described

router = APIRouter(tags=["tokens"])


class Token(Saying):
    """A token, without the word itself."""

    id: int
    kind: str
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def of(cls, row: TokenRow) -> Token:
        return cls(
            id=row.id,
            kind=row.kind,
            name=row.name,
            scopes=row.scopes,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
        )


class Tokens(Saying):
    """One's own tokens and sessions."""

    items: list[Token]


class TokenWanted(Asking):
    """A new API token."""

    name: str = Field(min_length=1, max_length=100, json_schema_extra=described("backup script"))
    scopes: list[Scope] = Field(min_length=1, max_length=4, json_schema_extra=described(["read", "upload"]))
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="None: until it is revoked.")


class NewToken(Saying):
    """The new token. The word is told only now."""

    token: str
    about: Token


@router.get("/tokens", summary="One's own tokens and sessions")
def list_tokens(ask: Asked) -> Tokens:
    who = ask.require(Scope.READ)
    with ask.systems.database.read() as session:
        return Tokens(items=[Token.of(row) for row in rows.tokens(session, who.user_id or 0)])


@router.post("/tokens", status_code=201, summary="Make an API token")
def create_token(ask: Asked, body: TokenWanted, response: Response) -> NewToken:
    who, now = ask.in_person(), utc_now()
    beyond = {scope.value for scope in body.scopes} - {scope.value for scope in who.scopes}
    if beyond:  # a token must not make itself a stronger one
        raise Problem(403, f"you cannot give a scope that you lack: {', '.join(sorted(beyond))}")
    with ask.systems.database.write() as session:
        row, word = rows.add_token(
            session,
            who.user_id or 0,
            kind="api",
            name=body.name,
            scopes=body.scopes,
            now=now,
            expires_at=now + timedelta(days=body.expires_in_days) if body.expires_in_days else None,
        )
        ask.note(session, "token.create", token=row.id, scopes=row.scopes)
        made = NewToken(token=word, about=Token.of(row))
    response.headers["Cache-Control"] = "no-store"
    return made


@router.delete("/tokens/{token_id}", status_code=204, summary="Revoke one of one's own tokens")
def revoke_token(ask: Asked, token_id: Annotated[int, Path(ge=1, lt=2**63)]) -> Response:
    who = ask.in_person()
    with ask.systems.database.write() as session:
        if not rows.revoke_token(session, token_id, now=utc_now(), user_id=who.user_id):
            raise Problem(404, f"you have no token {token_id}")
        ask.note(session, "token.revoke", token=token_id)
    return Response(status_code=204)


class Entry(Saying):
    """Something that somebody changed."""

    id: int
    at: datetime
    user_id: int | None
    token_id: int | None
    action: str
    video_id: int | None
    details: dict[str, Any]
    address: str


class Trail(Saying):
    """A page of the audit trail, newest first."""

    items: list[Entry]
    next_cursor: str | None


@router.get("/audit", summary="Who changed what, for admins")
def audit_trail(
    ask: Asked,
    video_id: Annotated[int | None, Query(alias="videoId", ge=1, lt=2**31)] = None,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Trail:
    ask.require(Scope.ADMIN)
    with ask.systems.database.read() as session:
        found = audit.newest(session, before=before(cursor), video_id=video_id, limit=limit + 1)
        items = [
            Entry(
                id=row.id,
                at=row.at,
                user_id=row.user_id,
                token_id=row.token_id,
                action=row.action,
                video_id=row.video_id,
                details=row.details,
                address=row.address,
            )
            for row in found[:limit]
        ]
    return Trail(items=items, next_cursor=cursor_of(items[-1].id if len(found) > limit else None))
