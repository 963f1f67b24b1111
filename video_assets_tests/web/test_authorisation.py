"""Who may do what: every route, for everybody, on videos of every visibility. One table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from video_assets.accounts import rows
from video_assets.accounts.permissions import Role, Visibility
from video_assets.clock import utc_now
from video_assets.database.models import AccessRow, VideoRow
from video_assets.library import editing
from video_assets_tests.defs.studio import Studio
from video_assets_tests.web.serving import Site

pytestmark = pytest.mark.timeout(600)

ANYONE, SEE, CHANGE, READ, UPLOAD, OPERATE, ADMIN = "anyone", "see", "change", "read", "upload", "operate", "admin"
PERSON = "person"
"""Signed in with a password: a token that leaked must not make others, nor revoke its owner's."""
ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/health/live"): ANYONE,
    ("GET", "/health/ready"): ANYONE,
    ("GET", "/health"): ANYONE,
    ("POST", "/auth/signup"): ANYONE,
    ("POST", "/auth/login"): ANYONE,
    ("GET", "/users/check-email"): ANYONE,
    ("POST", "/users/check-email"): ANYONE,
    ("POST", "/auth/logout"): READ,
    ("GET", "/users/me"): READ,
    ("GET", "/users"): ADMIN,
    ("PATCH", "/users/{user_id}"): ADMIN,
    ("POST", "/invitations"): ADMIN,
    ("GET", "/audit"): ADMIN,
    ("GET", "/tokens"): READ,
    ("POST", "/tokens"): PERSON,
    ("DELETE", "/tokens/{token_id}"): PERSON,
    ("GET", "/videos"): ANYONE,
    ("GET", "/videos/search"): ANYONE,
    ("GET", "/videos/events"): ANYONE,
    ("POST", "/videos/upload/initiate"): UPLOAD,
    ("POST", "/videos/upload/presign"): UPLOAD,
    ("PUT", "/videos/upload/{upload_id}/parts/{part_number}"): ANYONE,  # the signature lets it in
    ("GET", "/videos/upload/{upload_id}/parts"): UPLOAD,
    ("POST", "/videos/upload/complete"): UPLOAD,
    ("POST", "/videos/upload/abort"): UPLOAD,
    ("GET", "/queue"): READ,
    ("GET", "/failures"): UPLOAD,
    ("POST", "/videos/retry"): ANYONE,
    ("POST", "/videos/cancel"): ANYONE,
    ("GET", "/videos/{video_id}"): SEE,
    ("PATCH", "/videos/{video_id}"): CHANGE,
    ("DELETE", "/videos/{video_id}"): CHANGE,
    ("GET", "/videos/{video_id}/artifacts"): CHANGE,
    ("GET", "/videos/{video_id}/events"): SEE,
    ("GET", "/videos/{video_id}/watch"): SEE,
    ("GET", "/videos/{video_id}/hls/master.m3u8"): SEE,
    ("GET", "/videos/{video_id}/hls/{rung}.m3u8"): SEE,
    ("GET", "/videos/{video_id}/storyboard.vtt"): SEE,
    ("GET", "/videos/{video_id}/captions/{language}.vtt"): SEE,
    ("GET", "/videos/{video_id}/chapters.vtt"): SEE,
    ("GET", "/videos/{video_id}/media/{content}/{name}"): SEE,
    ("GET", "/videos/{video_id}/download"): SEE,
    ("GET", "/videos/{video_id}/transcript"): SEE,
    ("GET", "/videos/{video_id}/summary"): SEE,
    ("GET", "/videos/{video_id}/captions"): SEE,
    ("PUT", "/videos/{video_id}/captions"): CHANGE,
    ("DELETE", "/videos/{video_id}/captions"): CHANGE,
    ("GET", "/videos/{video_id}/shares"): CHANGE,
    ("POST", "/videos/{video_id}/shares"): CHANGE,
    ("DELETE", "/videos/{video_id}/shares/{share_id}"): CHANGE,
    ("POST", "/videos/{video_id}/retry"): CHANGE,
    ("POST", "/videos/{video_id}/cancel"): CHANGE,
}
"""ANYONE: the route itself lets everybody in; a list, and what is done of many, is decided video by video."""
BODIES: dict[tuple[str, str], Any] = {
    ("PATCH", "/videos/{video_id}"): {},
    ("PATCH", "/users/{user_id}"): {},
    ("POST", "/tokens"): {"name": "t", "scopes": ["read"]},
    ("POST", "/invitations"): {},
    ("POST", "/videos/upload/initiate"): {"filename": "a.mp4", "sizeBytes": 0},
    ("POST", "/videos/upload/presign"): {"uploadId": "0" * 32, "partNumber": 1},
    ("POST", "/videos/upload/complete"): {"uploadId": "0" * 32},
    ("POST", "/videos/upload/abort"): {"uploadId": "0" * 32},
}
SCOPES = {
    "anonymous": set(),
    "share link": set(),
    "viewer": {READ},
    "other": {READ, UPLOAD},
    "owner": {READ, UPLOAD},
    "operator": {READ, UPLOAD, OPERATE},
    "admin": {READ, UPLOAD, OPERATE, ADMIN},
    "owner's read token": {READ},
    "owner's upload token": {UPLOAD},
    "operator's operate token": {OPERATE},
    "admin's admin token": {ADMIN},
}
SEES = {
    "private": {
        "share link",
        "owner",
        "operator",
        "admin",
        "owner's read token",
        "owner's upload token",
        "operator's operate token",
    },
    "members": {
        "share link",
        "viewer",
        "other",
        "owner",
        "operator",
        "admin",
        "owner's read token",
        "owner's upload token",
        "operator's operate token",
    },
    "public": set(SCOPES),
}
CHANGES = {"owner", "owner's upload token", "operator", "operator's operate token", "admin"}


