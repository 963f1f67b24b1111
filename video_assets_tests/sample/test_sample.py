"""The bundled sample is what the demonstration and other tests count on."""

from __future__ import annotations

from pathlib import Path

from video_assets.media import ladder, probe, subtitles
from video_assets.sample import make_sample


def test_the_sample_is_small_captioned_and_can_be_copied(tmp_path: Path) -> None:
    assert make_sample.SAMPLE.stat().st_size <= 2_000_000
    read = probe.probe(make_sample.SAMPLE, max_streams=8, max_pixels=10**7, max_duration=600)
    assert read.video is not None
    assert (read.video.width, read.video.height) == (1280, 720)
    assert 60 <= read.duration <= 90
    assert ladder.plan(read, (720, 480)).encoded_because == ""
    path = subtitles.extract_text_track(make_sample.SAMPLE, read, tmp_path)
    assert path is not None
    said = path.read_text(encoding="utf-8")
    assert all(sentence in said for subject in make_sample.SUBJECTS for sentence in subject.sentences)


def test_each_subject_has_enough_to_be_a_chapter() -> None:
    assert len(make_sample.SUBJECTS) == 3
    assert all(len(subject.sentences) >= 6 for subject in make_sample.SUBJECTS)
