"""Tables about videos. Names and types of the first group are those of the services before; the second is our own."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from video_assets.database.models.base import AutoId, Base
from video_assets.database.types import CleanText


class VideoRow(Base):
    """A video. Intake owns the descriptive columns, the projection the status and what follows it."""

    __tablename__ = "videos"
    # sqlite_autoincrement: the id of a deleted video is never given again.
    __table_args__ = (
        Index("ix_videos_status_created_at", "status", "created_at", "id"),
        Index("ix_videos_user_id_id", "user_id", "id"),  # a user's own videos, newest first
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    title: Mapped[str]
    description: Mapped[str | None]
    user_id: Mapped[int | None] = mapped_column(Integer)
    user_name: Mapped[str | None]
    key: Mapped[str] = mapped_column(CleanText, server_default="")
    status: Mapped[str] = mapped_column(CleanText, server_default="pending")
    status_message: Mapped[str | None]
    processed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class TranscriptRow(Base):
    """The current transcript of a video."""

    __tablename__ = "video_transcripts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), unique=True)
    transcript_text: Mapped[str]
    transcript_path: Mapped[str]
    status: Mapped[str]
    duration_seconds: Mapped[int] = mapped_column(Integer)
    model_info: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SummaryRow(Base):
    """The current summary of a video."""

    __tablename__ = "video_summaries"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), unique=True)
    summary_text: Mapped[str]
    summary_path: Mapped[str]
    model_info: Mapped[dict[str, Any]]
    quality_score: Mapped[float | None] = mapped_column(Float)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class VariantRow(Base):
    """One rung that can be watched."""

    __tablename__ = "video_variants"
    __table_args__ = (Index("ix_video_variants_video_id_quality", "video_id", "quality", unique=True),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    quality: Mapped[str]
    key: Mapped[str]
    created_at: Mapped[datetime]


class OutboxRow(Base):
    """A message to publish. No foreign key: a deleted video's messages are still told."""

    __tablename__ = "outbox_events"
    __table_args__ = (Index("ix_outbox_events_published", "published"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    topic: Mapped[str]
    payload: Mapped[dict[str, Any]]
    published: Mapped[bool] = mapped_column(Boolean, server_default=false())
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    service: Mapped[str]
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class ProcessedMessageRow(Base):
    """A message from outside that was taken, so that it is not taken twice."""

    __tablename__ = "processed_messages"

    message_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    processed_at: Mapped[datetime]


class UploadMetadataRow(Base):
    """What the upload said of itself."""

    __tablename__ = "upload_metadata"

    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True)
    filename: Mapped[str | None]
    content_type: Mapped[str | None]
    upload_id: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    location: Mapped[str | None]
    correlation_id: Mapped[str | None]
    created_at: Mapped[datetime]


class UserRow(Base):
    """An account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[str] = mapped_column(CleanText, unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AttemptRow(Base):
    """One run's story for one video."""

    __tablename__ = "attempts"
    __table_args__ = (Index("ix_attempts_run_id", "run_id"), Index("ix_attempts_state", "state"))

    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    fence: Mapped[str]
    number: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str]
    stages: Mapped[list[str]]
    state: Mapped[str] = mapped_column(String(32))
    error_kind: Mapped[str]
    error_stage: Mapped[str | None]
    error: Mapped[str]
    queued_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ArtifactRow(Base):
    """The ledger: which making of an artifact is current."""

    __tablename__ = "artifacts"
    __table_args__ = (
        # Of the rows that `reconcile` looks for in every round, and of no others: there are none soon.
        Index(
            "ix_artifacts_without_facts",
            "video_id",
            sqlite_where=text("artefact = 'uploads' AND facts IS NULL"),
            postgresql_where=text("artefact = 'uploads' AND facts IS NULL"),
        ),
    )

    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True)
    artefact: Mapped[str] = mapped_column(String(32), primary_key=True)
    fingerprint: Mapped[str]
    content_hash: Mapped[str]
    manifest_key: Mapped[str]
    run_id: Mapped[str]
    fence: Mapped[str]
    made_at: Mapped[datetime]
    first_made_at: Mapped[datetime]
    first_fence: Mapped[str] = mapped_column(CleanText, server_default="")
    """Of the earliest run that made it; empty in rows of a release that did not note it."""
    code_version: Mapped[str]
    inputs: Mapped[dict[str, Any]]
    params: Mapped[dict[str, Any]]
    bytes: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[dict[str, Any]]
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Of `uploads` what its manifest has, as the other stages are decided by it; of the others nothing. NULL in rows of
    a release that did not note it, until `reconcile` has read those of `uploads` from storage."""


class UploadRecordRow(Base):
    """What recipes look at beside artifacts: the uploaded object, what its uploader said, the captions in force. As
    storage has it, not as `videos` shows it: a run goes by storage. Intake owns it."""

    __tablename__ = "upload_records"

    video_id: Mapped[int] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    key: Mapped[str]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of the uploaded object; NULL where storage could not tell, and nothing of the row is known then."""
    title: Mapped[str]
    description: Mapped[str | None]
    captions_sha256: Mapped[str | None] = mapped_column(String(64))
    """NULL where none are in force."""


