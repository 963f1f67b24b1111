"""The old client's journey by its old paths, from signing up to watching: over a folder and a file, and over Postgres,
S3 and Elasticsearch, where bytes go between the client and the bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import httpx
import pytest

from video_assets.artifacts import current
from video_assets.defs.instance.opening import open_instance
from video_assets.settings import Settings
from video_assets.videos import Stage
from video_assets_tests.conftest import bucket_on
from video_assets_tests.defs.studio import CAPTIONS, Studio
from video_assets_tests.e2e.production import databases, index
from video_assets_tests.media.clips import make_clip
from video_assets_tests.web.serving import PASSWORD, Site, served

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=["embedded", "production"])
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder, name = tmp_path_factory.mktemp("journey"), f"web{uuid4().hex[:12]}"
    values: dict[str, object] = {"home": folder / "home", "min_free_bytes": 0, "ladder": "240"}
    with ExitStack() as servers:
        if request.param == "production":
            patched = servers.enter_context(pytest.MonkeyPatch.context())
            endpoint = request.getfixturevalue("s3_endpoint")
            _, bucket = servers.enter_context(bucket_on(endpoint, patched))
            [database] = servers.enter_context(databases(request.getfixturevalue("postgres_url"), name))
            search = servers.enter_context(index(request.getfixturevalue("elasticsearch_server"), name))
            values |= {"storage_url": f"s3://{bucket}/library", "s3_endpoint_url": endpoint, "database_url": database}
            # Clients reach the same server under another name.
            values |= {"search_url": search, "s3_public_url": endpoint.replace("127.0.0.1", "localhost")}
        settings = Settings.model_validate(values)
        with open_instance(settings) as instance:
            studio = Studio(settings, instance, folder)
            yield studio
            studio.systems.close()


def test_from_signing_up_to_the_second_something_is_said(house: Studio) -> None:
    with served(house.systems) as site:
        journey(site, house)


def journey(site: Site, house: Studio) -> None:
    remote = house.settings.storage_url.startswith("s3://")
    with site.client() as client:
        body = {"email": "ada@example.org", "name": "Ada", "password": PASSWORD}
        assert client.get("/users/check-email", params={"email": body["email"]}).json()["available"] is True
        assert client.post("/auth/signup", json=body).status_code == 201
        assert client.get("/users/check-email", params={"email": body["email"]}).json()["available"] is False
        login = client.post("/auth/login", json={"email": body["email"], "password": PASSWORD}).json()
    with site.client(login["accessToken"]) as client:
        assert client.get("/users/me").json()["email"] == "ada@example.org"
        video_id = uploaded(client, house, remote=remote)
        house.run(video_id)
        video = client.get(f"/videos/{video_id}").json()
        assert (video["status"], video["userName"], video["durationSeconds"]) == ("ready", "Ada", pytest.approx(4, 0.1))
        assert [each["id"] for each in client.get("/videos").json()["items"]] == [video_id]
        watch = client.get(f"/videos/{video_id}/watch").json()
        assert watched(site, watch, remote=remote) == stored(house, video_id)
        poster = httpx.get(urljoin(site.address, watch["poster"]), trust_env=False)
        assert poster.content[:3] == b"\xff\xd8\xff"
        assert "herons" in client.get(f"/videos/{video_id}/transcript").text
        (found,) = client.get("/videos/search", params={"q": "flour sugar"}).json()["items"]
        assert found["videoId"] == video_id
        assert 2.0 <= found["hits"][0]["start"] <= 3.8  # within its caption
        assert client.get("/health/ready").status_code == 200
        with site.as_("eve") as eve:
            assert [each["videoId"] for each in eve.get("/videos/search", params={"q": "flour"}).json()["items"]]
            client.patch(f"/videos/{video_id}", json={"visibility": "private"})
            assert eve.get("/videos/search", params={"q": "flour"}).json()["items"] == []
            assert eve.get(f"/videos/{video_id}/watch").status_code == 404
        assert client.post("/auth/logout").status_code == 204
        assert client.get("/users/me").status_code == 401


def uploaded(client: httpx.Client, house: Studio, *, remote: bool) -> int:
    """The clip in one part, with captions."""
    data = make_clip(house.folder / "herons.mp4").read_bytes()
    captions = {"filename": "herons.vtt", "text": CAPTIONS}
    body = {"filename": "herons.mp4", "sizeBytes": len(data), "contentType": "video/mp4", "captions": captions}
    upload = client.post("/videos/upload/initiate", json=body).json()
    assert client.get(f"/videos/{upload['videoId']}").json()["status"] == "uploading"
    target = client.post("/videos/upload/presign", json={"uploadId": upload["uploadId"], "partNumber": 1}).json()
    assert (urlsplit(target["url"]).hostname == "localhost") is remote
    sent = httpx.put(target["url"], content=data, headers=target["headers"], timeout=30, trust_env=False)
    assert sent.status_code == 200
    parts = [{"PartNumber": 1, "ETag": sent.headers["etag"]}]  # as S3's own clients write it
    done = client.post("/videos/upload/complete", json={"uploadId": upload["uploadId"], "parts": parts})
    assert done.status_code == 200, done.text
    video_id: int = done.json()["videoId"]
    return video_id


def watched(site: Site, watch: dict[str, str], *, remote: bool) -> bytes:
    """The bytes of the first rung, as a player gets them."""
    master = httpx.get(urljoin(site.address, watch["hls"]), trust_env=False).text
    first = next(line for line in master.splitlines() if line and not line.startswith("#"))
    playlist = httpx.get(urljoin(site.address, first), trust_env=False).text
    data = b""
    ranges = re.findall(r'URI="([^"]+)",BYTERANGE="(\d+)@(\d+)"', playlist)
    ranges += [(url, size, at) for size, at, url in re.findall(r"BYTERANGE:(\d+)@(\d+)\n([^#\n]+)", playlist)]
    for url, size, at in ranges:
        address = urljoin(site.address, url)
        assert (urlsplit(address).hostname == "localhost") is remote
        part = httpx.get(address, headers={"Range": f"bytes={at}-{int(at) + int(size) - 1}"}, trust_env=False)
        assert part.status_code == 206
        data += part.content
    return data


def stored(house: Studio, video_id: int) -> bytes:
    manifest = current(house.systems.storage, video_id, Stage.VARIANTS)
    assert manifest
    data = house.systems.storage.get_bytes(manifest.file("240p.mp4").key)
    return data[: data.rindex(b"mfra") - 4] if b"mfra" in data else data
