"""The schedules: what happens by the clock, and not because something came."""

from __future__ import annotations

import dagster as dg

from video_assets.defs.jobs import audit
from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings

AUDIT_SCHEDULE = "audit_schedule"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """All schedules, running by default. Bytes that nobody reads rot unnoticed, so somebody reads a sample of them."""
    if not settings.audit_cron:
        return []
    try:
        return [
            dg.ScheduleDefinition(
                name=AUDIT_SCHEDULE,
                job=audit,
                cron_schedule=settings.audit_cron,
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description="Audits a sample of the library; what is damaged stands in the checks, with what to do.",
            )
        ]
    except dg.DagsterInvalidDefinitionError as error:
        raise PermanentError(one_line(f"VIDEO_ASSETS_AUDIT_CRON: {error}", 300)) from None
