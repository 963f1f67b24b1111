"""Records beside the artefacts: captions, the upload record, and what an audit finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_assets.artifacts.audit import damaged_files
from video_assets.artifacts.captions import current_captions, put_captions
from video_assets.artifacts.upload import UploadRecord, put_upload_record, read_upload_record
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
