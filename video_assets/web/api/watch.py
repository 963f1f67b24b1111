"""Watching: playlists, stills, captions and chapters of a video, rendered for whoever asks; and its files."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from video_assets.accounts.permissions import Sight
from video_assets.language.names import name_of
from video_assets.library import listing
from video_assets.library.listing import Card
from video_assets.library.watching import Watchable
from video_assets.media import hls
from video_assets.speech.transcript import Transcript
from video_assets.storage import NotFound
from video_assets.text.summary import Chapter, chapters_to_vtt
from video_assets.videos import Stage
from video_assets.web import media
from video_assets.web.api.videos import VideoId, card_of
from video_assets.web.ask import Ask, Asked
from video_assets.web.media import Addresses
from video_assets.web.problems import Problem
from video_assets.web.words import Saying

router = APIRouter(tags=["watching"])
HLS, VTT = "application/vnd.apple.mpegurl", "text/vtt; charset=utf-8"
Signature = Annotated[str | None, Query(alias="sig", max_length=200, description="As `watch` gave it.")]
Share = Annotated[str | None, Query(max_length=200, description="The word of a share link.")]
TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {VTT: {}, HLS: {}}, "description": "Text."}}


class Rendition(Saying):
    """A rung as one file."""

    quality: str = Field(examples=["720p"])
    width: int
    height: int
    bytes: int
    type: str
    url: str


class Original(Saying):
    """The upload itself, which browsers play as it is."""

    type: str
    url: str


class Track(Saying):
    """Captions in one language."""

    language: str | None
    label: str
    url: str


class Storyboard(Saying):
    """Small pictures for a player's time line."""

    vtt: str
    image: str


class Watching(Saying):
    """All that a player needs. Addresses are good until `expiresAt`."""

    video_id: int
    title: str
    status: str
    duration_seconds: float | None
    hls: str | None = Field(description="The master playlist; null before `variants` is made.")
    files: list[Rendition]
    original: Original | None
    poster: str | None
    storyboard: Storyboard | None
    captions: list[Track]
    chapters: str | None
    expires_at: datetime


@router.get("/videos/{video_id}/watch", summary="All that a player needs")
def watch(ask: Asked, video_id: VideoId, share: Share = None) -> Watching:
    card = card_of(ask, video_id)
    found, addresses = _watchable(ask, video_id), Addresses.of(ask, card)
    if not found.rungs and found.original is None:
        raise Problem(409, _not_yet(card), headers={"Retry-After": "5"}, more={"status_of_video": card.status})
    poster, sprite = (found.file(Stage.VARIANTS, name) for name in ("poster.jpg", "storyboard.jpg"))
    original = found.original
    return Watching(
        video_id=video_id,
        title=card.title,
        status=card.status,
        duration_seconds=found.duration,
        hls=addresses.page("hls/master.m3u8") if found.rungs else None,
        files=_renditions(found, addresses),
        original=Original(type=original.content_type, url=addresses.file(original)) if original else None,
        poster=addresses.file(poster) if poster else None,
        storyboard=Storyboard(vtt=addresses.page("storyboard.vtt"), image=addresses.file(sprite)) if sprite else None,
        captions=_tracks(found, addresses),
        chapters=addresses.page("chapters.vtt") if _chapters(found) else None,
        expires_at=datetime.fromtimestamp(addresses.until, timezone.utc),
    )


@router.get("/videos/{video_id}/hls/master.m3u8", responses=TEXT, response_class=Response, summary="Master playlist")
def master_playlist(ask: Asked, video_id: VideoId, sig: Signature = None, share: Share = None) -> Response:
    found, addresses = _may_watch(ask, video_id)
    if not found.rungs:
        raise Problem(404, "its rungs are not made yet")
    return _text(hls.master(found.rungs, lambda name: addresses.page(f"hls/{name}.m3u8")), HLS)


