"""Playlists and the boxes they are made from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.media import boxes, hls
from video_assets.media.boxes import Fragment
from video_assets.media.hls import Playlist, Segment
from video_assets_tests.media.clips import ffmpeg


@pytest.fixture(scope="module")
def fragmented(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fragmented") / "clip.mp4"
    ffmpeg("-i", str(clip), "-sn", "-c", "copy", "-movflags", "+frag_keyframe+delay_moov+default_base_moof", str(path))
    return path


def fragments(*starts: float, size: int = 100) -> list[Fragment]:
    ends = [*starts[1:], starts[-1] + 2]
    spans = enumerate(zip(starts, ends, strict=True))
    return [Fragment(1000 + size * number, size, start, end) for number, (start, end) in spans]


def test_fragments_lie_end_to_end_and_begin_with_the_key_frames(fragmented: Path) -> None:
    layout = boxes.read_layout(fragmented)
    assert [round(fragment.start, 2) for fragment in layout.fragments] == [0.0, 2.0, 4.0, 6.0]
    assert layout.fragments[-1].end == pytest.approx(8.0, abs=0.05)
    at = layout.init_size
    for fragment in layout.fragments:
        assert fragment.offset == at
        at += fragment.size
    assert layout.codecs.startswith("avc1.")
    assert layout.codecs.endswith(",mp4a.40.2")


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.3, 0.7, 0.99])
def test_a_file_that_is_not_whole_is_a_value_error(fragmented: Path, tmp_path: Path, share: float) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(fragmented.read_bytes()[: int(fragmented.stat().st_size * share)])
    with pytest.raises(ValueError, match=r"\w"):
        boxes.read_layout(cut)


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=8))
def test_damaged_headers_are_a_value_error_or_read_as_something(fragmented: Path, at: int, junk: bytes) -> None:
    data = bytearray(fragmented.read_bytes())
    data[at : at + len(junk)] = junk
    damaged = fragmented.with_name("damaged.mp4")
    damaged.write_bytes(data)
    with suppress(ValueError):
        boxes.read_layout(damaged)


def test_each_fragment_is_a_segment_where_nothing_else_is_asked_for() -> None:
    assert [part.duration for part in hls.segments(fragments(0.0, 4.0, 8.0), None)] == [4.0, 4.0, 2.0]


def test_fragments_between_the_key_times_belong_to_the_segment_before() -> None:
    made = hls.segments(fragments(0.0, 2.0, 4.0, 6.0, 8.0), (0.0, 4.0, 8.0))
    assert made == [Segment(4.0, 1000, 200), Segment(4.0, 1200, 200), Segment(2.0, 1400, 100)]


def test_key_times_count_from_the_first_fragment() -> None:
    assert [part.size for part in hls.segments(fragments(0.1, 2.1, 4.1), (0.0, 4.0))] == [200, 100]


durations = st.floats(0.001, 60).map(lambda seconds: round(seconds, 6))
segments = st.builds(Segment, durations, st.integers(0, 10**12), st.integers(1, 10**9))
playlists = st.builds(Playlist, st.integers(1, 10_000), st.lists(segments, min_size=1, max_size=20).map(tuple))


@given(playlists)
def test_what_is_written_is_read_back(playlist: Playlist) -> None:
    assert hls.read(hls.write(playlist, "720p.mp4")) == playlist


@given(playlists)
def test_no_segment_is_longer_than_the_target_duration_says(playlist: Playlist) -> None:
    target = int(hls.write(playlist, "a.mp4").split("TARGETDURATION:")[1].split("\n")[0])
    assert all(round(segment.duration) <= target or segment.duration - target <= 0.5 for segment in playlist.segments)


@pytest.mark.parametrize("text", ["", "#EXTM3U\n", "#EXTM3U\n#EXTINF:4,\nother.mp4\n#EXT-X-ENDLIST\n", "hello"])
def test_other_playlists_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="playlist"):
        hls.read(text)


def test_a_playlist_that_breaks_off_is_refused() -> None:
    whole = hls.write(Playlist(10, (Segment(4.0, 10, 5), Segment(4.0, 15, 5))), "a.mp4")
    for end in range(len(whole) - 1):
        with pytest.raises(ValueError, match="playlist"):
            hls.read(whole[:end])


def test_the_bandwidth_is_the_peak_of_whole_segments() -> None:
    playlist = Playlist(10, (Segment(4.0, 10, 1000), Segment(4.0, 1010, 3000), Segment(0.1, 4010, 2000)))
    assert playlist.bandwidth == 6000
    assert playlist.average_bandwidth == pytest.approx(8 * 6000 / 8.1, abs=1)


def test_the_master_lists_rungs_with_what_a_player_chooses_by() -> None:
    rungs = [
        {
            "name": "720p",
            "width": 1280,
            "height": 720,
            "bandwidth": 9,
            "average_bandwidth": 8,
            "codecs": "avc1.64001f",
            "fps": 29.97,
        },
        {
            "name": "audio",
            "width": 0,
            "height": 0,
            "bandwidth": 2,
            "average_bandwidth": 1,
            "codecs": "mp4a.40.2",
            "fps": 0,
        },
    ]
    assert hls.master(rungs, uri="/v/{}?token=a b".format).split("\n") == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-STREAM-INF:BANDWIDTH=9,AVERAGE-BANDWIDTH=8,CODECS="avc1.64001f",RESOLUTION=1280x720,FRAME-RATE=29.970',
        "/v/720p?token=a%20b",
        '#EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=1,CODECS="mp4a.40.2"',
        "/v/audio?token=a%20b",
        "",
    ]


def test_a_file_name_cannot_break_out_of_its_playlist() -> None:
    text = hls.write(Playlist(1, (Segment(1.0, 1, 1),)), 'a"\n#EXT-X-KEY:x.mp4')
    assert "\n#EXT-X-KEY" not in text
    assert hls.read(text).init_size == 1
