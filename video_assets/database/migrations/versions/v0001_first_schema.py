"""The first schema: the tables of the services before, taken over where they are there, and our own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from video_assets.database.migrations.adoption import Maker
from video_assets.database.types import CleanText, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    make = Maker(op.get_bind())
    make.table(
        "deleted_videos",
        sa.Column("video_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", CleanText(), nullable=True),
        sa.Column("deleted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("video_id"),
    )
    make.table(
        "outbox_events",
        sa.Column("id", sa.Uuid(as_uuid=True), nullable=False),
        sa.Column("topic", CleanText(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("published", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("service", CleanText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("published_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    make.index("ix_outbox_events_published", "outbox_events", ["published"], unique=False)
    make.table(
        "processed_messages",
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("processed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    make.table(
        "progress",
        sa.Column("run_id", sa.String(length=255), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("stage", CleanText(), nullable=False),
        sa.Column("fraction", sa.Float(), nullable=False),
        sa.Column("speed", sa.Float(), nullable=True),
        sa.Column("eta_seconds", sa.Float(), nullable=True),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("host", CleanText(), nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
    )
    make.index("ix_progress_video_id", "progress", ["video_id"], unique=False)
    make.table(
        "unapplied_events",
        sa.Column("storage_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", CleanText(), nullable=False),
        sa.Column("partition", CleanText(), nullable=True),
        sa.Column("reason", CleanText(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("storage_id"),
    )
    make.table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", CleanText(), nullable=False),
        sa.Column("name", CleanText(), nullable=False),
        sa.Column("password_hash", CleanText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    make.table(
        "videos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", CleanText(), nullable=False),
        sa.Column("description", CleanText(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("user_name", CleanText(), nullable=True),
        sa.Column("key", CleanText(), server_default="", nullable=False),
        sa.Column("status", CleanText(), server_default="pending", nullable=False),
        sa.Column("status_message", CleanText(), nullable=True),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    make.index("ix_videos_status_created_at", "videos", ["status", "created_at", "id"], unique=False)
    make.table(
        "artifacts",
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("artefact", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", CleanText(), nullable=False),
        sa.Column("content_hash", CleanText(), nullable=False),
        sa.Column("manifest_key", CleanText(), nullable=False),
        sa.Column("run_id", CleanText(), nullable=False),
        sa.Column("fence", CleanText(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("first_made_at", UtcDateTime(), nullable=False),
        sa.Column("code_version", CleanText(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id", "artefact"),
    )
    make.table(
        "attempts",
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=255), nullable=False),
        sa.Column("fence", CleanText(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", CleanText(), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("error_kind", CleanText(), nullable=False),
        sa.Column("error_stage", CleanText(), nullable=True),
        sa.Column("error", CleanText(), nullable=False),
        sa.Column("queued_at", UtcDateTime(), nullable=True),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id", "run_id"),
    )
    make.index("ix_attempts_run_id", "attempts", ["run_id"], unique=False)
    make.index("ix_attempts_state", "attempts", ["state"], unique=False)
    make.table(
        "launches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("claimed_by", CleanText(), nullable=False),
        sa.Column("run_key", sa.String(length=255), nullable=False),
        sa.Column("reason", CleanText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=True),
        sa.Column("run_id", CleanText(), nullable=True),
        sa.Column("closed_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_key"),
    )
    make.index(
        "ix_launches_open",
        "launches",
        ["video_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    make.index("ix_launches_video_id_number", "launches", ["video_id", "number"], unique=True)
    make.table(
        "outbox_order",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.Uuid(as_uuid=True), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("parked_reason", CleanText(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["outbox_events.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("event_id"),
        sqlite_autoincrement=True,
    )
    make.index("ix_outbox_order_video_id_seq", "outbox_order", ["video_id", "seq"], unique=False)
    make.table(
        "upload_metadata",
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("filename", CleanText(), nullable=True),
        sa.Column("content_type", CleanText(), nullable=True),
        sa.Column("upload_id", CleanText(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("location", CleanText(), nullable=True),
        sa.Column("correlation_id", CleanText(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id"),
    )
    make.table(
        "video_summaries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("summary_text", CleanText(), nullable=False),
        sa.Column("summary_path", CleanText(), nullable=False),
        sa.Column("model_info", sa.JSON(), nullable=False),
        sa.Column("quality_score", sa.Float(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("video_id"),
    )
    make.table(
        "video_transcripts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("transcript_text", CleanText(), nullable=False),
        sa.Column("transcript_path", CleanText(), nullable=False),
        sa.Column("status", CleanText(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=False),
        sa.Column("model_info", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("video_id"),
    )
    make.table(
        "video_variants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("video_id", sa.Integer(), nullable=False),
        sa.Column("quality", CleanText(), nullable=False),
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    make.index("ix_video_variants_video_id_quality", "video_variants", ["video_id", "quality"], unique=True)
    make.finish()


def downgrade() -> None:
    for table in (
        "video_variants",
        "video_transcripts",
        "video_summaries",
        "upload_metadata",
        "outbox_order",
        "launches",
        "attempts",
        "artifacts",
        "videos",
        "users",
        "unapplied_events",
        "progress",
        "processed_messages",
        "outbox_events",
        "deleted_videos",
    ):
        op.drop_table(table)
