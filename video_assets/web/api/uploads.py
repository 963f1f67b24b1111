"""Uploads in parts that can be resumed: initiate, presign a part, PUT it, complete; or abort.

The bytes go straight to a bucket. Only where the storage is a folder do they come through here, to a signed address of
the same shape and limits, and no more than a few hundred kilobytes of them are in memory.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timezone
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AliasChoices, Field
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect

from video_assets.accounts import rows, visibility
from video_assets.accounts.permissions import Principal, Scope, Visibility
from video_assets.clock import utc_now
from video_assets.errors import TransientError
from video_assets.intake import multipart
from video_assets.intake.upload_plan import MultipartUpload, NoSuchUpload
from video_assets.intake.uploads import NewVideo
from video_assets.search import Access
from video_assets.storage import Conflict, PartWriter
from video_assets.web.ask import Ask, Asked
from video_assets.web.guards import BODY_SECONDS, until_silent
from video_assets.web.idempotency import once
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying, described

router = APIRouter(tags=["uploads"])
PART_SECONDS = 3600
"""How long the address of a part is good for."""
BUFFER = 2**20
Number = Annotated[int, Field(ge=1, le=10_000)]
UploadId = Annotated[str, Field(max_length=64, description="As initiate gave it.")]


class CaptionsGiven(Asking):
    """Captions that come along."""

    filename: str = Field(max_length=1000, json_schema_extra=described("talk.vtt"))
    text: str = Field(max_length=5 * 2**20, json_schema_extra=described("WEBVTT\n\n00:01.000 --> 00:02.000\nHello"))


class Initiate(Asking):
    """A file to be uploaded."""

    filename: str = Field(min_length=1, max_length=4096, json_schema_extra=described("talk.mp4"))
    size_bytes: int = Field(
        ge=0,
        lt=2**50,
        validation_alias=AliasChoices("sizeBytes", "size", "fileSize", "size_bytes"),
        json_schema_extra=described(26_214_400),
    )
    content_type: str | None = Field(None, max_length=200, json_schema_extra=described("video/mp4"))
    title: str | None = Field(None, max_length=1000, json_schema_extra=described("Herons at dawn"))
    description: str | None = Field(None, max_length=20_000)
    visibility: Visibility | None = None
    captions: CaptionsGiven | None = None
    hashed: bool = Field(False, description="Each part comes with its SHA-256, which the storage checks.")


class UploadSaid(Saying):
    """An upload under way. Parts are numbered from 1; each but the last has `partSizeBytes`."""

    upload_id: str
    video_id: int
    key: str
    size_bytes: int
    part_size_bytes: int
    part_count: int
    expires_at: datetime
    completed: bool

    @classmethod
    def of(cls, upload: MultipartUpload) -> UploadSaid:
        return cls(
            upload_id=upload.upload_id,
            video_id=upload.video_id,
            key=upload.key,
            size_bytes=upload.size_bytes,
            part_size_bytes=upload.part_bytes,
            part_count=upload.part_count,
            expires_at=upload.expires_at,
            completed=upload.completed_at is not None,
        )


@router.post("/videos/upload/initiate", status_code=201, summary="Begin an upload")
def initiate_upload(ask: Asked, body: Initiate) -> UploadSaid:
    who = ask.require(Scope.UPLOAD)
    return once(ask, body, UploadSaid, lambda: _initiate(ask, who, body))


class Presign(Asking):
    """The part that is to be sent."""

    upload_id: UploadId
    part_number: Number
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Of the part, hex; where it is `hashed`.")


class PartTarget(Saying):
    """Where the part goes: a PUT of just its bytes, with these headers, by anybody who knows the address."""

    url: str
    method: str = "PUT"
    headers: dict[str, str]
    part_number: int
    size_bytes: int
    expires_at: datetime


@router.post("/videos/upload/presign", summary="Where a part is to be sent")
def presign_part(ask: Asked, body: Presign) -> PartTarget:
    upload = _own(ask, body.upload_id)
    size, until = upload.size_of(body.part_number), int(utc_now().timestamp()) + PART_SECONDS
    found = multipart.part_address(
        upload,
        body.part_number,
        size=size,
        seconds=PART_SECONDS,
        sha256=body.sha256,
        storage=ask.systems.storage,
        now=utc_now(),
    )
    if found is not None:
        url, headers = found.url, dict(found.headers)
    else:
        signature = ask.web.signer.sign(_what(upload.upload_id, body.part_number, body.sha256), until)
        hashed = f"&sha256={body.sha256}" if body.sha256 else ""
        path = f"/api/v1/videos/upload/{upload.upload_id}/parts/{body.part_number}?sig={signature}{hashed}"
        url, headers = ask.web.host(ask.request) + path, {}
    return PartTarget(
        url=url,
        headers=headers,
        part_number=body.part_number,
        size_bytes=size,
        expires_at=datetime.fromtimestamp(until, timezone.utc),
    )


class PartSaid(Saying):
    """A part that is there whole."""

    part_number: int
    size_bytes: int
    etag: str


@router.put(
    "/videos/upload/{upload_id}/parts/{part_number}",
    response_model=PartSaid,
    summary="The bytes of a part, where the storage is a folder",
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string"}}}}},
)
async def put_part(
    request: Request,
    ask: Asked,
    upload_id: Annotated[str, Path(max_length=64)],
    part_number: Annotated[int, Path(ge=1, le=10_000)],
    sig: Annotated[str, Query(max_length=200, description="As presign gave it.")],
    sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$")] = None,
) -> Response:
    if not ask.web.signer.holds(_what(upload_id, part_number, sha256), sig, utc_now().timestamp()):
        raise Problem(403, "this address is not signed, or no longer good; presign the part again")
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 16):
        raise Problem(411, "say how long the part is: Content-Length")
    upload = await anyio.to_thread.run_sync(multipart.find, ask.systems.database, upload_id)
    if upload.size_of(part_number) != int(length):
        size = upload.size_of(part_number)
        raise Problem(400, f"part {part_number} of this upload has {size:,} bytes, and {int(length):,} are coming")
    manager = multipart.open_part(
        upload, part_number, size=int(length), storage=ask.systems.storage, now=utc_now(), sha256=sha256
    )
    writer = await anyio.to_thread.run_sync(manager.__enter__)
    try:
        await _copy(request, writer)
        part = await anyio.to_thread.run_sync(writer.finish)
    finally:
        await anyio.to_thread.run_sync(manager.__exit__, None, None, None)
    said = PartSaid(part_number=part.number, size_bytes=part.bytes, etag=part.etag)
    return Response(
        said.model_dump_json(by_alias=True), media_type="application/json", headers={"ETag": f'"{part.etag}"'}
    )


class Parts(Saying):
    """The parts that are there whole."""

    upload: UploadSaid
    parts: list[PartSaid]


@router.get("/videos/upload/{upload_id}/parts", summary="Which parts are there: to go on with what is missing")
def list_parts(ask: Asked, upload_id: Annotated[str, Path(max_length=64)]) -> Parts:
    upload = _own(ask, upload_id)
    found = multipart.parts(upload, storage=ask.systems.storage)
    said = [PartSaid(part_number=part.number, size_bytes=part.bytes, etag=part.etag) for part in found]
    return Parts(upload=UploadSaid.of(upload), parts=said)


class PartNamed(Asking):
    """A part as the client knows it."""

    part_number: int = Field(ge=1, le=10_000, validation_alias=AliasChoices("partNumber", "PartNumber", "part_number"))
    etag: str = Field(max_length=200, validation_alias=AliasChoices("etag", "ETag", "eTag"))


class Complete(Asking):
    """All parts are sent."""

    upload_id: UploadId
    parts: list[PartNamed] | None = Field(None, max_length=10_000, description="Left out: whatever parts are there.")


class Completed(Saying):
    """The video that came of it."""

    video_id: int
    status: str
    key: str


@router.post("/videos/upload/complete", summary="All parts are there: make a video of them")
def complete_upload(ask: Asked, body: Complete) -> Completed:
    _own(ask, body.upload_id)
    named = [(each.part_number, each.etag.strip('"')) for each in body.parts] if body.parts is not None else None
    systems = ask.systems
    video = multipart.complete(
        body.upload_id,
        named,
        database=systems.database,
        storage=systems.storage,
        settings=systems.settings,
        now=utc_now(),
        note=lambda session, video_id: ask.note(session, "video.upload", video_id=video_id),
    )
    return Completed(video_id=video.id, status="pending", key=video.key)


class Abort(Asking):
    """The upload that ends."""

    upload_id: UploadId


@router.post("/videos/upload/abort", status_code=204, summary="End an upload; nothing of it is kept")
def abort_upload(ask: Asked, body: Abort) -> Response:
    try:
        _own(ask, body.upload_id)
    except NoSuchUpload:  # it is aborted already
        return Response(status_code=204)
    multipart.abort(body.upload_id, database=ask.systems.database, storage=ask.systems.storage)
    return Response(status_code=204)


def _initiate(ask: Ask, who: Principal, body: Initiate) -> UploadSaid:
    systems, now = ask.systems, utc_now()
    with systems.database.read() as session:
        user = rows.by_id(session, who.user_id or 0)

    def note(session: Session, video_id: int) -> None:
        ask.note(session, "video.initiate", video_id=video_id, bytes=body.size_bytes)

    new = NewVideo(
        title=body.title,
        description=body.description,
        user_id=who.user_id,
        user_name=user.name if user else None,
        visibility=body.visibility,
    )
    upload = multipart.initiate(
        new,
        filename=body.filename,
        content_type=body.content_type,
        size_bytes=body.size_bytes,
        captions=(body.captions.filename, body.captions.text.encode("utf-8", "replace")) if body.captions else None,
        hashed=body.hashed,
        database=systems.database,
        storage=systems.storage,
        settings=systems.settings,
        now=now,
        note=note,
    )
    if body.visibility is not None:
        # The upload is begun, whatever is away now. Nothing of it is in the index yet, and `reconcile` comes after.
        with suppress(TransientError, Conflict):
            systems.search.set_access(upload.video_id, Access(body.visibility.value, 1))
        with suppress(TransientError, Conflict):
            visibility.store(systems.storage, upload.video_id, body.visibility, 1)
    return UploadSaid.of(upload)


def _own(ask: Ask, upload_id: str) -> MultipartUpload:
    """The upload, if it is his, or he is an operator. To anybody else there is no such upload."""
    who = ask.require(Scope.UPLOAD)
    upload = multipart.find(ask.systems.database, upload_id)
    if upload.user_id != who.user_id and not who.has(Scope.OPERATE):
        raise NoSuchUpload("there is no such upload; begin one")
    return upload


async def _copy(request: Request, writer: PartWriter) -> None:
    """Writes the body as it comes. A client that falls silent is not waited for; a part that broke off is dropped."""
    held = bytearray()
    try:
        async for chunk in until_silent(request.stream(), BODY_SECONDS):
            held += chunk
            if len(held) >= BUFFER:
                await anyio.to_thread.run_sync(writer.write, bytes(held))
                held.clear()
    except ClientDisconnect:
        raise Problem(400, "the part broke off; send it again") from None
    if held:
        await anyio.to_thread.run_sync(writer.write, bytes(held))


def _what(upload_id: str, number: int, sha256: str | None) -> str:
    return f"part:{upload_id}:{number}:{sha256 or ''}"
