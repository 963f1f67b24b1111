"""What a change of a video makes stale, stage by stage down the graph, and what making it again took the last time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from video_assets.library import queries
from video_assets.library.known import known
from video_assets.library.staleness import stale
from video_assets.recipes import RECIPES, wanted
from video_assets.settings import Settings
from video_assets.videos import Stage


@dataclass(frozen=True)
class Remake:
    """A stage that is made again. The figures are of its last making; 0 where it never was made."""

    stage: Stage
    wall_seconds: float
    cpu_seconds: float
    tokens: int
    usd: float


def of_change(session: Session, video_id: int, settings: Settings) -> list[Remake]:
    """The stages that are stale now, and those made from them. Of the latter some may come out as they were, and are
    then not made again: it is the most that follows."""
    facts = known(session, [video_id]).get(video_id)
    if facts is None:
        return []
    current = queries.ledger(session, [video_id])[video_id]
    costs = {Stage(row.artefact): row.cost for row in queries.artifacts(session, video_id)}
    found: list[Stage] = []
    for stage, recipe in RECIPES.items():
        wish = wanted(stage, facts, settings)
        if any(source in found for source in recipe.made_from) or (wish and stale(current.get(stage), wish)):
            found.append(stage)
    return [_remake(stage, costs.get(stage) or {}) for stage in found]


def _remake(stage: Stage, cost: dict[str, float]) -> Remake:
    return Remake(
        stage,
        float(cost.get("wall_seconds", 0.0)),
        float(cost.get("cpu_seconds", 0.0)),
        int(cost.get("tokens", 0)),
        float(cost.get("usd", 0.0)),
    )
