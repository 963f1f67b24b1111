"""How a file is cut into parts, and what is believed of what a client says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.intake.upload_plan import (
    PART_BYTES,
    MultipartUpload,
    NoSuchUpload,
    UploadCompleted,
    UploadExpired,
    clean_captions,
    clean_filename,
    media_type,
    part_bytes_for,
)
from video_assets.intake.uploads import MAX_CAPTION_BYTES, Refused
from video_assets.storage import PartRefused
from video_assets.storage.multipart import MAX_PARTS
from video_assets_tests.projection.histories import at

UPLOAD = MultipartUpload("u", 1, "k", "a.mp4", "video/mp4", 25, 10, None, at(0), at(100), None, "s")


@given(st.integers(1, 2**50))
def test_parts_make_up_the_file_and_are_never_too_many(size: int) -> None:
    upload = replace(UPLOAD, size_bytes=size, part_bytes=part_bytes_for(size))
    assert 1 <= upload.part_count <= MAX_PARTS
    assert upload.part_bytes >= PART_BYTES
    last = upload.size_of(upload.part_count)
    assert 1 <= last <= upload.part_bytes
    assert (upload.part_count - 1) * upload.part_bytes + last == size


def test_parts_are_no_larger_than_they_must_be() -> None:
    assert part_bytes_for(20 * 2**30) == PART_BYTES
    assert part_bytes_for(PART_BYTES * MAX_PARTS) == PART_BYTES
    assert part_bytes_for(PART_BYTES * MAX_PARTS + 1) == PART_BYTES + 2**20


def test_each_part_has_its_size() -> None:
    assert [UPLOAD.size_of(number) for number in (1, 2, 3)] == [10, 10, 5]
    for number in (-1, 0, 4, MAX_PARTS + 1, 10**5000):
        with pytest.raises(PartRefused) as error:
            UPLOAD.size_of(number)
        assert "\n" not in str(error.value)


def test_an_upload_is_open_until_it_ends() -> None:
    UPLOAD.must_be_open(at(99))
    for upload, now, kind in (
        (UPLOAD, at(100), UploadExpired),
        (replace(UPLOAD, completed_at=at(5)), at(6), UploadCompleted),
        (replace(UPLOAD, expires_at=at(0)), at(0) - timedelta(hours=1), NoSuchUpload),
        (replace(UPLOAD, storage_upload_id=""), at(1), NoSuchUpload),
    ):
        with pytest.raises(kind):
            upload.must_be_open(now)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\talk.MP4", "talk.MP4"),
        ("a\x1b[31m\nb\x00.mp4", "a [31m b .mp4"),
        ("\ud800x.mp4", "x.mp4"),
        ("x" * 10_000 + ".mp4", "x" * 250 + "….mp4"),
        ("Ünïcödé 名前.mkv", "Ünïcödé 名前.mkv"),
    ],
)
def test_a_name_is_one_line_without_folders(said: str, name: str) -> None:
    assert clean_filename(said) == name
    assert len(name) <= 255


@pytest.mark.parametrize("said", ["", " ", "/", "a/", "..", ".", "\n", "\x00", "a\\"])
def test_a_name_of_nothing_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="no name"):
        clean_filename(said)


@given(st.text())
def test_any_name_is_harmless_or_refused(said: str) -> None:
    try:
        name = clean_filename(said)
    except Refused:
        return
    assert name.isprintable()
    assert 1 <= len(name) <= 255
    assert "/" not in name


@pytest.mark.parametrize(
    ("filename", "said", "kept"),
    [
        ("a.mp4", None, "video/mp4"),
        ("a.mp4", "video/x-matroska", "video/x-matroska"),
        ("a.mp4", " Video/MP4 ", "video/mp4"),
        ("a.mp4", "text/html", "video/mp4"),
        ("a.html", "text/html", "application/octet-stream"),
        ("a.svg", None, "application/octet-stream"),
        ("a", "video/mp4\r\nx-evil: 1", "application/octet-stream"),
        ("a", "video/" + "x" * 200, "application/octet-stream"),
    ],
)
def test_only_media_are_stored_as_what_they_say_they_are(filename: str, said: str | None, kept: str) -> None:
    assert media_type(filename, said) == kept


def test_captions_are_captions() -> None:
    assert clean_captions(("../a.VTT", b"x")) == ("a.VTT", b"x")
    for captions in (("a.txt", b"x"), ("", b"x"), ("a.vtt", bytes(MAX_CAPTION_BYTES + 1))):
        with pytest.raises(Refused):
            clean_captions(captions)
