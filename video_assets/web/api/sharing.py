"""Share links of a video, and its captions as they were uploaded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Query, Request, Response
from pydantic import Field

from video_assets.accounts import shares
from video_assets.clock import utc_now
from video_assets.database.models import ShareLinkRow
from video_assets.errors import PermanentError, one_line
from video_assets.library import consequences, editing
from video_assets.speech.captions import read_captions
from video_assets.storage import Conflict
from video_assets.web.api.videos import VideoId
from video_assets.web.ask import SHARE_PARAMETER, Ask, Asked
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying

router = APIRouter(tags=["videos"])
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=200)]


class LinkWanted(Asking):
    """How long a link is good for."""

    expires_in_days: int = Field(30, ge=1, le=3650)


class Link(Saying):
    """A share link. The address is told only when it is made."""

    id: int
    url: str | None
    created_at: datetime
    expires_at: datetime
    created_by: int | None

    @classmethod
    def of(cls, row: ShareLinkRow, url: str | None = None) -> Link:
        return cls(id=row.id, url=url, created_at=row.created_at, expires_at=row.expires_at, created_by=row.created_by)


class Links(Saying):
    """A video's links, newest first."""

    items: list[Link]


@router.get("/videos/{video_id}/shares", summary="Its share links")
def list_shares(ask: Asked, video_id: VideoId) -> Links:
    with ask.systems.database.read() as session:
        ask.changeable(session, video_id)
        return Links(items=[Link.of(row) for row in shares.of_video(session, video_id)])


@router.post("/videos/{video_id}/shares", status_code=201, summary="Make a share link")
def create_share(ask: Asked, video_id: VideoId, response: Response, body: LinkWanted | None = None) -> Link:
    now, wish = utc_now(), body or LinkWanted()  # type: ignore[call-arg]
    with ask.systems.database.write() as session:
        ask.changeable(session, video_id)
        row, word = shares.add(
            session,
            video_id,
            by=ask.principal.user_id,
            now=now,
            expires_at=now + timedelta(days=wish.expires_in_days),
        )
        ask.note(session, "share.create", video_id=video_id, share=row.id)
        response.headers["Cache-Control"] = "no-store"
        return Link.of(row, f"{ask.web.host(ask.request)}/videos/{video_id}?{SHARE_PARAMETER}={word}")


@router.delete("/videos/{video_id}/shares/{share_id}", status_code=204, summary="Close a share link")
def revoke_share(ask: Asked, video_id: VideoId, share_id: Annotated[int, Path(ge=1, lt=2**63)]) -> Response:
    with ask.systems.database.write() as session:
        ask.changeable(session, video_id)
        if not shares.revoke(session, video_id, share_id, now=utc_now()):
            raise Problem(404, f"the video has no share link {share_id}")
        ask.note(session, "share.revoke", video_id=video_id, share=share_id)
    return Response(status_code=204)


class Consequence(Saying):
    """What is made again because of a change, and about what it takes: what it took the last time."""

    stage: str
    wall_seconds: float
    cpu_seconds: float
    tokens: int
    usd: float


class Changed(Saying):
    """What follows from a change."""

    etag: str | None
    remakes: list[Consequence]


@router.get("/videos/{video_id}/captions", response_class=Response, summary="Its captions, as they were uploaded")
def get_captions(ask: Asked, video_id: VideoId) -> Response:
    with ask.systems.database.read() as session:
        ask.visible(session, video_id)
    found = editing.captions(ask.systems, video_id)
    if found.etag is None:
        raise Problem(404, "no captions were uploaded for it")
    headers = {"ETag": found.etag, "Cache-Control": "private, no-cache"}
    kind = "application/x-subrip" if (found.name or "").lower().endswith(".srt") else "text/vtt"
    return Response(found.data, media_type=kind, headers=headers)


@router.put("/videos/{video_id}/captions", summary="Put other captions in force")
def put_captions(
    ask: Asked,
    request: Request,
    video_id: VideoId,
    body: Annotated[bytes, Body(media_type="text/vtt", max_length=5 * 2**20)],
    if_match: IfMatch = None,
    language: Annotated[str | None, Query(max_length=35, pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")] = None,
) -> Changed:
    with ask.systems.database.read() as session:
        ask.changeable(session, video_id)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    srt = kind in ("application/x-subrip", "text/srt")
    name = f"captions{'.' + language if language else ''}.{'srt' if srt else 'vtt'}"
    try:  # the very parser that the transcript is made with: what it cannot read is refused while somebody looks
        read_captions(body, name, 1e9)
    except PermanentError as error:
        raise Problem(422, one_line(error)) from None
    try:
        etag = editing.set_captions(
            ask.systems,
            video_id,
            body,
            name,
            now=utc_now(),
            note=lambda session: ask.note(session, "captions.put", video_id=video_id),
            expected=if_match,
        )
    except Conflict:
        raise Problem(412, "somebody else changed the captions meanwhile; read them again") from None
    return Changed(etag=etag, remakes=_remakes(ask, video_id))


@router.delete("/videos/{video_id}/captions", summary="Take its captions out of force")
def delete_captions(ask: Asked, video_id: VideoId, if_match: IfMatch = None) -> Changed:
    with ask.systems.database.read() as session:
        ask.changeable(session, video_id)
    try:
        removed = editing.remove_captions(
            ask.systems,
            video_id,
            now=utc_now(),
            note=lambda session: ask.note(session, "captions.delete", video_id=video_id),
            expected=if_match,
        )
    except Conflict:
        raise Problem(412, "somebody else changed the captions meanwhile; read them again") from None
    if not removed:
        raise Problem(404, "no captions were uploaded for it")
    return Changed(etag=None, remakes=_remakes(ask, video_id))


def _remakes(ask: Ask, video_id: int) -> list[Consequence]:
    with ask.systems.database.read() as session:
        found = consequences.of_change(session, video_id, ask.settings)
    return [
        Consequence(
            stage=each.stage.value,
            wall_seconds=each.wall_seconds,
            cpu_seconds=each.cpu_seconds,
            tokens=each.tokens,
            usd=each.usd,
        )
        for each in found
    ]
