"""Rows of users, accounts, tokens and invitations. The callers decide who may."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from video_assets.accounts import secrets
from video_assets.accounts.permissions import Principal, Role, Scope, effective
from video_assets.database.models import AccountRow, InvitationRow, TokenRow, UserRow
from video_assets.database.upsert import upsert

USED_STEP = timedelta(minutes=5)
"""`last_used_at` is no finer than this, or each request would write."""


@dataclass(frozen=True)
class User:
    """A user, as others may see him."""

    id: int
    email: str
    name: str
    role: Role
    created_at: datetime
    disabled: bool = False


def by_email(session: Session, email: str) -> tuple[User, str] | None:
    """The user with this address, and the hash of his password."""
    row = session.scalar(select(UserRow).where(UserRow.email == email))
    if row is None:
        # The services before kept addresses as they were typed.
        row = session.scalar(select(UserRow).where(func.lower(UserRow.email) == email).order_by(UserRow.id).limit(1))
    return (_user(session, row), row.password_hash) if row else None


def by_id(session: Session, user_id: int) -> User | None:
    """The user of this id."""
    row = session.get(UserRow, user_id)
    return _user(session, row) if row else None


def users(session: Session, *, after: int = 0, limit: int = 100) -> list[User]:
    """Users by id, those above `after`."""
    rows = session.scalars(select(UserRow).where(UserRow.id > after).order_by(UserRow.id).limit(limit))
    return [_user(session, row) for row in rows]


def is_empty(session: Session) -> bool:
    """Whether there is no user at all: who comes now is the administrator. Of two who come at once, one is."""
    if session.get_bind().dialect.name != "sqlite":  # there the writing transaction already is the only one
        session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    return session.scalar(select(UserRow.id).limit(1)) is None


def add_user(session: Session, *, email: str, name: str, password_hash: str, role: Role, now: datetime) -> User:
    """A new user. IntegrityError where the address is taken."""
    row = UserRow(email=email, name=name, password_hash=password_hash, created_at=now, updated_at=now)
    session.add(row)
    session.flush()
    set_role(session, row.id, role, now=now)
    return _user(session, row)


def set_role(session: Session, user_id: int, role: Role, *, now: datetime) -> None:
    """Gives the user another role."""
    row = session.get(AccountRow, user_id)
    if row is None:
        upsert(
            session,
            AccountRow,
            ("user_id",),
            [{"user_id": user_id, "role": role.value, "disabled": False, "created_at": now}],
        )
        session.expire_all()
    else:
        row.role = role.value


def set_disabled(session: Session, user_id: int, disabled: bool) -> None:
    """Lets the user in no more, or again. His tokens are useless meanwhile."""
    session.execute(update(AccountRow).where(AccountRow.user_id == user_id).values(disabled=disabled))


def set_password_hash(session: Session, user_id: int, password_hash: str, *, now: datetime) -> None:
    """Keeps another hash of the user's password."""
    values = {"password_hash": password_hash, "updated_at": now}
    session.execute(update(UserRow).where(UserRow.id == user_id).values(values))


def add_token(
    session: Session,
    user_id: int,
    *,
    kind: str,
    name: str,
    scopes: Collection[Scope],
    now: datetime,
    expires_at: datetime | None,
) -> tuple[TokenRow, str]:
    """A new session or API token, and the word itself, which is told only now."""
    word = secrets.new(secrets.SESSION if kind == "session" else secrets.API)
    row = TokenRow(
        hash=secrets.hash_of(word),
        kind=kind,
        user_id=user_id,
        name=name,
        scopes=sorted(scope.value for scope in scopes),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return row, word


def principal_of(session: Session, word: str, *, now: datetime) -> tuple[Principal, bool] | None:
    """Who a token stands for, and whether its use is to be noted (`note_use`); None where it is unknown, revoked,
    expired, or its user is disabled."""
    row = session.execute(
        select(TokenRow, AccountRow.role, AccountRow.disabled)
        .outerjoin(AccountRow, AccountRow.user_id == TokenRow.user_id)
        .where(TokenRow.hash == secrets.hash_of(word))
    ).one_or_none()
    if row is None:
        return None
    token, role, disabled = row
    if disabled or token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now):
        return None
    kind = Role(role) if role else Role.UPLOADER
    is_session = token.kind == "session"
    scopes = effective(kind, None if is_session else [Scope(each) for each in token.scopes])
    unnoted = token.last_used_at is None or token.last_used_at < now - USED_STEP
    return Principal(user_id=token.user_id, role=kind, scopes=scopes, token_id=token.id, is_api=not is_session), unnoted


def note_use(session: Session, token_id: int, *, now: datetime) -> None:
    """Notes that a token was used."""
    old = TokenRow.last_used_at.is_(None) | (TokenRow.last_used_at < now - USED_STEP)
    session.execute(update(TokenRow).where(TokenRow.id == token_id, old).values(last_used_at=now))


def tokens(session: Session, user_id: int) -> list[TokenRow]:
    """The user's tokens that are not revoked, newest first."""
    query = select(TokenRow).where(TokenRow.user_id == user_id, TokenRow.revoked_at.is_(None))
    return list(session.scalars(query.order_by(TokenRow.id.desc()).limit(500)))


def revoke_token(session: Session, token_id: int, *, now: datetime, user_id: int | None = None) -> bool:
    """Makes a token useless; of one user's alone where one is given. False where there is none to revoke."""
    query = update(TokenRow).where(TokenRow.id == token_id, TokenRow.revoked_at.is_(None))
    if user_id is not None:
        query = query.where(TokenRow.user_id == user_id)
    return bool(session.execute(query.values(revoked_at=now)).rowcount)  # type: ignore[attr-defined]


def revoke_sessions(session: Session, user_id: int, *, now: datetime, but: int | None = None) -> None:
    """Signs the user out everywhere, but for one token."""
    query = update(TokenRow).where(TokenRow.user_id == user_id, TokenRow.revoked_at.is_(None))
    session.execute((query if but is None else query.where(TokenRow.id != but)).values(revoked_at=now))


def invite(
    session: Session, *, role: Role, by: int | None, now: datetime, expires_at: datetime
) -> tuple[InvitationRow, str]:
    """A new invitation, and its word."""
    word = secrets.new(secrets.INVITATION)
    row = InvitationRow(
        hash=secrets.hash_of(word), role=role.value, created_by=by, created_at=now, expires_at=expires_at
    )
    session.add(row)
    session.flush()
    return row, word


def open_invitation(session: Session, word: str, *, now: datetime) -> InvitationRow | None:
    """The invitation that this word opens, locked until the end of the transaction, so that one person uses it."""
    query = select(InvitationRow).where(InvitationRow.hash == secrets.hash_of(word), InvitationRow.used_at.is_(None))
    return session.scalar(query.where(InvitationRow.expires_at > now).with_for_update())


def _user(session: Session, row: UserRow) -> User:
    account = session.get(AccountRow, row.id)
    role = Role(account.role) if account else Role.UPLOADER
    return User(row.id, row.email, row.name, role, row.created_at, bool(account and account.disabled))
