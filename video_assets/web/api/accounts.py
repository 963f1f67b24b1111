"""Signing up, in and out; oneself; whether an address is taken; and, for admins, accounts and invitations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field, SecretStr

from video_assets.accounts import rows, signing_in
from video_assets.accounts.permissions import Role, Scope
from video_assets.accounts.rows import User
from video_assets.clock import utc_now
from video_assets.web import rates
from video_assets.web.ask import COOKIE, Ask, Asked
from video_assets.web.problems import Problem
from video_assets.web.words import Asking, Saying, described

router = APIRouter(tags=["accounts"])


class Me(Saying):
    """A user."""

    id: int
    email: str
    name: str
    role: Role
    disabled: bool
    created_at: datetime

    @classmethod
    def of(cls, user: User) -> Me:
        return cls(
            id=user.id,
            email=user.email,
            name=user.name,
            role=user.role,
            disabled=user.disabled,
            created_at=user.created_at,
        )


class Signup(Asking):
    """A new account."""

    email: str = Field(max_length=320, json_schema_extra=described("ada@example.org"))
    name: str = Field(min_length=1, max_length=200, json_schema_extra=described("Ada"))
    password: SecretStr = Field(
        description="8 to 1,024 characters.", json_schema_extra=described("correct horse battery staple")
    )
    invitation: str | None = Field(None, max_length=200, description="Where signing up is by invitation.")


class Login(Asking):
    """Who signs in."""

    email: str = Field(max_length=320, json_schema_extra=described("ada@example.org"))
    password: SecretStr = Field(json_schema_extra=described("correct horse battery staple"))


class SignedIn(Saying):
    """A session. The token is told only now; browsers get it as a cookie too."""

    user: Me
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_at: datetime


@router.post("/auth/signup", status_code=201, summary="Make an account and sign in")
def signup(ask: Asked, body: Signup, response: Response) -> SignedIn:
    ask.web.rates.hit(rates.SIGNUP, "signup", ask.address)
    user = signing_in.sign_up(
        ask.systems.database,
        email=body.email,
        name=body.name,
        password=body.password.get_secret_value(),
        how=ask.settings.signup,
        invitation=body.invitation,
        now=utc_now(),
        address=ask.address,
    )
    found = signing_in.begin_session(ask.systems.database, user, now=utc_now(), address=ask.address)
    return _signed_in(ask, found, response)


@router.post("/auth/login", summary="Sign in")
def login(ask: Asked, body: Login, response: Response) -> SignedIn:
    # First by address: who is refused there uses up nobody's tries. Then by account and address, so that a stranger
    # does not lock its owner out; and by account, so that it cannot be tried from a thousand addresses.
    email, network = body.email.strip().lower(), rates.network_of(ask.address)
    ask.web.rates.hit(rates.LOGIN_ADDRESS, "login-address", network)
    ask.web.rates.hit(rates.LOGIN, "login", email, network)
    ask.web.rates.hit(rates.LOGIN_ACCOUNT, "login-account", email)
    found = signing_in.sign_in(
        ask.systems.database,
        email=body.email,
        password=body.password.get_secret_value(),
        now=utc_now(),
        address=ask.address,
    )
    return _signed_in(ask, found, response)


@router.post("/auth/logout", status_code=204, summary="Sign out: the token is no good any more")
def logout(ask: Asked) -> Response:
    signing_in.sign_out(ask.systems.database, ask.signed_in(), now=utc_now(), address=ask.address)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=_is_https(ask))
    return response


@router.get("/users/me", summary="Oneself")
def users_me(ask: Asked) -> Me:
    who = ask.require(Scope.READ)
    with ask.systems.database.read() as session:
        user = rows.by_id(session, who.user_id or 0)
    if user is None:
        raise Problem(401, "this account is gone; sign in with another one")
    return Me.of(user)


class EmailCheck(Saying):
    """What is told of an address."""

    email: str
    available: bool


@router.get("/users/check-email", summary="Whether an address can still be signed up with")
def check_email(ask: Asked, email: Annotated[str, Query(max_length=320, examples=["ada@example.org"])]) -> EmailCheck:
    return _checked(ask, email)


class EmailToCheck(Asking):
    """The address in question."""

    email: str = Field(max_length=320, json_schema_extra=described("ada@example.org"))


@router.post("/users/check-email", summary="The same, with the address out of access logs")
def check_email_post(ask: Asked, body: EmailToCheck) -> EmailCheck:
    return _checked(ask, body.email)


class Users(Saying):
    """A page of users."""

    items: list[Me]
    next_cursor: str | None


@router.get("/users", summary="All users, for admins")
def list_users(
    ask: Asked,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Users:
    from video_assets.web.words import before, cursor_of

    ask.require(Scope.ADMIN)
    with ask.systems.database.read() as session:
        found = rows.users(session, after=before(cursor) or 0, limit=limit + 1)
    more = found[limit - 1].id if len(found) > limit else None
    return Users(items=[Me.of(user) for user in found[:limit]], next_cursor=cursor_of(more))


class UserChange(Asking):
    """What an admin changes."""

    role: Role | None = None
    disabled: bool | None = None


@router.patch("/users/{user_id}", summary="Change a user's role, or let him in no more")
def change_user(ask: Asked, user_id: Annotated[int, Path(ge=1, lt=2**31)], body: UserChange) -> Me:
    who = ask.require(Scope.ADMIN)
    if user_id == who.user_id and (body.disabled or body.role not in (None, Role.ADMIN)):
        raise Problem(409, "nobody takes the admin's role from himself; another admin can")
    with ask.systems.database.write() as session:
        user = rows.by_id(session, user_id)
        if user is None:
            raise Problem(404, f"there is no user {user_id}")
        rows.set_role(session, user_id, body.role or user.role, now=utc_now())
        session.flush()
        if body.disabled is not None:
            rows.set_disabled(session, user_id, body.disabled)
        ask.note(session, "user.change", user=user_id, role=body.role and body.role.value, disabled=body.disabled)
        session.flush()
        session.expire_all()
        changed = rows.by_id(session, user_id)
    assert changed is not None
    return Me.of(changed)


class InvitationWanted(Asking):
    """What the invited person will be."""

    role: Role = Role.UPLOADER
    expires_in_days: int = Field(14, ge=1, le=365)


class Invitation(Saying):
    """An invitation. The word is told only now."""

    id: int
    invitation: str
    role: Role
    expires_at: datetime


@router.post("/invitations", status_code=201, summary="Invite one person, for admins")
def invite(ask: Asked, body: InvitationWanted) -> Invitation:
    who, now = ask.require(Scope.ADMIN), utc_now()
    with ask.systems.database.write() as session:
        expires = now + timedelta(days=body.expires_in_days)
        row, word = rows.invite(session, role=body.role, by=who.user_id, now=now, expires_at=expires)
        ask.note(session, "invitation.create", role=body.role.value)
        return Invitation(id=row.id, invitation=word, role=body.role, expires_at=expires)


def _signed_in(ask: Ask, found: signing_in.SignedIn, response: Response) -> SignedIn:
    response.set_cookie(
        COOKIE,
        found.word,
        expires=found.expires_at,
        path="/",
        httponly=True,
        samesite="lax",  # `strict` would sign people out who follow a link from a mail
        secure=_is_https(ask),
    )
    response.headers["Cache-Control"] = "no-store"
    return SignedIn(user=Me.of(found.user), access_token=found.word, expires_at=found.expires_at)


def _checked(ask: Ask, email: str) -> EmailCheck:
    ask.web.rates.hit(rates.CHECK, "check-email", ask.address)
    cleaned = signing_in.clean_email(email)
    with ask.systems.database.read() as session:
        return EmailCheck(email=cleaned, available=rows.by_email(session, cleaned) is None)


def _is_https(ask: Ask) -> bool:
    return ask.request.url.scheme == "https" or ask.settings.public_url.startswith("https://")