@router.get(
    "/videos/{video_id}/hls/{rung}.m3u8", responses=TEXT, response_class=Response, summary="Media playlist of one rung"
)
def media_playlist(
    ask: Asked,
    video_id: VideoId,
    rung: Annotated[str, Path(pattern="^[a-z0-9]{1,12}$", examples=["720p"])],
    sig: Signature = None,
    share: Share = None,
) -> Response:
    found, addresses = _may_watch(ask, video_id)
    listed, file = (found.file(Stage.VARIANTS, f"{rung}.{ending}") for ending in ("m3u8", "mp4"))
    if listed is None or file is None:
        raise Problem(404, f"there is no rung {rung}")
    playlist = hls.read(_stored(ask, listed.key).decode())
    return _text(hls.write(playlist, addresses.file(file)), HLS)


@router.get("/videos/{video_id}/storyboard.vtt", responses=TEXT, response_class=Response, summary="Tiles by time")
def storyboard(ask: Asked, video_id: VideoId, sig: Signature = None, share: Share = None) -> Response:
    found, addresses = _may_watch(ask, video_id)
    cues, sprite = (found.file(Stage.VARIANTS, name) for name in ("storyboard.vtt", "storyboard.jpg"))
    if cues is None or sprite is None:
        raise Problem(404, "it has no storyboard")
    address = addresses.file(sprite)
    return _text(_stored(ask, cues.key).decode().replace("storyboard.jpg#", f"{address}#"), VTT)


@router.get(
    "/videos/{video_id}/captions/{language}.vtt", responses=TEXT, response_class=Response, summary="Captions as WebVTT"
)
def captions_vtt(
    ask: Asked,
    video_id: VideoId,
    language: Annotated[str, Path(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", examples=["en"])],
    sig: Signature = None,
    share: Share = None,
) -> Response:
    found, _ = _may_watch(ask, video_id)
    file = found.file(Stage.TRANSCRIPTS, "transcript.vtt")
    if file is None or language != _language(found):
        raise Problem(404, f"it has no captions in {language}")
    return _text(_stored(ask, file.key).decode(), VTT)


@router.get("/videos/{video_id}/chapters.vtt", responses=TEXT, response_class=Response, summary="Chapters as WebVTT")
def chapters_vtt(ask: Asked, video_id: VideoId, sig: Signature = None, share: Share = None) -> Response:
    found, _ = _may_watch(ask, video_id)
    return _text(chapters_to_vtt(tuple(_chapters(found))), VTT)


@router.get("/videos/{video_id}/media/{content}/{name}", response_class=Response, summary="A file, by ranges")
def media_file(
    ask: Asked,
    video_id: VideoId,
    content: Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="Of its SHA-256.")],
    name: Annotated[str, Path(max_length=200, examples=["720p.mp4"])],
    sig: Signature = None,
    share: Share = None,
) -> Response:
    media.may_watch(ask, video_id)
    return media.send(ask, media.file_of(_watchable(ask, video_id), content, name))


@router.get("/videos/{video_id}/download", response_class=Response, summary="A file to keep")
def download(
    ask: Asked,
    video_id: VideoId,
    quality: Annotated[str, Query(pattern="^[a-z0-9]{1,12}$", description="A rung, or `original`.")] = "original",
    share: Share = None,
) -> Response:
    card = card_of(ask, video_id)
    found = _watchable(ask, video_id)
    file = found.source if quality == "original" else found.file(Stage.VARIANTS, f"{quality}.mp4")
    if file is None:
        raise Problem(404, f"there is no {quality} to download")
    return media.send(ask, file, name=file_name(card.title, file.key))


class Segment(Saying):
    """Something that is said. Times in seconds."""

    start: float
    end: float
    text: str


class TranscriptSaid(Saying):
    """What is said in a video."""

    video_id: int
    language: str | None
    source: str = Field(description="captions, embedded captions, whisper, openai or none")
    duration_seconds: float
    segments: list[Segment]


@router.get("/videos/{video_id}/transcript", summary="What is said, and when")
def transcript(ask: Asked, video_id: VideoId, share: Share = None) -> TranscriptSaid:
    found = _of_visible(ask, video_id)
    file = found.file(Stage.TRANSCRIPTS, "transcript.json")
    if file is None:
        raise Problem(404, "it has no transcript yet")
    said = Transcript.model_validate_json(_stored(ask, file.key))
    return TranscriptSaid(
        video_id=video_id,
        language=said.language,
        source=said.source,
        duration_seconds=said.duration_seconds,
        segments=[Segment(start=each.start, end=each.end, text=each.text) for each in said.segments],
    )


