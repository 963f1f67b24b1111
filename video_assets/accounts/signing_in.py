"""Signing up, in and out. Each function is one transaction; hashing happens outside of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video_assets.accounts import audit, passwords, rows
from video_assets.accounts.permissions import Principal, Role
from video_assets.accounts.rows import User
from video_assets.database.engine import Database
from video_assets.database.models import InvitationRow
from video_assets.errors import BadInput, PermanentError, one_line

SESSION_LIFE = timedelta(days=30)
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


class NotAllowed(PermanentError):
    """Right or wrong, this may not be done here or by this person."""


class WrongPassword(PermanentError):
    """No such user, or not his password: which of the two is not told."""


class Taken(PermanentError):
    """The address belongs to an account already."""


@dataclass(frozen=True)
class SignedIn:
    """A new session."""

    user: User
    word: str
    """The token; it is told only now."""
    token_id: int
    expires_at: datetime


def clean_email(email: str) -> str:
    """The address as it is compared: lower case, no blanks around. BadInput where it is none."""
    cleaned = email.strip().lower()
    if len(cleaned) > 254 or not cleaned.isprintable() or not _EMAIL.fullmatch(cleaned):
        raise BadInput("this is no e-mail address; give one such as ada@example.org")
    return cleaned


def sign_up(
    database: Database,
    *,
    email: str,
    name: str,
    password: str,
    how: str,
    invitation: str | None,
    now: datetime,
    address: str,
) -> User:
    """A new account. `how`: open, invitation or closed. The very first user is admin, however signing up is set: else
    nobody could ever let anybody in. Where the users of the services before were taken over, an operator names the
    admin (`video-assets account`). Raises NotAllowed, Taken, BadInput where something given is no good."""
    email, name = clean_email(email), one_line(name, 100).strip()
    if not name:
        raise BadInput("a name has at least one visible character; give one")
    passwords.check(password)
    with database.write() as session:  # before the hash, which is dear
        _must_be_let_in(session, how, invitation, now)
        if rows.by_email(session, email) is not None:
            raise Taken("an account has this e-mail address already; sign in instead")
    hashed = passwords.hash_password(password)
    try:
        with database.write() as session:
            role, invited = _must_be_let_in(session, how, invitation, now)
            user = rows.add_user(session, email=email, name=name, password_hash=hashed, role=role, now=now)
            if invited is not None:
                invited.used_by, invited.used_at = user.id, now
            audit.note(session, Principal(user_id=user.id), "user.signup", at=now, address=address, role=role.value)
    except IntegrityError:
        raise Taken("an account has this e-mail address already; sign in instead") from None
    return user


def _must_be_let_in(
    session: Session, how: str, invitation: str | None, now: datetime
) -> tuple[Role, InvitationRow | None]:
    """The role of whoever signs up now, and the invitation that gives it."""
    if rows.is_empty(session):
        return Role.ADMIN, None
    invited = rows.open_invitation(session, invitation, now=now) if invitation else None
    if invited is not None and how != "closed":
        return Role(invited.role), invited
    if how == "open":
        return Role.UPLOADER, None
    if how == "invitation":
        raise NotAllowed("signing up is by invitation here, and each is good for once; ask for one")
    raise NotAllowed("signing up is closed here; ask an administrator for an account")


def sign_in(database: Database, *, email: str, password: str, now: datetime, address: str) -> SignedIn:
    """A new session of a user. Raises WrongPassword; NotAllowed where the account is disabled."""
    try:
        email = clean_email(email)
    except BadInput:
        raise WrongPassword("e-mail address or password is wrong") from None
    with database.read() as session:
        found = rows.by_email(session, email)
    right, better = passwords.verify(password, found[1] if found else None)
    if not right or found is None:
        raise WrongPassword("e-mail address or password is wrong")
    user = found[0]
    if user.disabled:
        raise NotAllowed("this account is disabled; ask an administrator")
    if better:
        with database.write() as session:
            rows.set_password_hash(session, user.id, better, now=now)
    return begin_session(database, user, now=now, address=address)


def begin_session(database: Database, user: User, *, now: datetime, address: str) -> SignedIn:
    """A new session of somebody who has shown who he is."""
    with database.write() as session:
        expires = now + SESSION_LIFE
        token, word = rows.add_token(
            session, user.id, kind="session", name="sign-in", scopes=(), now=now, expires_at=expires
        )
        audit.note(session, Principal(user_id=user.id, token_id=token.id), "user.login", at=now, address=address)
        return SignedIn(user, word, token.id, expires)


def sign_out(database: Database, principal: Principal, *, now: datetime, address: str) -> None:
    """Revokes the token that the request came with."""
    if principal.token_id is None:
        return
    with database.write() as session:
        rows.revoke_token(session, principal.token_id, now=now)
        audit.note(session, principal, "user.logout", at=now, address=address)
