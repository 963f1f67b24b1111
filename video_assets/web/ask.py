"""A request with what routes need to answer it: who asks, and what of a video he may see or change."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from video_assets.accounts import audit, rows, shares, visibility
from video_assets.accounts.permissions import (
    ANYBODY,
    Owned,
    Principal,
    Scope,
    Sight,
    Visibility,
    may_change,
    may_see,
    sight,
)
from video_assets.clock import utc_now
from video_assets.errors import TransientError
from video_assets.web.problems import Problem

if TYPE_CHECKING:
    from video_assets.settings import Settings
    from video_assets.systems import Systems
    from video_assets.web.app import Web

COOKIE = "va_session"
SHARE_HEADER, SHARE_PARAMETER = "x-share-token", "share"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Ask:
    """Who asks is looked up on first use, in the thread of the route: not before it, in another thread."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.web: Web = request.app.state.web
        self._principal: Principal | None = None

    @property
    def systems(self) -> Systems:
        return self.web.systems

    @property
    def settings(self) -> Settings:
        return self.web.systems.settings

    @property
    def default_visibility(self) -> Visibility:
        return Visibility(self.settings.default_visibility)

    @property
    def address(self) -> str:
        """The client's address: of the connection, or as the proxy said that is trusted (uvicorn sees to that)."""
        return self.request.client.host if self.request.client else ""

    @property
    def principal(self) -> Principal:
        """Who asks. Problem 401 where a token is no good: to go on as anybody would hide that from its user. A cookie
        that is no good is passed over, as a browser cannot help sending it. Ask for it before a session has begun to
        read: it opens one."""
        if self._principal is None:  # no `cached_property`: up to Python 3.11 it locks all requests out meanwhile
            self._principal = self._look_up()
        return self._principal

    def _look_up(self) -> Principal:
        bearer = self._bearer()
        cookie = self.request.cookies.get(COOKIE)
        share = self.request.headers.get(SHARE_HEADER) or self.request.query_params.get(SHARE_PARAMETER)
        if not (bearer or cookie or share):
            return ANYBODY
        now = utc_now()
        with self.systems.database.read() as session:
            known = rows.principal_of(session, bearer or cookie or "", now=now) if bearer or cookie else None
            shared = shares.opened_by(session, share, now=now) if share else None
        if bearer and known is None:
            raise Problem(
                401,
                "the token is unknown, revoked or expired; sign in again",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        found, unnoted = known or (ANYBODY, False)
        if unnoted and found.token_id is not None:
            with suppress(TransientError), self.systems.database.write() as session:
                rows.note_use(session, found.token_id, now=now)
        is_session = bool(cookie and not bearer and found.user_id is not None)
        if is_session and self.request.method not in SAFE_METHODS:
            self._must_be_same_site()
        if shared is not None:
            found = replace(found, shared_video=shared[0], shared_until=int(shared[1].timestamp()))
        return replace(found, is_session=is_session)

    def require(self, scope: Scope) -> Principal:
        """Who asks, if he may do this kind of thing. Problem 401 where he is not signed in, 403 where he may not."""
        who = self.signed_in()
        if not who.has(scope):
            raise Problem(403, f"this takes the scope `{scope.value}`, which this token or its user's role lacks")
        return who

    def signed_in(self) -> Principal:
        """Who asks. Problem 401 where he is not signed in."""
        if self.principal.user_id is None:
            raise Problem(401, "sign in first", headers={"WWW-Authenticate": "Bearer"})
        return self.principal

    def in_person(self) -> Principal:
        """Who asks, signed in with his password. Problem 401, or 403 for an API token."""
        who = self.signed_in()
        if who.is_api:
            raise Problem(403, "an API token does not make or revoke tokens; sign in with the password")
        return who

    @property
    def sight(self) -> Sight:
        """Which videos he sees, for lists and searches."""
        return sight(self.principal)

    def visible(self, session: Session, video_id: int) -> Owned:
        """What decides about a video that he may see. Problem 404 where there is none, or where he may not know."""
        who = self.principal
        found = visibility.owned(session, video_id, self.default_visibility)
        if found is None or not may_see(who, found):
            raise Problem(404, f"there is no video {video_id}")
        return found

    def changeable(self, session: Session, video_id: int) -> Owned:
        """The same of one that he may change. Problem 404, 401 or 403 otherwise."""
        found = self.visible(session, video_id)
        if may_change(self.principal, found):
            return found
        self.signed_in()
        raise Problem(403, "only its owner and operators may do this to the video")

    def note(self, session: Session, action: str, *, video_id: int | None = None, **details: Any) -> None:
        """Notes in the audit trail that he does this."""
        audit.note(session, self.principal, action, at=utc_now(), address=self.address, video_id=video_id, **details)

    def _bearer(self) -> str | None:
        kind, _, word = self.request.headers.get("authorization", "").partition(" ")
        return word.strip() if kind.lower() == "bearer" and word.strip() else None

    def _must_be_same_site(self) -> None:
        """A browser sends the cookie along whichever site's page asks for it: so that site must be this one."""
        headers = self.request.headers
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            fine = site in ("same-origin", "none")
        else:  # browsers of before 2023, and programs that use a cookie
            fine = origin is None or origin.partition("://")[2] == headers.get("host")
        if not fine:
            raise Problem(403, "a page of another site may not do this in your name")


async def ask_of(request: Request) -> Ask:
    """The request as an `Ask`. A coroutine, although it waits for nothing: FastAPI would run it in a thread."""
    return Ask(request)


Asked = Annotated[Ask, Depends(ask_of)]


def etag_of(data: bytes) -> str:
    """An ETag of an answer."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'