class MultipartUploadRow(Base):
    """An upload over HTTP: its parts go straight to storage. Kept after its end, so that `complete` can be repeated."""

    __tablename__ = "multipart_uploads"

    upload_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Ours; clients know only this one."""
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), unique=True)
    storage_upload_id: Mapped[str]
    """The storage's own name for it."""
    key: Mapped[str]
    filename: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """As the client declared it; quotas and the size limit go by it."""
    part_bytes: Mapped[int] = mapped_column(BigInteger)
    """Of each part but the last."""
    user_id: Mapped[int | None] = mapped_column(Integer, index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    completed_at: Mapped[datetime | None]


class ProgressRow(Base):
    """The heartbeat of a run, written by the run itself. Advisory: nothing is lost with it."""

    __tablename__ = "progress"
    __table_args__ = (Index("ix_progress_video_id", "video_id"),)

    run_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    video_id: Mapped[int] = mapped_column(Integer)
    stage: Mapped[str]
    fraction: Mapped[float] = mapped_column(Float)
    speed: Mapped[float | None] = mapped_column(Float)
    eta_seconds: Mapped[float | None] = mapped_column(Float)
    beat_at: Mapped[datetime]
    pid: Mapped[int] = mapped_column(Integer)
    host: Mapped[str]


class LaunchRow(Base):
    """A run that was asked for. Open until a run of it was seen or it was given up."""

    __tablename__ = "launches"
    __table_args__ = (
        # At most one open launch a video, whoever asks.
        Index(
            "ix_launches_open",
            "video_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_launches_video_id_number", "video_id", "number", unique=True),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    video_id: Mapped[int] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    claimed_by: Mapped[str]
    run_key: Mapped[str] = mapped_column(String(255), unique=True)
    reason: Mapped[str]
    created_at: Mapped[datetime]
    requested_at: Mapped[datetime | None]
    run_id: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    remake: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Stages that the run makes again even where they are fresh."""


class CancelRequestRow(Base):
    """Somebody without Dagster asks that the runs of a video be stopped. The sensor that does it removes the row."""

    __tablename__ = "cancel_requests"

    video_id: Mapped[int] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    requested_by: Mapped[int | None] = mapped_column(Integer)
    requested_at: Mapped[datetime]


class OutboxOrderRow(Base):
    """The order of messages: neither uuids nor timestamps give one."""

    __tablename__ = "outbox_order"
    __table_args__ = (Index("ix_outbox_order_video_id_seq", "video_id", "seq"), {"sqlite_autoincrement": True})

    seq: Mapped[int] = mapped_column(AutoId, primary_key=True)
    event_id: Mapped[UUID] = mapped_column(ForeignKey("outbox_events.id", ondelete="CASCADE"), unique=True)
    video_id: Mapped[int] = mapped_column(Integer)
    parked_reason: Mapped[str | None]


class UnappliedRow(Base):
    """An event that belongs to no video, and why."""

    __tablename__ = "unapplied_events"

    storage_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    kind: Mapped[str]
    partition: Mapped[str | None]
    reason: Mapped[str]
    payload: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class AdoptedVideoRow(Base):
    """A video that the services before had made, and how it stood when it was taken over. One that was `ready`
    stays ready without anything of ours; its results are those in the tables."""

    __tablename__ = "adopted_videos"

    video_id: Mapped[int] = mapped_column(
        ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    status: Mapped[str]
    processed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime | None]
    recorded: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Its upload record has been written, by which it can be made again."""


class DeletedVideoRow(Base):
    """A video that was deleted: whatever is heard of it later is dropped."""

    __tablename__ = "deleted_videos"

    video_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    title: Mapped[str | None]
    deleted_at: Mapped[datetime]


class LibraryRow(Base):
    """To which storage the tables belong: one row, the counterpart of `library.json` in storage."""

    __tablename__ = "library"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    identity: Mapped[str]
    settled: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """The storage was seen to have it too."""
