"""Objects damaged at random: rebuilding goes on, says what it left out, and gives no id again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from video_assets.artifacts import Deleted, publish
from video_assets.artifacts.pointer import pointer_key
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.operations.compare import rebuild_database
from video_assets.defs.operations.delete import delete_video
from video_assets.defs.operations.reconcile import reconcile_thoroughly
from video_assets.library.rebuild_index import rebuild_index
from video_assets.settings import Settings
from video_assets.videos import Stage
from video_assets_tests.defs.studio import CAPTIONS, Studio

pytestmark = pytest.mark.timeout(300)

HUGE = b'{"video_id": ' + b"9" * 5000 + b', "attempts": [], "bytes": 1e999, "fence": [[[[]]]]}'
WAYS: dict[str, Callable[[bytes], bytes | None]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "zeroed": lambda data: bytes(len(data)),
    "garbage": lambda data: b"\xff\xfe\x00 garbage \xc3(" * 40,
    "another shape": lambda data: b'[1, {"a": null}]',
    "huge numbers": lambda data: HUGE,
    "deep": lambda data: b"[" * 100_000,
    "gone": lambda data: None,
}
FOLDER, SWAPPED, FIELD = "a folder in its place", "swapped with another video's", "one field is something else"


@dataclass(frozen=True)
class Library:
    """A small library, as it was before the damage."""

    folder: Path
    instance: dg.DagsterInstance
    settings: Settings
    tables: dict[str, list[tuple[Any, ...]]]
    whole: tuple[int, ...]
    """Its ready videos; one of them has captions of its own."""
    failed: int
    deleted: int


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder="240", heartbeat_seconds=0.5)
    with open_instance(settings) as instance:
        studio = Studio(settings, instance, folder)
        whole = tuple(studio.video(title=f"Talk {number}", user_id=number) for number in range(3))
        studio.correct_captions(whole[0], CAPTIONS.encode(), "own.vtt")
        for video_id in whole:
            studio.run(video_id)
            assert studio.status(video_id)[0] == "ready"
        letter = folder / "letter.mp4"
        letter.write_bytes(b"Dear sir or madam, " * 100)
        failed = studio.upload(letter)
        studio.run(failed)
        deleted = studio.video()
        assert delete_video(studio.systems, instance, deleted)
        studio.systems.database.dispose()
        yield Library(folder, instance, settings, studio.tables(), whole, failed, deleted)


class Damaged:
    """A copy of the library with some objects damaged, its tables lost."""

    def __init__(self, library: Library, home: Path) -> None:
        shutil.copytree(library.folder / "home" / "storage", home / "storage")
        shutil.copy(library.folder / "home" / "search.db", home / "search.db")
        self.library = library
        self.storage = home / "storage"
        self.studio = Studio(library.settings.model_copy(update={"home": home}), library.instance, library.folder)

    def objects(self, video_id: int) -> list[Path]:
        folder = self.storage / "videos" / str(video_id)
        return sorted(path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts)

    def damage(self, path: Path, way: str) -> None:
        if way == FOLDER:
            path.unlink()
            path.mkdir()
        elif way == SWAPPED:
            path.write_bytes(self._of_another(path))
        elif way == FIELD:
            path.write_bytes(self._one_field_changed(path.read_bytes()))
        else:
            data = WAYS[way](path.read_bytes())
            path.unlink()
            if data is not None:
                path.write_bytes(data)

    def _of_another(self, path: Path) -> bytes:
        """What lies in the like place of another video; of another name where the name says what it is made of."""
        parts = path.relative_to(self.storage / "videos").parts
        for other in self.library.whole:
            if str(other) != parts[0]:
                found = sorted((self.storage / "videos" / str(other)).rglob(path.name))
                if found and found[0].is_file() and found[0].read_bytes() != path.read_bytes():
                    return found[0].read_bytes()
        return b"of another video"

    def _one_field_changed(self, data: bytes) -> bytes:
        try:
            held = json.loads(data)
        except ValueError:
            return data[:-1] + b"\x00\x00"
        if not isinstance(held, dict):
            return b"{}"
        for name in ("video_id", "files", "manifest_key", "sha256", "deleted_at", "title"):
            if name in held:
                held[name] = 10**30
                break
        return json.dumps(held).encode()


def rows_of(tables: dict[str, list[tuple[Any, ...]]], video_ids: Sequence[int]) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables hold of these videos. The first column of each names the video."""
    return {name: [row for row in rows if row[0] in video_ids] for name, rows in tables.items()}