@dataclass
class People:
    """A client for each."""

    clients: dict[str, httpx.Client]

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


@pytest.fixture(scope="module")
def people(site: Site, ready: int) -> Iterator[People]:
    clients = {name: site.as_(name) for name in ("viewer", "other", "owner", "operator", "admin")}
    with site.systems.database.write() as session:
        rows.set_role(session, site.ids["viewer"], Role.VIEWER, now=utc_now())
        rows.set_role(session, site.ids["operator"], Role.OPERATOR, now=utc_now())
    clients["anonymous"] = site.client()
    for name, scope in (("owner", READ), ("owner", UPLOAD), ("operator", OPERATE), ("admin", ADMIN)):
        made = clients[name].post("/tokens", json={"name": "t", "scopes": [scope]})
        assert made.status_code == 201, made.text
        clients[f"{name}'s {scope} token"] = site.client(made.json()["token"])
    link = clients["owner"].post(f"/videos/{ready}/shares").json()["url"]
    clients["share link"] = site.client(**{"X-Share-Token": link.partition("share=")[2]})
    found = People(clients)
    assert set(clients) == set(SCOPES)
    yield found
    found.close()


def expected(kind: str, who: str, seen: str) -> str:
    """What the answer is to be: `yes`, or the status of the refusal."""
    signed_in = who not in ("anonymous", "share link")
    if kind == ANYONE:
        return "yes"
    if kind == PERSON:
        return "401" if not signed_in else "403" if "token" in who else "yes"
    if kind in (READ, UPLOAD, OPERATE, ADMIN):
        return "yes" if kind in SCOPES[who] else "403" if signed_in else "401"
    if who not in SEES[seen]:
        return "404"
    if kind == SEE or who in CHANGES:
        return "yes"
    return "403" if signed_in else "401"


def set_visibility(studio: Studio, video_id: int, seen: str) -> None:
    editing.show_to(studio.systems, video_id, Visibility(seen), now=utc_now(), note=lambda _: None)


def bare_video(studio: Studio, owner: int, seen: str) -> int:
    """A row that may be deleted."""
    with studio.systems.database.write() as session:
        now = utc_now()
        row = VideoRow(title="t", user_id=owner, status="failed", created_at=now, updated_at=now)
        session.add(row)
        session.flush()
        session.add(AccessRow(video_id=row.id, visibility=seen, version=1, changed_at=now))
        return row.id


