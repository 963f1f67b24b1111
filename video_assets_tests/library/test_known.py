"""What would be made of a video is told from rows alone, and just as a run says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, select, text, update

from video_assets.artifacts.captions import captions_key
from video_assets.artifacts.upload import upload_key
from video_assets.clock import utc_now
from video_assets.database.models import ArtifactRow, UploadRecordRow
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.operations.reconcile import reconcile_thoroughly
from video_assets.library import deletion_rows
from video_assets.library.known import known
from video_assets.library.recorded import note_record, record_missing
from video_assets.projection import store
from video_assets.recipes import Wanted, wanted
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.defs.studio import CAPTIONS, Studio

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("known")
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder="240", heartbeat_seconds=0.5)
    with open_instance(settings) as instance:
        yield Studio(settings, instance, folder)


@pytest.fixture(scope="module")
def ready(studio: Studio) -> int:
    """A video that has gone all the way round, with captions and a description."""
    captions = studio.folder / "captions.vtt"
    captions.write_text(CAPTIONS)
    video_id = studio.video(captions=captions, title="Herons", description="Two of them")
    studio.run(video_id)
    assert studio.status(video_id) == ("ready", None)
    return video_id


def told(systems: Systems, settings: Settings, video_id: int) -> dict[Stage, Wanted]:
    """What rows say would be made now, by stage; nothing where they do not know enough."""
    with systems.database.read() as session:
        rows = known(session, [video_id])
    if video_id not in rows:
        return {}
    found = {stage: wanted(stage, rows[video_id], settings) for stage in Stage}
    return {stage: each for stage, each in found.items() if each}


def fingerprints(of: dict[Stage, Wanted]) -> dict[str, str]:
    return {stage.value: each.fingerprint for stage, each in of.items()}


def ledger(systems: Systems, video_id: int) -> dict[str, str]:
    query = select(ArtifactRow.artefact, ArtifactRow.fingerprint).where(ArtifactRow.video_id == video_id)
    with systems.database.read() as session:
        return {artefact: fingerprint for artefact, fingerprint in session.execute(query)}


def test_rows_and_the_run_agree_on_what_is_made_of_what(studio: Studio, ready: int) -> None:
    assert fingerprints(told(studio.systems, studio.settings, ready)) == ledger(studio.systems, ready)
    assert len(ledger(studio.systems, ready)) == len(Stage)


def test_other_settings_ask_for_other_artifacts(studio: Studio, ready: int) -> None:
    wider = studio.settings.model_copy(update={"ladder": "240,144"})
    now, before = told(studio.systems, wider, ready), ledger(studio.systems, ready)
    assert {stage.value for stage in now if now[stage].fingerprint != before[stage.value]} == {"variants"}


def test_nothing_is_wanted_of_what_was_never_made(studio: Studio) -> None:
    video_id = studio.video()
    assert set(told(studio.systems, studio.settings, video_id)) == {Stage.UPLOADS}


def test_rows_of_an_earlier_release_learn_it_from_storage_once(studio: Studio, ready: int) -> None:
    before = told(studio.systems, studio.settings, ready)
    with studio.systems.database.write() as session:
        session.execute(delete(UploadRecordRow))
        session.execute(update(ArtifactRow).values(facts=None))
    assert told(studio.systems, studio.settings, ready) == {}
    lines = record_missing(studio.systems.database, studio.systems.storage)
    assert [line.partition(" of ")[0] for line in lines] == ["upload records", "facts"]
    assert told(studio.systems, studio.settings, ready) == before
    assert record_missing(studio.systems.database, studio.systems.storage) == []


def test_what_storage_cannot_tell_is_unknown_and_asked_for_once(studio: Studio, ready: int) -> None:
    storage, database = studio.systems.storage, studio.systems.database
    before, record = told(studio.systems, studio.settings, ready), storage.get_bytes(upload_key(ready))
    with database.write() as session:
        session.execute(delete(UploadRecordRow).where(UploadRecordRow.video_id == ready))
    storage.put_bytes(upload_key(ready), b"garbage")
    assert len(record_missing(database, storage)) == 1
    assert told(studio.systems, studio.settings, ready) == {}
    assert record_missing(database, storage) == []
    storage.put_bytes(upload_key(ready), record)
    reconcile_thoroughly(studio.systems, studio.instance)
    assert told(studio.systems, studio.settings, ready) == before


def test_a_thorough_look_finds_captions_that_were_replaced_in_storage(studio: Studio, ready: int) -> None:
    storage = studio.systems.storage
    before, kept = told(studio.systems, studio.settings, ready), storage.get_bytes(captions_key(ready))
    storage.delete(captions_key(ready))
    storage.delete_prefix(captions_key(ready).rpartition("/")[0] + "/")
    reconcile_thoroughly(studio.systems, studio.instance)
    now = told(studio.systems, studio.settings, ready)
    assert {stage for stage in now if now[stage] != before[stage]} == {Stage.TRANSCRIPTS}
    assert b"sha256" in kept


def test_what_was_known_stays_while_storage_cannot_tell(studio: Studio, ready: int) -> None:
    storage, database = studio.systems.storage, studio.systems.database
    before, record = told(studio.systems, studio.settings, ready), storage.get_bytes(upload_key(ready))
    storage.put_bytes(upload_key(ready), b"garbage")
    note_record(database, storage, ready)
    assert told(studio.systems, studio.settings, ready) == before
    storage.put_bytes(upload_key(ready), record)


def test_a_video_that_was_deleted_meanwhile_is_passed_over(studio: Studio) -> None:
    note_record(studio.systems.database, studio.systems.storage, 999)
    video_id = studio.video()
    with studio.systems.database.write() as session:
        deletion_rows.delete_video(session, video_id, utc_now())
    note_record(studio.systems.database, studio.systems.storage, video_id)
    with studio.systems.database.read() as session:
        assert session.get(UploadRecordRow, video_id) is None


def test_rows_that_lack_nothing_are_not_read_to_find_those_that_do(studio: Studio, ready: int) -> None:
    """In a large library the ledger has hundreds of thousands of rows, and this is asked in every round."""
    with studio.systems.database.read() as session:
        asked = str(store.without_facts_query(10).compile(compile_kwargs={"literal_binds": True}))
        plan = session.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
    assert "ix_artifacts_without_facts" in str(plan)
