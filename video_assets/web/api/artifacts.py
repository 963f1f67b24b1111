"""What each part of a video was made from, what it cost, and whether it would be made otherwise today."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from video_assets.library import queries
from video_assets.library.known import known
from video_assets.library.staleness import stale
from video_assets.recipes import RECIPES, wanted
from video_assets.videos import Stage
from video_assets.web.api.videos import VideoId
from video_assets.web.ask import Asked
from video_assets.web.words import Saying

router = APIRouter(tags=["operating"])


class ArtifactSaid(Saying):
    """What is current of one stage."""

    stage: Stage
    state: Literal["fresh", "stale", "missing", "unknown"] = Field(
        description="unknown: the tables lack what storage knows; `video-assets reconcile` fills it in."
    )
    reasons: list[str] = Field(description="Why it is stale or missing, a line each.")
    fingerprint: str | None
    content_hash: str | None
    code_version: str | None
    inputs: dict[str, str] = Field(description="Name of each input → its content hash.")
    params: dict[str, Any]
    bytes: int | None
    cost: dict[str, Any] = Field(description="Wall and CPU seconds, tokens, US dollars, peak memory.")
    run_id: str | None
    made_at: datetime | None


class ArtifactsSaid(Saying):
    """The ledger of one video, in the order of the stages."""

    video_id: int
    items: list[ArtifactSaid]


@router.get("/videos/{video_id}/artifacts", summary="What each part was made from, and its state")
def video_artifacts(ask: Asked, video_id: VideoId) -> ArtifactsSaid:
    with ask.systems.database.read() as session:
        ask.changeable(session, video_id)  # params name servers, costs are nobody else's business
        rows = {Stage(row.artefact): row for row in queries.artifacts(session, video_id)}
        current = queries.ledger(session, [video_id])[video_id]
        facts = known(session, [video_id]).get(video_id)
        adopted = video_id in queries.adopted_ready(session, [video_id])
    items = []
    for stage in RECIPES:
        row = rows.get(stage)
        wish = wanted(stage, facts, ask.settings) if facts else None
        reasons = [each.text for each in stale(current.get(stage), wish, adopted=adopted)] if wish else []
        state: Literal["fresh", "stale", "missing", "unknown"]
        if row is None:
            state = "missing"
        elif wish is None:
            state = "unknown"
        else:
            state = "stale" if reasons else "fresh"
        items.append(
            ArtifactSaid(
                stage=stage,
                state=state,
                reasons=reasons,
                fingerprint=row.fingerprint if row else None,
                content_hash=row.content_hash if row else None,
                code_version=row.code_version if row else None,
                inputs=row.inputs if row else {},
                params=row.params if row else {},
                bytes=row.bytes if row else None,
                cost=row.cost if row else {},
                run_id=row.run_id if row else None,
                made_at=row.made_at if row else None,
            )
        )
    return ArtifactsSaid(video_id=video_id, items=items)
