"""Accounts over HTTP: signing up, in and out; old passwords; cookies; what is logged of whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx
import pytest
from sqlalchemy import select

from video_assets.accounts import passwords, rows
from video_assets.accounts.permissions import Role
from video_assets.clock import utc_now
from video_assets.database.models import AuditRow, TokenRow, UserRow
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.web import rates
from video_assets_tests.web.serving import PASSWORD, Site, served

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """A site without any user."""
    with served(Systems(Settings(home=tmp_path / "home"))) as site:
        yield site


def changed(site: Site, **settings: object) -> Systems:
    """The same house with other settings."""
    return Systems(site.systems.settings.model_copy(update=settings))


def signup(client: httpx.Client, name: str, **more: object) -> httpx.Response:
    body = {"email": f"{name}@example.org", "name": name, "password": PASSWORD, **more}
    return client.post("/auth/signup", json=body)


def test_the_first_user_is_admin_and_the_next_ones_upload(empty: Site) -> None:
    with empty.client() as client:
        first, second = signup(client, "ada"), signup(client, "bob")
        again = signup(client, "bob", email="BOB@Example.org ")
    assert first.json()["user"]["role"] == "admin"
    assert second.json()["user"]["role"] == "uploader"
    assert again.status_code == 409


def test_signing_up_is_by_invitation_or_not_at_all_where_it_is_set_so(empty: Site) -> None:
    with served(changed(empty, signup="invitation")) as site, site.client() as anybody:
        assert signup(anybody, "ada").status_code == 201  # somebody has to be the first
        assert signup(anybody, "bob").status_code == 403
        with site.client(signin(site, "ada")) as admin:
            word = admin.post("/invitations", json={"role": "operator"}).json()["invitation"]
        assert signup(anybody, "bob", invitation=word).json()["user"]["role"] == "operator"
        assert signup(anybody, "eve", invitation=word).status_code == 403  # good for once
    with served(changed(empty, signup="closed")) as site, site.client() as anybody:
        assert signup(anybody, "eve").status_code == 403


def signin(site: Site, name: str, password: str = PASSWORD) -> str:
    with site.client() as client:
        answer = client.post("/auth/login", json={"email": f"{name}@example.org", "password": password})
        assert answer.status_code == 200, answer.text
        word: str = answer.json()["accessToken"]
        return word


@pytest.mark.parametrize("password", ["hunter2hunter2", "ä" * 60, "a" + "ä" * 60])
def test_a_password_of_the_old_service_signs_in_and_is_hashed_anew(empty: Site, password: str) -> None:
    """Its bcrypt looked at 72 bytes, wherever a character ends."""
    old = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode().replace("$2b$", "$2a$", 1)
    with empty.systems.database.write() as session:
        now = utc_now()
        session.add(UserRow(email="Old@Example.org", name="Old", password_hash=old, created_at=now, updated_at=now))
    signin(empty, "old", password)
    with empty.systems.database.read() as session:
        hashed = session.scalar(select(UserRow.password_hash)) or ""
    assert hashed.startswith("$argon2id$")
    signin(empty, "old", password)
    assert not passwords.verify(password[:-1], hashed)[0]


def test_a_wrong_password_and_no_such_user_are_told_alike(empty: Site) -> None:
    with empty.client() as client:
        signup(client, "ada")
        wrong = client.post("/auth/login", json={"email": "ada@example.org", "password": "wrong wrong"})
        nobody = client.post("/auth/login", json={"email": "eve@example.org", "password": "wrong wrong"})
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.json() == nobody.json()


def test_guessing_is_slowed_down_by_account(empty: Site) -> None:
    with empty.client() as client:
        signup(client, "ada")
        body = {"email": "ada@example.org", "password": "wrong wrong"}
        codes = [client.post("/auth/login", json=body).status_code for _ in range(rates.LOGIN.amount + 1)]
        assert codes == [401] * rates.LOGIN.amount + [429]
        late = client.post("/auth/login", json=body)
        assert int(late.headers["retry-after"]) > 0


def test_who_signs_out_is_out_and_the_cookie_goes(empty: Site) -> None:
    with empty.client() as client:
        signup(client, "ada")  # the cookie is kept by the client
        assert client.get("/users/me").json()["email"] == "ada@example.org"
        word = client.cookies["va_session"]
        out = client.post("/auth/logout")
        assert out.status_code == 204
        assert "va_session" not in client.cookies
    with empty.client(word) as stolen:
        assert stolen.get("/users/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({}, 201),
    ],
)
def test_a_page_of_another_site_does_nothing_with_the_cookie(empty: Site, headers: dict[str, str], code: int) -> None:
    with empty.client() as client:
        signup(client, "ada")
        answer = client.post("/tokens", json={"name": "t", "scopes": ["read"]}, headers=headers)
    assert answer.status_code == code, answer.text


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(empty: Site) -> None:
    with empty.client() as client:
        said = signup(client, "ada").headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said
    assert "path=/" in said


def test_a_token_does_no_more_than_it_says_nor_makes_a_stronger_one(empty: Site) -> None:
    with empty.as_("ada") as ada:
        made = ada.post("/tokens", json={"name": "script", "scopes": ["read"], "expiresInDays": 1}).json()
        with empty.client(made["token"]) as script:
            assert script.get("/videos").status_code == 200
            assert script.post("/tokens", json={"name": "t", "scopes": ["upload"]}).status_code == 403
            assert ada.delete(f"/tokens/{made['about']['id']}").status_code == 204
            assert script.get("/videos").status_code == 401
        listed = ada.get("/tokens").json()["items"]
    assert listed[0]["lastUsedAt"]
    assert [each["kind"] for each in listed] == ["session"]


def test_a_user_who_is_let_in_no_more_is_out_at_once(empty: Site) -> None:
    with empty.as_("ada") as ada, empty.as_("bob") as bob:
        assert bob.get("/users/me").status_code == 200
        changed = ada.patch(f"/users/{empty.ids['bob']}", json={"disabled": True})
        assert changed.json()["disabled"] is True
        assert bob.get("/users/me").status_code == 401
        assert ada.patch(f"/users/{empty.ids['ada']}", json={"role": "viewer"}).status_code == 409


def test_a_lesser_role_takes_from_tokens_that_are_out(empty: Site) -> None:
    with empty.as_("ada"), empty.as_("bob") as bob:
        with empty.systems.database.write() as session:
            rows.set_role(session, empty.ids["bob"], Role.VIEWER, now=utc_now())
        refused = bob.post("/videos/upload/initiate", json={"filename": "a.mp4", "sizeBytes": 1})
    assert refused.status_code == 403


def test_no_word_and_no_password_is_kept_or_repeated(empty: Site) -> None:
    secret = "correct horse battery"
    with empty.client() as client:
        word = signup(client, "ada", password=secret).json()["accessToken"]
        echoed = client.post("/auth/signup", json={"email": secret, "name": 7, "password": secret, "extra": secret})
    assert echoed.status_code == 422
    assert secret not in echoed.text
    with empty.systems.database.read() as session:
        kept = [
            repr(row) for model in (UserRow, TokenRow, AuditRow) for row in session.execute(select(model.__table__))
        ]
    assert not [each for each in kept if secret in each or word in each]


def test_what_changes_something_is_noted(empty: Site) -> None:
    with empty.as_("ada") as ada:
        ada.post("/tokens", json={"name": "t", "scopes": ["read"]})
        trail = ada.get("/audit").json()["items"]
    assert [each["action"] for each in trail] == ["token.create", "user.login", "user.signup"]
    assert {each["address"] for each in trail} == {"127.0.0.1"}
