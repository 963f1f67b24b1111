"""Watching over HTTP: what a player gets is what was made."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx
import pytest

from video_assets.artifacts import current
from video_assets.videos import Stage
from video_assets_tests.defs.studio import Studio
from video_assets_tests.web.serving import Site

pytestmark = pytest.mark.timeout(300)


def fetched(site: Site, address: str, **headers: str) -> httpx.Response:
    """What an address gives to somebody without a token, as a player asks."""
    return httpx.get(urljoin(site.address, address), headers=headers, timeout=30, trust_env=False)


def test_a_player_gets_every_byte_of_every_rung(site: Site, studio: Studio, ready: int) -> None:
    with site.as_("member") as client:
        watch = client.get(f"/videos/{ready}/watch").json()
    master = fetched(site, watch["hls"])
    assert master.headers["content-type"].startswith("application/vnd.apple.mpegurl")
    lists = [line for line in master.text.splitlines() if line and not line.startswith("#")]
    assert len(lists) == len(watch["files"]) == 1
    playlist = fetched(site, lists[0]).text
    found = re.findall(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@(\d+)"', playlist)
    found += [(u, s, o) for s, o, u in re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\n([^#\n]+)", playlist)]
    data = b""
    for address, size, offset in found:
        last = int(offset) + int(size) - 1
        part = fetched(site, address, Range=f"bytes={offset}-{last}")
        assert part.status_code == 206
        assert part.headers["content-range"].startswith(f"bytes {offset}-{last}/")
        data += part.content
    manifest = current(studio.systems.storage, ready, Stage.VARIANTS)
    assert manifest
    stored = studio.systems.storage.get_bytes(manifest.file("240p.mp4").key)
    assert stored.startswith(data)
    assert stored[len(data) + 4 :][:4] in (b"mfra", b"")  # an index that players of HLS do not ask for
    assert fetched(site, watch["files"][0]["url"]).content == stored


def test_stills_captions_and_chapters_come_with_it(site: Site, ready: int) -> None:
    with site.as_("member") as client:
        watch = client.get(f"/videos/{ready}/watch").json()
    assert fetched(site, watch["poster"]).content[:3] == b"\xff\xd8\xff"
    (captions,) = watch["captions"]
    assert "herons wait near the harbour" in fetched(site, captions["url"]).text
    cues = fetched(site, watch["storyboard"]["vtt"]).text
    tile = re.findall(r"^(/api/\S+)#xywh=", cues, re.MULTILINE)[0]
    assert fetched(site, tile).content[:3] == b"\xff\xd8\xff"
    if watch["chapters"]:
        assert fetched(site, watch["chapters"]).text.startswith("WEBVTT")


def test_transcript_and_summary_say_what_was_said(site: Site, ready: int) -> None:
    with site.as_("member") as client:
        said = client.get(f"/videos/{ready}/transcript").json()
        summary = client.get(f"/videos/{ready}/summary").json()
    assert "The herons wait near the harbour at dawn." in [each["text"] for each in said["segments"]]
    assert summary["text"]


def test_a_file_is_kept_under_its_title_and_never_shown_as_a_page(site: Site, studio: Studio, ready: int) -> None:
    with site.as_("owner") as client:
        renamed = client.patch(f"/videos/{ready}", json={"title": '../"Fischreiher" <script>\r\nX: 1 früh'})
        assert renamed.status_code == 200
        answer = client.get(f"/videos/{ready}/download")
        client.patch(f"/videos/{ready}", json={"title": "Herons"})
    kept = answer.headers["content-disposition"]
    assert kept.startswith("attachment; filename*=utf-8''")
    assert "/" not in kept.partition("''")[2]
    assert "fr%C3%BCh" in kept
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert len(answer.content) > 1000


def test_nothing_but_files_of_this_video_can_be_read(site: Site, ready: int) -> None:
    with site.as_("owner") as client:
        for path in ("../../upload.json", "upload.json", "variants/current.json", "%2e%2e/1/upload.json", "a%00b"):
            answer = client.get(f"/videos/{ready}/media/{'0' * 16}/{path}")
            assert answer.status_code in (404, 422), path


def test_a_signature_opens_one_video_and_ends(site: Site, studio: Studio, ready: int) -> None:
    with site.as_("member") as client:
        address = client.get(f"/videos/{ready}/watch").json()["hls"]
    assert fetched(site, address).status_code == 200
    assert fetched(site, address.replace(f"/videos/{ready}/", f"/videos/{ready + 1}/")).status_code == 404
    assert fetched(site, address[:-2]).status_code == 404
    assert fetched(site, re.sub(r"sig=\d+", "sig=1", address)).status_code == 404
    assert fetched(site, address.partition("?")[0]).status_code == 404


def test_an_answer_that_has_not_changed_is_not_sent_again(site: Site, ready: int) -> None:
    with site.as_("member") as client:
        for path in ("/videos", f"/videos/{ready}"):
            first = client.get(path)
            again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
            assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
