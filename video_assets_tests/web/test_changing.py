"""Changes over HTTP: what follows from them, and that work asked for here is done by the sensors."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select

from video_assets.accounts.permissions import Visibility
from video_assets.accounts.visibility import access_key, stored
from video_assets.artifacts.upload import read_upload_record
from video_assets.clock import utc_now
from video_assets.database.models import AuditRow, CancelRequestRow, LaunchRow, VideoRow
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.materialize import FORCE_TAG
from video_assets.defs.sensors import uploads as uploads_sensor
from video_assets.library.rebuild import restore
from video_assets.library.rebuild_index import rebuild_index
from video_assets.runs import launches
from video_assets_tests.defs.studio import CAPTIONS, Studio
from video_assets_tests.web.serving import Site

pytestmark = pytest.mark.timeout(300)
OTHER = CAPTIONS.replace("herons wait", "pelicans wait")


@pytest.fixture
def own(studio: Studio, site: Site) -> int:
    """A finished video of the test's own."""
    site.as_("owner").close()
    captions = studio.folder / "own.vtt"
    captions.write_text(CAPTIONS)
    video_id = studio.video(title="Herons", user_id=site.ids["owner"], captions=captions)
    studio.run(video_id)
    assert studio.status(video_id) == ("ready", None)
    with studio.systems.database.write() as session:
        launches.close(session, video_id, now=utc_now())  # the test's own claim
    return video_id


def requested(studio: Studio) -> dict[int, dict[str, str | None]]:
    """Video → tags of the run that the uploads sensor asks Dagster for."""
    found, _ = uploads_sensor._look(studio.systems, studio.instance)
    return {launch.video_id: uploads_sensor._tags(launch) for launch in found}


def open_launch(studio: Studio, video_id: int) -> LaunchRow | None:
    with studio.systems.database.read() as session:
        return session.scalar(select(LaunchRow).where(LaunchRow.video_id == video_id, LaunchRow.closed_at.is_(None)))


def test_another_title_is_found_and_only_the_index_is_made_again(site: Site, studio: Studio, own: int) -> None:
    before = {stage: each.run_id for stage, each in studio.made(own).items()}
    with site.as_("owner") as client:
        answer = client.patch(f"/videos/{own}", json={"title": " Fischreiher\n am Hafen ", "description": "früh"})
        assert answer.json()["title"] == "Fischreiher am Hafen"
        assert read_upload_record(studio.systems.storage, own).title == "Fischreiher am Hafen"
        states = {each["stage"]: each["state"] for each in client.get(f"/videos/{own}/artifacts").json()["items"]}
        assert states.pop("search_documents") == "stale"
        assert set(states.values()) == {"fresh"}
        launch = open_launch(studio, own)
        assert launch is not None
        assert launch.reason == "edited"
        studio.run(own)
        found = client.get("/videos/search", params={"q": "Fischreiher"}).json()["items"]
    assert own in [each["videoId"] for each in found]
    after = {stage: each.run_id for stage, each in studio.made(own).items()}
    assert {stage.value for stage in after if after[stage] != before[stage]} == {"search_documents"}


def test_the_same_title_again_asks_for_nothing(site: Site, studio: Studio, own: int) -> None:
    with site.as_("owner") as client:
        assert client.patch(f"/videos/{own}", json={"title": "Herons"}).status_code == 200
    assert open_launch(studio, own) is None


def test_a_change_on_top_of_an_unseen_one_is_refused(site: Site, own: int) -> None:
    with site.as_("owner") as client:
        etag = client.get(f"/videos/{own}").headers["etag"]
        first = client.patch(f"/videos/{own}", json={"title": "One"}, headers={"If-Match": etag})
        second = client.patch(f"/videos/{own}", json={"title": "Two"}, headers={"If-Match": etag})
        assert (first.status_code, second.status_code) == (200, 412)
        assert client.get(f"/videos/{own}").json()["title"] == "One"


def test_corrected_captions_say_what_follows_and_are_heard(site: Site, studio: Studio, own: int) -> None:
    with site.as_("owner") as client:
        current = client.get(f"/videos/{own}/captions")
        assert current.text == CAPTIONS
        headers = {"Content-Type": "text/vtt", "If-Match": current.headers["etag"]}
        put = client.put(f"/videos/{own}/captions", content=OTHER.encode(), headers=headers)
        assert put.status_code == 200, put.text
        remakes = {each["stage"]: each for each in put.json()["remakes"]}
        assert set(remakes) == {"transcripts", "summaries", "search_documents"}
        assert all(each["wallSeconds"] > 0 for each in remakes.values())
        late = client.put(f"/videos/{own}/captions", content=CAPTIONS.encode(), headers=headers)
        assert late.status_code == 412
        studio.run(own)
        said = client.get(f"/videos/{own}/transcript").json()
        assert "pelicans" in said["segments"][0]["text"]
        gone = client.request("DELETE", f"/videos/{own}/captions", headers={"If-Match": put.json()["etag"]})
        assert gone.status_code == 200
        assert client.get(f"/videos/{own}/captions").status_code == 404


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"<html>"])
def test_what_is_no_captions_is_refused_while_somebody_looks(site: Site, own: int, body: bytes) -> None:
    with site.as_("owner") as client:
        answer = client.put(f"/videos/{own}/captions", content=body, headers={"Content-Type": "text/vtt"})
        assert answer.status_code == 422, answer.text
        assert client.get(f"/videos/{own}/captions").text == CAPTIONS