def test_the_table_has_every_route(site: Site) -> None:
    with site.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    there = {(method.upper(), path.removeprefix("/api/v1")) for path, found in paths.items() for method in found}
    assert there == set(ROUTES)


@pytest.mark.parametrize("seen", ["private", "members", "public"])
def test_everybody_may_what_the_table_says_and_no_more(
    site: Site, studio: Studio, people: People, ready: int, seen: str
) -> None:
    set_visibility(studio, ready, seen)
    wrong = []
    manifest = next(each for each in studio.made(ready).values() if each.artefact.value == "variants")
    for (method, route), kind in ROUTES.items():
        if route in ("/auth/signup", "/auth/login", "/auth/logout", "/videos/events"):
            continue  # the first two are for those without an account; the others have tests of their own
        for who, client in people.clients.items():
            video_id = ready
            if (method, route) == ("DELETE", "/videos/{video_id}"):
                if who == "share link":
                    continue  # it is of the other video
                video_id = bare_video(studio, site.ids["owner"], seen)
            address = route.format(
                video_id=video_id,
                rung="240p",
                language="en",
                content=manifest.file("poster.jpg").sha256[:16],
                name="poster.jpg",
                share_id=999_999,
                token_id=999_999,
                upload_id="0" * 32,
                part_number=1,
                user_id=site.ids["viewer"],
            )
            answer = asked(client, method, address, BODIES.get((method, route)))
            got = verdict(answer, video_id)
            if got != expected(kind, who, seen):
                wrong.append((method, route, who, answer.status_code, expected(kind, who, seen)))
    assert wrong == []


def asked(client: httpx.Client, method: str, address: str, body: Any) -> httpx.Response:
    more: dict[str, Any] = {"json": body} if body is not None else {}
    if address.endswith("/captions") and method == "PUT":
        more = {"content": b"no captions", "headers": {"Content-Type": "text/vtt"}}
    if address.endswith("/events"):
        with client.stream(method, address) as answer:  # it never ends
            if answer.status_code != 200:
                answer.read()
            return answer
    if address.endswith(("/search", "/check-email")) and method == "GET":
        more["params"] = {"q": "herons", "email": "x@example.org"}
    return client.request(method, address, **more)


def verdict(answer: httpx.Response, video_id: int) -> str:
    """`yes` where it was let in, whatever came of it then."""
    if answer.status_code in (401, 403) or answer.status_code >= 500:
        return str(answer.status_code)
    if answer.status_code == 404 and answer.json()["detail"] == f"there is no video {video_id}":
        return "404"
    return "yes"


def test_lists_searches_and_streams_show_a_private_video_to_few(
    site: Site, studio: Studio, people: People, ready: int
) -> None:
    for seen in ("private", "members", "public"):
        set_visibility(studio, ready, seen)
        for who, client in people.clients.items():
            may = who in SEES[seen]
            listed = [each["id"] for each in client.get("/videos", params={"limit": 200}).json()["items"]]
            assert (ready in listed) == may, (who, seen)
            found = client.get("/videos/search", params={"q": "herons harbour"}).json()["items"]
            assert (ready in [each["videoId"] for each in found]) == may, (who, seen)
            assert first_event(client, ready) == may, (who, seen)
            waits = [each["videoId"] for each in client.get("/queue").json().get("items", ())]
            assert ready not in waits or may


def first_event(client: httpx.Client, video_id: int) -> bool:
    """Whether a stream over many videos tells of this one."""
    lines: list[str] = []
    try:
        with client.stream("GET", f"/videos/events?ids={video_id},999999", timeout=httpx.Timeout(30, read=1.5)) as told:
            for line in told.iter_lines():
                lines.append(line)
                if line.startswith("data: "):
                    return f'"id":{video_id},' in line
    except httpx.ReadTimeout:
        assert lines  # the stream is open, and says nothing
    return False
