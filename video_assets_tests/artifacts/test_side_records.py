"""Records beside the artifacts: captions, the upload record, and what an audit finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_assets.artifacts.audit import damaged_files
from video_assets.artifacts.captions import captions_key, current_captions, put_captions
from video_assets.artifacts.pointer import Garbage
from video_assets.artifacts.upload import UploadRecord, put_upload_record, read_upload_record, upload_key
from video_assets.errors import PermanentError
from video_assets.storage import Storage
from video_assets.storage.local import LocalStorage
from video_assets_tests.artifacts.making import at, file, manifest


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path)


def test_the_last_captions_are_in_force_and_earlier_ones_stay(storage: Storage) -> None:
    assert current_captions(storage, 1) is None
    first = put_captions(storage, 1, b"WEBVTT\n\none", "talk.vtt")
    second = put_captions(storage, 1, b"1\n", "../../talk.SRT")
    assert current_captions(storage, 1) == second
    assert second.key.endswith(".srt")
    assert storage.get_bytes(first.key) == b"WEBVTT\n\none"
    assert current_captions(storage, 2) is None


def test_the_same_captions_again_change_nothing(storage: Storage) -> None:
    assert put_captions(storage, 1, b"WEBVTT", "a.vtt") == put_captions(storage, 1, b"WEBVTT", "a.vtt")


def test_an_upload_record_reads_back_equal(storage: Storage) -> None:
    record = UploadRecord(video_id=1, key="videos/1/source/original.mp4", title="Häfen <b>", created_at=at(0))
    put_upload_record(storage, record)
    assert read_upload_record(storage, 1) == record


def test_a_video_that_was_never_uploaded_is_said_so(storage: Storage) -> None:
    with pytest.raises(PermanentError, match="there is no video 7"):
        read_upload_record(storage, 7)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"video_id": 8, "key": "k", "title": "t", "created_at": 0}'])
def test_side_records_that_are_garbage_or_anothers_are_said_in_one_line(storage: Storage, data: bytes) -> None:
    storage.put_bytes(upload_key(1), data)
    storage.put_bytes(captions_key(1), data)
    for read, key in ((read_upload_record, upload_key(1)), (current_captions, captions_key(1))):
        with pytest.raises(Garbage, match=f"^{key} is") as error:
            read(storage, 1)
        assert "\n" not in str(error.value)


def test_captions_of_another_video_are_not_taken(storage: Storage) -> None:
    put_captions(storage, 2, b"WEBVTT", "a.vtt")
    storage.put_bytes(captions_key(1), storage.get_bytes(captions_key(2)))
    with pytest.raises(Garbage, match="another video's"):
        current_captions(storage, 1)


def test_an_audit_names_what_is_missing_cut_or_altered(storage: Storage) -> None:
    sha256 = "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"  # of b"bob"
    listed = [file(name, sha256, bytes=3) for name in ("whole", "missing", "cut", "altered")]
    for name, data in (("whole", b"bob"), ("cut", b"bo"), ("altered", b"bog")):
        storage.put_bytes(f"videos/1/x/{name}", data)
    assert [str(each) for each in damaged_files(storage, manifest(files=tuple(listed)))] == [
        "missing is missing",
        "cut has 2 bytes instead of 3",
        "altered was altered",
    ]