def goes_unnoticed(library: Library, video_id: int, what: str) -> bool:
    """Of a tombstone there are four more; of a failure the event log tells as well; and of what never got as far as a
    manifest nobody has a hash, only its size."""
    same_size = what.endswith(("zeroed", FIELD))
    return (
        video_id == library.deleted
        or what.endswith("failure.json gone")
        or (video_id == library.failed and "/source/" in what and same_size)
    )


ways = st.sampled_from([*WAYS, FOLDER, SWAPPED, FIELD])


def whatever_is_damaged(library: Library, hits: list[tuple[int, int, str]]) -> None:
    """The rest comes back and what is damaged is named."""
    everyone = (*library.whole, library.failed, library.deleted)
    with TemporaryDirectory() as name:
        damaged = Damaged(library, Path(name))
        studio, hit = damaged.studio, dict[int, str]()
        for which, number, way in hits:
            objects = damaged.objects(everyone[which])
            path = objects[number % len(objects)]
            before = path.read_bytes()
            damaged.damage(path, way)
            if not path.is_file() or path.read_bytes() != before:
                hit[everyone[which]] = f"{path.relative_to(damaged.storage)} {way}"

        found = rebuild_database(studio.systems, studio.instance)
        index = rebuild_index(studio.systems)
        compared = reconcile_thoroughly(studio.systems, studio.instance, hashes=True)
        lines = [*found.mended, *found.trouble, *index.mended, *index.trouble, *compared.repaired, *compared.trouble]

        assert all("\n" not in line and len(line) < 600 and "Traceback" not in line for line in lines)
        unharmed = [video_id for video_id in everyone if video_id not in hit]
        after = studio.tables()
        assert rows_of(after, [*unharmed]) | {"deleted_videos": []} == rows_of(library.tables, [*unharmed]) | {
            "deleted_videos": []
        }
        assert [row[0] for row in after["deleted_videos"]] == [library.deleted], "a deleted video came back"
        for video_id, what in hit.items():
            if not goes_unnoticed(library, video_id, what):
                assert any(line.startswith(f"video {video_id}") for line in lines), (what, lines)
        found_now = {each.video_id for each in studio.systems.search.videos("herons")}
        assert found_now >= {video_id for video_id in library.whole if video_id not in hit}
        assert not any(line.startswith(f"video {video_id}") for video_id in unharmed for line in lines), lines
        assert studio.video() > max(everyone)
        studio.systems.database.dispose()


hits = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 200), ways), min_size=2, max_size=4, unique_by=lambda d: d[0]
)


@settings(max_examples=12, derandomize=True, phases=[Phase.generate])
@given(hits)
def test_whatever_is_damaged_the_rest_comes_back_and_it_is_named(
    library: Library, hits: list[tuple[int, int, str]]
) -> None:
    whatever_is_damaged(library, hits)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=300)
@given(hits)
def test_whatever_is_damaged_in_many_ways(library: Library, hits: list[tuple[int, int, str]]) -> None:
    whatever_is_damaged(library, hits)


