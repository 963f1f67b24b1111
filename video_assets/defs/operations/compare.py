"""Compares rows and files with manifests and the event log; rebuilds the tables from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from video_assets.defs.event_log.projector import Projector
from video_assets.intake.identity import put_together
from video_assets.library import queries, rebuild
from video_assets.library.rebuild import Rebuilt
from video_assets.library.rebuild_index import noted_access
from video_assets.library.survey import Seen
from video_assets.projection.failure_record import mirror_failures
from video_assets.systems import Systems
from video_assets.videos import Stage


@dataclass(frozen=True)
class Compared:
    """The result of a comparison."""

    repaired: list[str]
    """A line about each repair."""
    trouble: list[str]
    """A line about each problem that somebody has to solve, with what to do."""


def compare(systems: Systems, instance: dg.DagsterInstance, projector: Projector, *, hashes: bool = False) -> Compared:
    """Compares all rows and files with the manifests and the event log. Applies events that were missed, and repairs
    what can be derived from other objects. `hashes`: also reads every byte of every file."""
    with systems.database.read() as session:
        before = queries.ledger_versions(session)
    ledger: dict[int, list[Stage]] = {}
    for video_id, stage in before:
        ledger.setdefault(video_id, []).append(Stage(stage))
    projector.replay(instance)
    repaired: list[str] = []
    trouble = list(rebuild.strange_folders(systems.storage))
    with systems.database.read() as session:
        video_ids = queries.all_ids(session)
        ours = queries.stored_by_us(session)
    for video_id in sorted({*rebuild.stored_ids(systems.storage), *ours}):
        seen = rebuild.reapply(
            video_id,
            database=systems.database,
            storage=systems.storage,
            settings=systems.settings,
            hashes=hashes,
        )
        repaired += seen.mended
        trouble += seen.trouble
        trouble += _vanished(seen, ledger.get(video_id, ()))
        if seen.deleted_at is None and not _is_known(systems, video_id):
            trouble.append(
                f"video {video_id}: the tables do not know it; `video-assets rebuild --database` restores it"
            )
    lines, unsolved = _access(systems)
    repaired += lines
    trouble += unsolved
    mirror_failures(systems.storage, systems.database, video_ids)
    with systems.database.read() as session:
        after = queries.ledger_versions(session)
    changed = sorted(key for key in after if after[key] != before.get(key))
    behind = [f"video {video_id}: {stage} was behind" for video_id, stage in changed]
    return Compared(repaired + behind, trouble)


def _vanished(seen: Seen, ledger: Sequence[Stage]) -> Iterator[str]:
    """A line about each artifact that is in the ledger and not in storage, unless there is a line about it already."""
    if seen.record is None or seen.deleted_at is not None:
        return
    for stage in ledger:
        begins = f"video {seen.video_id}, {stage.value}: "
        if stage not in seen.made and not any(line.startswith(begins) for line in seen.trouble):
            yield f"{begins}nothing is current any more; `video-assets process --video {seen.video_id}` makes it again"


def _access(systems: Systems) -> tuple[list[str], list[str]]:
    """Sets who may see a video where the search index has something else than the tables. A line about each repair, and
    one about each video that cannot be set, since the index has a change as late or later."""
    repaired, trouble = list[str](), list[str]()
    for video_id, access in noted_access(systems).items():
        if systems.search.read_access(video_id) == access:
            continue
        systems.search.set_access(video_id, access)
        held = systems.search.read_access(video_id)
        if held == access:
            repaired.append(f"video {video_id}: the search index did not know that it is {access.visibility}")
        elif held is not None:
            trouble.append(
                f"video {video_id}: it is {access.visibility} by the tables, and {held.visibility} by the search "
                "index, whose change is as late or later; remove the index and run `video-assets rebuild --index`"
            )
    return repaired, trouble


def _is_known(systems: Systems, video_id: int) -> bool:
    with systems.database.read() as session:
        return queries.video(session, video_id) is not None


def rebuild_database(systems: Systems, instance: dg.DagsterInstance) -> Rebuilt:
    """Rebuilds the tables: each video by itself from storage, then the attempts from the event log. Publishes nothing,
    because the messages were sent when the artifacts were made."""
    found = Rebuilt(trouble=list(rebuild.strange_folders(systems.storage)))
    for video_id in rebuild.stored_ids(systems.storage):
        seen = rebuild.restore(
            video_id,
            database=systems.database,
            storage=systems.storage,
            settings=systems.settings,
        )
        if seen is not None:
            found.videos += seen.record is not None
            found.mended += seen.mended
            found.trouble += seen.trouble
    Projector(systems, announce=False).replay(instance)
    put_together(systems.database, systems.storage)
    return found
