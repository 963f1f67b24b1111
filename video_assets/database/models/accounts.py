"""Tables of who may do what: roles, tokens, visibility, share links, and who changed what. All are our own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from video_assets.database.models.base import AutoId, Base


class AccountRow(Base):
    """What `users` has no column for. A user without a row is an `uploader`: the services before had no roles."""

    __tablename__ = "accounts"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    role: Mapped[str] = mapped_column(String(16))
    """viewer, uploader, operator or admin."""
    disabled: Mapped[bool] = mapped_column(Boolean, server_default=false())
    subject: Mapped[str | None] = mapped_column(String(512), unique=True)
    """Issuer and subject of the single sign-on that the account belongs to."""
    created_at: Mapped[datetime]


class TokenRow(Base):
    """A browser session or an API token. Only the hash is kept: who reads the table cannot sign in with it."""

    __tablename__ = "tokens"

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256, hex. The token itself has 256 random bits, so a slow hash would gain nothing."""
    kind: Mapped[str] = mapped_column(String(16))
    """session or api."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    scopes: Mapped[list[str]]
    """Among read, upload, operate, admin; a session has those of its user's role."""
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class InvitationRow(Base):
    """Lets one person sign up where signing up is by invitation."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_by: Mapped[int | None] = mapped_column(Integer)
    used_at: Mapped[datetime | None]


class AccessRow(Base):
    """Who may see a video. Storage has the same, so that a rebuild opens no private video."""

    __tablename__ = "video_access"
    __table_args__ = (Index("ix_video_access_visibility", "visibility", "video_id"),)

    video_id: Mapped[int] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    visibility: Mapped[str] = mapped_column(String(16))
    """private, members or public. A video without a row has the visibility of the setting."""
    version: Mapped[int] = mapped_column(Integer)
    """One more with every change: of two changes that arrive in the wrong order, the search index keeps the later."""
    changed_at: Mapped[datetime]


class ShareLinkRow(Base):
    """An address that shows one video to whoever has it, until it expires or is revoked."""

    __tablename__ = "share_links"

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), index=True)
    created_by: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Something that somebody changed. Written in the transaction of the change, and never changed afterwards."""

    __tablename__ = "audit"
    __table_args__ = (Index("ix_audit_video_id", "video_id"),)

    id: Mapped[int] = mapped_column(AutoId, primary_key=True)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(Integer)
    token_id: Mapped[int | None] = mapped_column(BigInteger)
    action: Mapped[str] = mapped_column(String(64))
    """What was done: `video.delete`, `token.create`."""
    video_id: Mapped[int | None] = mapped_column(Integer)
    """No foreign key: the row outlives the video."""
    details: Mapped[dict[str, Any]]
    address: Mapped[str]
    """Of the client, as the connection or a trusted proxy has it."""


class IdempotencyRow(Base):
    """An answer that was given to a request with an `Idempotency-Key`: the same request gets it again."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Whose key it is: a user's id or an address. Two clients may choose the same key."""
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    """SHA-256 of method, path and body."""
    status: Mapped[int | None] = mapped_column(Integer)
    """NULL while the first request is being answered."""
    body: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(index=True)
