"""The schedules: runs that start at set times."""

from __future__ import annotations

import dagster as dg

from video_assets.defs.jobs import audit
from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings

AUDIT_SCHEDULE = "audit_schedule"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """All schedules, running by default. There is one, the audit of a sample of the library, so that damaged files are
    noticed even if nobody reads them. PermanentError where the cron line is not valid."""
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