class ChapterSaid(Saying):
    """A part of the video about one subject. Times in seconds."""

    start: float
    end: float
    title: str


class SummarySaid(Saying):
    """What a video is about."""

    video_id: int
    text: str
    chapters: list[ChapterSaid]
    tags: list[str]
    quality_score: float | None
    model_info: dict[str, Any]


@router.get("/videos/{video_id}/summary", summary="What it is about")
def summary(ask: Asked, video_id: VideoId, share: Share = None) -> SummarySaid:
    found = _of_visible(ask, video_id)
    manifest = found.made.get(Stage.SUMMARIES)
    if manifest is None:
        raise Problem(404, "it has no summary yet")
    facts = manifest.facts
    return SummarySaid(
        video_id=video_id,
        text=facts.get("text", ""),
        chapters=[ChapterSaid(start=each.start, end=each.end, title=each.title) for each in _chapters(found)],
        tags=list(facts.get("tags", ())),
        quality_score=facts.get("quality_score"),
        model_info=facts.get("model_info", {}),
    )


def _may_watch(ask: Ask, video_id: int) -> tuple[Watchable, Addresses]:
    media.may_watch(ask, video_id)
    with ask.systems.database.read() as session:
        cards = listing.cards(session, [video_id], Sight(everything=True), ask.default_visibility)
    if not cards:
        raise Problem(404, f"there is no video {video_id}")
    return _watchable(ask, video_id), Addresses.of(ask, cards[0])


def _of_visible(ask: Ask, video_id: int) -> Watchable:
    with ask.systems.database.read() as session:
        ask.visible(session, video_id)
    return _watchable(ask, video_id)


def _watchable(ask: Ask, video_id: int) -> Watchable:
    return ask.web.manifests.of(ask.systems.database, video_id)


def _renditions(found: Watchable, addresses: Addresses) -> list[Rendition]:
    files = ((rung, found.file(Stage.VARIANTS, f"{rung['name']}.mp4")) for rung in found.rungs)
    return [
        Rendition(
            quality=rung["name"],
            width=rung["width"],
            height=rung["height"],
            bytes=file.bytes,
            type=file.content_type,
            url=addresses.file(file),
        )
        for rung, file in files
        if file
    ]


def _tracks(found: Watchable, addresses: Addresses) -> list[Track]:
    manifest = found.made.get(Stage.TRANSCRIPTS)
    if manifest is None or not manifest.facts.get("segments"):
        return []
    language = _language(found)
    label = name_of(language) or language
    return [Track(language=language, label=label, url=addresses.page(f"captions/{language}.vtt"))]


def _language(found: Watchable) -> str:
    """Of the transcript; `und`, as BCP 47 has it, where it is not known."""
    manifest = found.made.get(Stage.TRANSCRIPTS)
    return str(manifest.facts.get("language") or "und") if manifest else "und"


def _chapters(found: Watchable) -> list[Chapter]:
    manifest = found.made.get(Stage.SUMMARIES)
    return [Chapter.model_validate(each) for each in manifest.facts.get("chapters", ())] if manifest else []


def _stored(ask: Ask, key: str) -> bytes:
    try:
        return ask.systems.storage.get_bytes(key)
    except NotFound:
        raise Problem(404, "this file is lost; `video-assets reconcile --thorough` makes it again") from None


def _text(text: str, media_type: str) -> Response:
    # A playlist carries addresses that expire, so nobody keeps it.
    return Response(text, media_type=media_type, headers={"Cache-Control": "private, no-store"})


def _not_yet(card: Card) -> str:
    if card.status == "failed":
        return f"there is nothing to watch: {card.status_message}"
    return f"there is nothing to watch yet: the video is {card.status}"


def file_name(title: str, key: str) -> str:
    """A title as a file's name: no folders, nothing that a file system or a shell minds, not too long."""
    kind = unicodedata.category
    plain = "".join(c if kind(c)[0] not in "C" and c not in '/\\:*?"<>|%' else " " for c in title)
    stem = " ".join(plain.split()).strip(". ")[:120] or "video"
    ending = re.search(r"\.[a-z0-9]{1,5}$", key)
    return stem + (ending[0] if ending else "")