def test_stages_asked_for_are_made_again_by_the_sensors_run(site: Site, studio: Studio, own: int) -> None:
    with site.as_("owner") as client:
        first = client.post(f"/videos/{own}/retry", json={"stages": ["variants"]})
        second = client.post(f"/videos/{own}/retry")
    assert (first.status_code, second.status_code) == (202, 409)
    tags = requested(studio)[own]
    assert tags[FORCE_TAG] == "variants"
    assert tags["video_assets/reason"] == "retry"
    before = {stage: each.run_id for stage, each in studio.made(own).items()}
    studio.run(own, tags={FORCE_TAG: "variants"})
    after = {stage: each.run_id for stage, each in studio.made(own).items()}
    assert {stage.value for stage in after if after[stage] != before[stage]} == {"variants"}


def test_a_cancelled_video_waits_no_more(site: Site, studio: Studio) -> None:
    site.as_("owner").close()
    waiting = studio.systems
    video_id = studio.video(user_id=site.ids["owner"])
    with waiting.database.write() as session:
        session.query(LaunchRow).filter(LaunchRow.video_id == video_id).delete()
    with site.as_("owner") as client:
        assert client.post(f"/videos/{video_id}/cancel").status_code == 202
        assert video_id not in requested(studio)
        with waiting.database.read() as session:
            assert session.get(CancelRequestRow, video_id) is None
    Projector(waiting).advance(studio.instance, 0)
    assert studio.status(video_id)[0] == "failed"


def test_many_at_once_are_told_one_by_one(site: Site, own: int) -> None:
    with site.as_("owner") as client:
        answer = client.post("/videos/cancel", json={"videoIds": [own, 999_999]}).json()["items"]
    assert answer == [
        {"videoId": own, "accepted": False, "detail": "nothing of it is running"},
        {"videoId": 999_999, "accepted": False, "detail": "there is no video 999999"},
    ]


def test_a_deleted_video_is_gone_everywhere(site: Site, studio: Studio, own: int) -> None:
    with site.as_("owner") as client:
        assert client.delete(f"/videos/{own}").status_code == 204
        for path in (f"/videos/{own}", f"/videos/{own}/watch", f"/videos/{own}/transcript"):
            assert client.get(path).status_code == 404
        assert client.delete(f"/videos/{own}").status_code == 404
        found = client.get("/videos/search", params={"q": "herons harbour"}).json()["items"]
        assert own not in [each["videoId"] for each in found]
    with studio.systems.database.read() as session:
        actions = session.scalars(select(AuditRow.action).where(AuditRow.video_id == own)).all()
    assert "video.delete" in actions


def test_a_share_link_opens_one_video_until_it_is_closed(site: Site, studio: Studio, own: int) -> None:
    with site.as_("owner") as client:
        client.patch(f"/videos/{own}", json={"visibility": "private"})
        made = client.post(f"/videos/{own}/shares", json={"expiresInDays": 1}).json()
        word = made["url"].partition("share=")[2]
        with site.client() as anybody:
            assert anybody.get(f"/videos/{own}").status_code == 404
            watch = anybody.get(f"/videos/{own}/watch", params={"share": word})
            assert watch.status_code == 200
            master = httpx.get(site.address + watch.json()["hls"], trust_env=False)
            assert master.status_code == 200
            assert client.delete(f"/videos/{own}/shares/{made['id']}").status_code == 204
            assert anybody.get(f"/videos/{own}/watch", params={"share": word}).status_code == 404
            assert httpx.get(site.address + watch.json()["hls"], trust_env=False).status_code == 404


def test_a_stream_tells_each_change_once_and_goes_on_where_it_broke_off(site: Site, own: int) -> None:
    events: list[dict[str, Any]] = []
    ids: list[str] = []
    seen = threading.Event()

    def listen() -> None:
        with site.client(site.words["owner"]) as client, client.stream("GET", f"/videos/events?ids={own}") as told:
            for line in told.iter_lines():
                if line.startswith("id: "):
                    ids.append(line[4:])
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))
                    seen.set()
                    if len(events) == 2:
                        return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert seen.wait(20)
    with site.as_("owner") as client:
        client.patch(f"/videos/{own}", json={"title": "Changed"})
    listener.join(20)
    assert [each["title"] for each in events] == ["Herons", "Changed"]
    timeout = httpx.Timeout(30, read=2.5)
    with site.client(site.words["owner"]) as client, pytest.raises(httpx.ReadTimeout):
        headers = {"Last-Event-ID": ids[-1]}
        with client.stream("GET", f"/videos/events?ids={own}", headers=headers, timeout=timeout) as told:
            assert [line for line in told.iter_lines() if line.startswith("data")] == []


def test_a_private_video_is_private_after_everything_was_made_again(site: Site, studio: Studio, own: int) -> None:
    with site.as_("owner") as client:
        client.patch(f"/videos/{own}", json={"visibility": "private"})
    systems = studio.systems
    with systems.database.write() as session:
        session.execute(delete(VideoRow).where(VideoRow.id == own))
    assert restore(own, database=systems.database, storage=systems.storage, settings=systems.settings)
    rebuild_index(systems)
    with site.as_("member") as member:
        assert member.get(f"/videos/{own}").status_code == 404
        found = member.get("/videos/search", params={"q": "herons harbour", "limit": 50}).json()["items"]
        assert own not in [each["videoId"] for each in found]
    with site.as_("owner") as client:
        assert client.get(f"/videos/{own}").json()["visibility"] == "private"
    systems.storage.put_bytes(access_key(own), b"garbage")
    assert stored(systems.storage, own) == (Visibility.PRIVATE, 1)
