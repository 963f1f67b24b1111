"""The shell around the projection, on a real event log: everything between two ticks is applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import func, select

from video_assets.artifacts import Cost, Manifest, digest, publish
from video_assets.artifacts.pointer import make_fence
from video_assets.clock import utc_now
from video_assets.database.models import ArtifactRow, UnappliedRow, VideoRow
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.materialize import materialization_metadata
from video_assets.intake.uploads import take_in
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage

VIDEOS, MAKINGS = 50, 10
PLAIN = (Stage.UPLOADS, Stage.SEARCH_DOCUMENTS)
"""Artefacts whose manifests need no files to be told of."""


@pytest.fixture
def systems(settings: Settings) -> Systems:
    return Systems(settings)


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as opened:
        yield opened


def make_video(systems: Systems, folder: Path) -> int:
    path = folder / "any.mp4"
    path.write_bytes(b"any bytes: nothing here looks inside")
    return take_in(path, database=systems.database, storage=systems.storage, settings=systems.settings).id


def materialized(systems: Systems, video_id: int, stage: Stage, making: int = 0) -> dg.AssetMaterialization:
    """Publishes an artifact, and gives the event that a run would have logged."""
    now, run_id = utc_now(), f"{making:08d}-0000-4000-8000-000000000000"
    manifest = Manifest(
        artefact=stage,
        video_id=video_id,
        fingerprint=digest([video_id, stage.value, making]),
        content_hash="c",
        inputs={},
        code_version="1",
        params={},
        files=(),
        checks=(),
        facts={},
        cost=Cost(),
        run_id=run_id,
        fence=make_fence(now, run_id),
        made_at=now,
    )
    publish(systems.storage, manifest)
    metadata = materialization_metadata(manifest, False, {})
    return dg.AssetMaterialization(stage.value, partition=str(video_id), metadata=metadata)


@pytest.mark.timeout(300)
def test_a_thousand_materializations_between_two_ticks_are_all_applied(
    systems: Systems, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    videos = [make_video(systems, tmp_path) for _ in range(VIDEOS)]
    for making in range(MAKINGS):
        for video_id in videos:
            for stage in PLAIN:
                instance.report_runless_asset_event(materialized(systems, video_id, stage, making))

    cursor, applied = Projector(systems).advance(instance, 0)

    assert applied == len(PLAIN) * VIDEOS * MAKINGS == 1_000
    with systems.database.read() as session:
        runs = list(session.scalars(select(ArtifactRow.run_id)))
    assert len(runs) == len(PLAIN) * VIDEOS
    assert {run_id[:8] for run_id in runs} == {f"{MAKINGS - 1:08d}"}, "the newest making is not current everywhere"
    # A second reader, as after a restart, changes nothing.
    assert Projector(systems).advance(instance, cursor)[0] == cursor
    with systems.database.read() as session:
        assert session.scalar(select(func.count()).select_from(ArtifactRow)) == len(runs)


def test_events_that_are_about_no_video_are_noted_and_passed(
    systems: Systems, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    video_id = make_video(systems, tmp_path)
    instance.report_runless_asset_event(dg.AssetMaterialization("uploads"))
    instance.report_runless_asset_event(dg.AssetMaterialization("uploads", partition="no video"))
    instance.report_runless_asset_event(dg.AssetMaterialization("uploads", partition=str(video_id)))
    instance.report_runless_asset_event(materialized(systems, 999_999, Stage.UPLOADS))
    instance.report_runless_asset_event(materialized(systems, video_id, Stage.UPLOADS))

    Projector(systems).advance(instance, 0)

    with systems.database.read() as session:
        reasons = list(session.scalars(select(UnappliedRow.reason).order_by(UnappliedRow.storage_id)))
        made = list(session.scalars(select(ArtifactRow.video_id)))
        status = session.scalar(select(VideoRow.status).where(VideoRow.id == video_id))
    assert len(reasons) == 4
    assert "no partition" in reasons[0]
    assert "no video id" in reasons[1]
    assert "no manifest" in reasons[2]
    assert "999999" in reasons[3].replace(",", "")
    assert made == [video_id]
    assert status == "pending"
