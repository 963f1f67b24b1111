"""What is told of lost objects by the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_assets.artifacts import Manifest
from video_assets.artifacts.captions import captions_key, current_captions, put_captions
from video_assets.library.recovery import captions_trouble, derive_upload_record, newest_captions
from video_assets.storage import Storage
from video_assets.storage.local import LocalStorage
from video_assets.videos import Stage, video_prefix
from video_assets_tests.artifacts.making import at, file, manifest


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


def transcript(number: int, captions: str | None) -> Manifest:
    inputs = {"uploads": "u"} | ({"captions": captions} if captions else {})
    return manifest(number, artefact=Stage.TRANSCRIPTS, inputs=inputs)


def sizes(storage: Storage) -> dict[str, int]:
    return {stat.key: stat.bytes for stat in storage.list(video_prefix(1))}


@pytest.mark.parametrize(
    ("there", "made_of", "newest"),
    [
        ([], [], None),
        (["a"], [], "a"),
        (["a"], ["a"], "a"),
        (["a", "b"], ["a", "b"], "b"),
        (["a", "b"], ["b", "a"], "a"),
        (["a", "b"], ["a"], "b"),  # corrected, and not made yet
        (["a"], ["a", "b"], "a"),  # b is lost
        (["a", "b"], [None, "b"], "a"),
    ],
)
def test_captions_that_none_was_made_of_came_last(
    there: list[str], made_of: list[str | None], newest: str | None
) -> None:
    makings = [transcript(number, captions) for number, captions in enumerate(made_of, start=1)]
    assert newest_captions(there, list(reversed(makings))) == newest


def test_captions_are_put_in_force_again(storage: Storage) -> None:
    first = put_captions(storage, 1, b"WEBVTT one", "a.vtt")
    second = put_captions(storage, 1, b"1 two", "b.srt")
    storage.delete(captions_key(1))
    mended, trouble = captions_trouble(storage, 1, sizes(storage), [transcript(1, first.sha256)], hashes=True)
    assert "is in force again" in mended
    assert trouble == ""
    found = current_captions(storage, 1)
    assert found is not None
    assert (found.key, found.sha256, found.name[-4:]) == (second.key, second.sha256, ".srt")


def test_altered_captions_are_told_and_not_put_in_force(storage: Storage) -> None:
    captions = put_captions(storage, 1, b"WEBVTT one", "a.vtt")
    storage.put_bytes(captions.key, b"WEBVTT two")
    assert captions_trouble(storage, 1, sizes(storage), [], hashes=False) == ("", "")
    assert "was altered" in captions_trouble(storage, 1, sizes(storage), [], hashes=True)[1]
    storage.delete(captions_key(1))
    assert "none lie there whole" in captions_trouble(storage, 1, sizes(storage), [], hashes=False)[1]
    storage.delete(captions.key)
    made = [transcript(1, captions.sha256)]
    assert "they are lost" in captions_trouble(storage, 1, sizes(storage), made, hashes=False)[1]
    assert captions_trouble(storage, 1, sizes(storage), [transcript(1, None)], hashes=False) == ("", "")


def test_an_upload_of_which_nothing_was_made_is_told_from_its_file_alone(storage: Storage) -> None:
    storage.put_bytes("videos/1/source/original.mp4", b"film")
    record = derive_upload_record(storage, 1, {}, sizes(storage))
    assert record is not None
    assert (record.key, record.title, record.size_bytes, record.content_type) == (
        "videos/1/source/original.mp4",
        "video 1",
        4,
        "video/mp4",
    )


def test_an_upload_of_which_nobody_knows_the_file_is_not_made_up(storage: Storage) -> None:
    assert derive_upload_record(storage, 1, {}, {}) is None


def test_an_upload_that_lies_elsewhere_is_told_from_its_manifest(storage: Storage) -> None:
    source = file("source", "0" * 64, key="uploads/talk.mp4", bytes=7, content_type="video/mp4")
    made = {Stage.UPLOADS: manifest(3, artefact=Stage.UPLOADS, files=(source,), made_at=at(3))}
    record = derive_upload_record(storage, 1, made, {})
    assert record is not None
    assert (record.key, record.size_bytes, record.created_at) == ("uploads/talk.mp4", 7, at(3))