def test_a_garbage_pointer_is_deleted_over_and_nothing_brings_the_video_back(library: Library, tmp_path: Path) -> None:
    damaged = Damaged(library, tmp_path / "home")
    studio, video_id = damaged.studio, library.whole[0]
    rebuild_database(studio.systems, studio.instance)
    folder, made = damaged.storage / "videos" / str(video_id), studio.made(video_id)
    (folder / "variants" / "current.json").write_bytes(b"\xff garbage")
    (folder / "uploads" / "current.json").unlink()
    (folder / "uploads" / "current.json" / "nothing" / "in here").mkdir(parents=True)
    (folder / "summaries" / "current.json").unlink()
    (folder / "summaries" / "current.json").mkdir()
    (folder / "summaries" / "current.json" / "a file below").write_bytes(b"in the way")
    assert delete_video(studio.systems, studio.instance, video_id)
    left = {path.relative_to(folder).as_posix() for path in damaged.objects(video_id)}
    assert left == {f"{stage.value}/current.json" for stage in Stage}
    (folder / "variants" / "current.json").write_bytes(b"\xff garbage again")  # the others still tell
    with pytest.raises(Deleted):
        publish(studio.systems.storage, made[Stage.VARIANTS])


def test_a_video_of_which_only_storage_knows_is_deleted_too(library: Library, tmp_path: Path) -> None:
    damaged = Damaged(library, tmp_path / "home")
    studio, video_id = damaged.studio, library.whole[1]
    for path in damaged.objects(video_id):
        if path.name in ("upload.json", "manifest.json") or path.parent.name == "source":
            path.unlink()
    found = rebuild_database(studio.systems, studio.instance)
    (line,) = (line for line in found.trouble if "upload.json" in line)
    assert f"`video-assets delete {video_id}`" in line
    assert found.videos == 3
    assert delete_video(studio.systems, studio.instance, video_id)
    assert len(damaged.objects(video_id)) == len(Stage)
    assert studio.video() > library.deleted


def test_a_lost_upload_record_is_told_from_what_was_made(library: Library, tmp_path: Path) -> None:
    damaged = Damaged(library, tmp_path / "home")
    studio, video_id = damaged.studio, library.whole[2]
    path = damaged.storage / "videos" / str(video_id) / "upload.json"
    before = json.loads(path.read_bytes())
    path.unlink()
    found = rebuild_database(studio.systems, studio.instance)
    assert found.trouble == []
    (line,) = found.mended
    assert f"video {video_id}: upload.json is missing; it is written anew from the rest (title: Talk 2" in line
    assert json.loads(path.read_bytes()) == before | {"filename": None, "user_name": None}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe garbage"])
def test_a_pointer_that_is_lost_comes_back_byte_for_byte(
    library: Library, tmp_path: Path, stage: Stage, data: bytes | None
) -> None:
    damaged = Damaged(library, tmp_path / "home")
    studio = damaged.studio
    path = damaged.storage / pointer_key(library.whole[0], stage)
    before = path.read_bytes()
    path.unlink() if data is None else path.write_bytes(data)
    found = rebuild_database(studio.systems, studio.instance)
    assert path.read_bytes() == before
    assert (len(found.mended), found.trouble) == (1, [])
    assert rows_of(studio.tables(), library.whole) == rows_of(library.tables, library.whole)


def test_a_bad_event_is_set_aside_and_holds_no_other_up(library: Library, tmp_path: Path) -> None:
    """A manifest that says what no column can hold, met by whoever reads the event log."""
    damaged = Damaged(library, tmp_path / "home")
    studio, video_id = damaged.studio, library.whole[0]
    (path,) = (damaged.storage / "videos" / str(video_id) / "summaries").rglob("manifest.json")
    held = json.loads(path.read_bytes())
    held["files"][0]["bytes"] = 10**30
    path.write_text(json.dumps(held))
    found = rebuild_database(studio.systems, studio.instance)
    assert any(line.startswith(f"video {video_id}, summaries") for line in found.trouble)
    others = [each for each in library.whole if each != video_id]
    assert rows_of(studio.tables(), others) == rows_of(library.tables, others)
