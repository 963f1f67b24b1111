"""The graph on a real clip, run in this process: reuse, parts, side inputs, re-makes, rebuilding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import inspect, select

from video_assets.clock import utc_now
from video_assets.database.models import AccessRow, ArtifactRow, AttemptRow, Base, SummaryRow, VideoRow
from video_assets.defs.bulk_remake import OP, REMAKE_LIGHT
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.operations.compare import rebuild_database
from video_assets.defs.operations.delete import delete_video
from video_assets.defs.operations.reconcile import reconcile_thoroughly
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.library.rebuild import Rebuilt
from video_assets.library.rebuild_index import rebuild_index
from video_assets.search import Access, Filters, Viewer
from video_assets.settings import Settings
from video_assets.storage.local import LocalStorage
from video_assets.videos import Stage
from video_assets_tests.defs.studio import CAPTIONS, REBUILT, Studio
from video_assets_tests.media.honest import with_chapters

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder="360,240", heartbeat_seconds=0.5)
    with open_instance(settings) as instance:
        yield Studio(settings, instance, folder)


@pytest.fixture(scope="module")
def ready(studio: Studio) -> int:
    """A video that has gone all the way round."""
    video_id = studio.video()
    studio.run(video_id)
    assert studio.status(video_id) == ("ready", None)
    return video_id


def test_a_second_run_finds_everything_fresh_and_makes_nothing(studio: Studio, ready: int) -> None:
    before = studio.made(ready)
    studio.run(ready)
    assert studio.made(ready) == before
    assert set(before) == set(Stage)


def test_a_forced_run_makes_everything_anew_with_the_same_content(studio: Studio, ready: int) -> None:
    before = studio.made(ready)
    studio.run(ready, force=True)
    after = studio.made(ready)
    assert all(after[stage].run_id != before[stage].run_id for stage in Stage)
    # The same bytes come out again, so nothing downstream would have been stale.
    assert {s: after[s].content_hash for s in after if s is not Stage.SEARCH_DOCUMENTS} == {
        s: before[s].content_hash for s in before if s is not Stage.SEARCH_DOCUMENTS
    }


def test_a_rung_added_to_the_ladder_is_all_that_is_made(studio: Studio) -> None:
    video_id = studio.video()
    studio.run(video_id)
    before = studio.made(video_id)

    wider = studio.with_settings(ladder="360,240,144")
    wider.run(video_id)

    after = studio.made(video_id)
    old = {file.name: file for file in before[Stage.VARIANTS].files}
    new = {file.name: file for file in after[Stage.VARIANTS].files}
    assert set(new) - set(old) == {"144p.mp4", "144p.m3u8"}
    assert all(new[name] == old[name] for name in old), "a rung that had not changed was made again"
    assert all(after[stage] == before[stage] for stage in Stage if stage is not Stage.VARIANTS)
    with studio.systems.database.read() as session:
        assert session.get_one(VideoRow, video_id).status == "ready"


def test_the_chapters_that_a_file_brings_along_are_the_ones_shown(studio: Studio, tmp_path: Path) -> None:
    video_id = studio.upload(with_chapters("talk.mp4")(tmp_path))
    studio.correct_captions(video_id, CAPTIONS.encode(), "talk.vtt")
    studio.run(video_id)
    with studio.systems.database.read() as session:
        row = session.scalars(select(SummaryRow).where(SummaryRow.video_id == video_id)).one()
    assert [(each["start"], each["end"], each["title"]) for each in row.model_info["chapters"]] == [
        (0.0, 1.5, "The harbour"),
        (1.5, 4.0, "Bread; = # \\"),
    ]
    # They are found by their titles too.
    assert video_id in [found.video_id for found in studio.systems.search.videos("bread")]


def test_corrected_captions_remake_the_words_and_no_video_byte(studio: Studio) -> None:
    video_id = studio.video()
    studio.run(video_id)
    before = studio.made(video_id)

    studio.correct_captions(video_id, CAPTIONS.replace("herons", "puffins").encode(), "corrected.vtt")
    studio.run(video_id)

    after = studio.made(video_id)
    assert after[Stage.UPLOADS] == before[Stage.UPLOADS]
    assert after[Stage.VARIANTS] == before[Stage.VARIANTS]
    assert after[Stage.TRANSCRIPTS].facts["source"] == "captions"
    assert video_id in {hit.video_id for hit in studio.systems.search.search("puffins")}


def test_a_bulk_remake_does_each_video_by_itself(studio: Studio) -> None:
    good, bad = studio.video(), studio.video()
    for video_id in (good, bad):
        studio.run(video_id)
    studio.correct_captions(good, CAPTIONS.replace("herons", "gulls").encode(), "good.vtt")
    studio.correct_captions(bad, b"no captions in here", "bad.vtt")
    before = studio.made(bad)

    result = studio.job(REMAKE_LIGHT, {"ops": {OP: {"config": {"video_ids": [bad, good, 999_999]}}}})

    assert not result.success
    assert {hit.video_id for hit in studio.systems.search.search("gulls")} == {good}
    assert studio.made(bad) == before, "what was published of the bad video is still current"
    assert studio.status(good) == studio.status(bad) == ("ready", None)
    with studio.systems.database.read() as session:
        rows = session.scalars(select(AttemptRow).where(AttemptRow.run_id == result.run_id))
        assert {row.video_id: row.state for row in rows} == {good: "succeeded", bad: "failed"}


def test_a_bad_file_fails_with_one_line_and_leaves_nothing_current(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "letter.mp4"
    path.write_bytes(b"Dear sir or madam, " * 1000)
    systems = studio.systems
    video_id = take_in(
        path,
        NewVideo(claimed_by="test"),
        database=systems.database,
        storage=systems.storage,
        settings=studio.settings,
    ).id
    studio.run(video_id)

    status, message = studio.status(video_id)
    assert status == "failed"
    assert message is not None
    assert message.startswith("uploads: ")
    assert "\n" not in message
    assert studio.made(video_id) == {}
    assert systems.storage.stat(f"videos/{video_id}/failure.json") is not None


def test_the_tables_are_rebuilt_from_storage_column_for_column(studio: Studio, ready: int) -> None:
    gone = studio.video()
    assert delete_video(studio.systems, studio.instance, gone)
    before = studio.tables()
    assert len(before["videos"]) > 2
    assert any(row[6] == "failed" or "failed" in row for row in before["videos"])

    database = studio.systems.database
    with database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    assert studio.tables()["videos"] == []
    rebuilt = rebuild_database(studio.systems, studio.instance)

    assert (rebuilt.mended, rebuilt.trouble) == ([], [])
    after = studio.tables()
    for name in REBUILT:
        if name == "deleted_videos":  # a title is not kept of what was deleted
            assert [row[0] for row in after[name]] == [row[0] for row in before[name]]
        else:
            assert after[name] == before[name], name
    assert studio.video() > gone, "the id of a deleted video was given again"
    assert "artifacts" in inspect(database.engine).get_table_names()


def test_the_index_is_rebuilt_from_the_documents_in_storage(studio: Studio, ready: int) -> None:
    search = studio.systems.search
    with studio.systems.database.read() as session:
        indexed = select(ArtifactRow.video_id).where(ArtifactRow.artefact == Stage.SEARCH_DOCUMENTS.value)
        ids = list(session.scalars(indexed))
    before = {video_id: search.read(video_id) for video_id in ids}
    hits = search.search("herons")
    search.rebuild([])
    assert search.count() == 0

    assert rebuild_index(studio.systems) == Rebuilt(videos=len(ids))

    assert {video_id: search.read(video_id) for video_id in ids} == before
    assert [(hit.video_id, hit.start, hit.snippet) for hit in search.search("herons")] == [
        (hit.video_id, hit.start, hit.snippet) for hit in hits
    ]


def test_who_may_see_a_video_comes_from_the_tables_where_the_index_has_something_else(
    studio: Studio, ready: int
) -> None:
    search, anybody = studio.systems.search, Filters(viewer=Viewer(False, None, None, "public"))

    def note(visibility: str, version: int) -> None:
        with studio.systems.database.write() as session:
            session.merge(AccessRow(video_id=ready, visibility=visibility, version=version, changed_at=utc_now()))

    def is_found() -> bool:
        return ready in {each.video_id for each in search.videos("herons", limit=100, filters=anybody)}

    assert is_found()
    note("private", 1)
    assert rebuild_index(studio.systems).trouble == []
    assert (search.read_access(ready), is_found()) == (Access("private", 1), False)
    note("public", 2)
    lines = reconcile_thoroughly(studio.systems, studio.instance).repaired
    assert [line for line in lines if "search index" in line] == [
        f"video {ready}: the search index did not know that it is public"
    ]
    assert (search.read_access(ready), is_found()) == (Access("public", 2), True)
    note("private", 2)
    lines = reconcile_thoroughly(studio.systems, studio.instance).trouble
    assert [f"video {ready}: it is private by the tables, and public" in line for line in lines].count(True) == 1
    with studio.systems.database.write() as session:
        session.delete(session.get_one(AccessRow, ready))
    compared = reconcile_thoroughly(studio.systems, studio.instance)
    assert not [line for line in (*compared.repaired, *compared.trouble) if "search index" in line]


def test_the_audit_passes_and_notices_a_damaged_file(studio: Studio, ready: int) -> None:
    def failed_checks() -> set[tuple[str, str]]:
        result = studio.job("audit")
        return {
            (evaluation.asset_key.to_user_string(), evaluation.check_name)
            for evaluation in result.get_asset_check_evaluations()
            if not evaluation.passed
        }

    assert failed_checks() == set()
    transcript = studio.made(ready)[Stage.TRANSCRIPTS].file("transcript.txt")
    good = studio.systems.storage.get_bytes(transcript.key)
    studio.systems.storage.put_bytes(transcript.key, good.swapcase())
    try:
        assert failed_checks() == {("transcripts", "files_whole")}
    finally:
        studio.systems.storage.put_bytes(transcript.key, good)


def test_the_library_report_has_its_tables_and_plots(studio: Studio, ready: int) -> None:
    result = dg.materialize(
        [studio.definitions.get_assets_def("library_report")],
        instance=studio.instance,
        resources={"systems": studio.systems, "nothing": dg.mem_io_manager},
    )
    assert result.success
    names = {stat.key.rsplit(".", 1)[-1] for stat in studio.systems.storage.list("reports/")}
    assert names == {"csv", "png"}


def test_the_definitions_load_and_every_asset_says_what_it_is(studio: Studio) -> None:
    dg.Definitions.validate_loadable(studio.definitions)
    for stage in Stage:
        asset = studio.definitions.get_assets_def(stage.value)
        key = dg.AssetKey(stage.value)
        assert asset.descriptions_by_key[key]
        assert asset.group_names_by_key[key]
        assert asset.specs_by_key[key].owners
        assert asset.specs_by_key[key].kinds
        assert asset.specs_by_key[key].code_version


def test_a_file_over_the_limit_is_refused_before_it_is_fetched(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tells of an upload by a message has put it into storage himself: it may have any size."""
    video_id = studio.video()
    small = studio.with_settings(max_upload_bytes=1000)
    monkeypatch.setattr(LocalStorage, "fetch", lambda *_: pytest.fail("it was fetched"))
    small.run(video_id)
    status, message = studio.status(video_id)
    assert status == "failed"
    assert message is not None
    assert "at most 1,000 are taken" in message
