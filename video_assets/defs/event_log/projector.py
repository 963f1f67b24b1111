"""The projector: reads new records from the event log and applies them to the tables."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster import DagsterEventType, EventLogRecord
from dagster_shared.error import SerializableErrorInfo

from video_assets.database.engine import NoSchema
from video_assets.defs.event_log.records import OVERLAP, PAGE, newest_storage_id, read_page, run_records
from video_assets.defs.event_log.translate import STATES, Gone, made, run_changed
from video_assets.defs.failures import STORAGE_ERRORS
from video_assets.defs.fences import fence_of
from video_assets.errors import TransientError, one_line
from video_assets.projection import apply
from video_assets.projection.events import Event, Made, Unusable
from video_assets.projection.failure_record import mirror_failures
from video_assets.systems import Systems
from video_assets.videos import WORKER_LOST

log = logging.getLogger(__name__)
REMEMBERED = 50_000
RUNS_REMEMBERED = 5_000


class Projector:
    """Applies the event log to the tables. Applying records again changes nothing; what it remembers between calls only
    saves work."""

    def __init__(self, systems: Systems, *, announce: bool = True) -> None:
        self.systems = systems
        self.announce = announce
        """Whether messages are added to the outbox to be sent; not in a rebuild, since they were sent before."""
        self._applied: OrderedDict[int, None] = OrderedDict()
        self._fences: OrderedDict[str, str] = OrderedDict()
        """Run id → fence. A run has several events, and its fence never changes."""

    def advance(self, instance: dg.DagsterInstance, cursor: int, *, pages: int = 50) -> tuple[int, int]:
        """Reads from a little before `cursor` (a storage id) on, at most `pages` pages, so that a sensor's tick ends;
        returns the new cursor and how many records were applied."""
        applied = 0
        # The records just before the cursor are read again each time: see OVERLAP.
        after = max(cursor - OVERLAP, 0)
        for _ in range(pages):
            page = read_page(instance, after, PAGE)
            fresh = [record for record in page.records if record.storage_id not in self._applied]
            self._apply(instance, fresh)
            applied += len(fresh)
            after = page.cursor
            if not page.more:
                break
        return max(cursor, after), applied

    def replay(self, instance: dg.DagsterInstance) -> int:
        """Applies the whole log again from the start; returns how many records it has."""
        self._applied.clear()
        cursor, total, newest = 0, 0, newest_storage_id(instance)
        while cursor < newest:
            cursor, applied = self.advance(instance, cursor)
            total += applied
        return total

    def _apply(self, instance: dg.DagsterInstance, records: Sequence[EventLogRecord]) -> None:
        if not records:
            return
        events = self._translated(instance, records)
        try:
            touched = self._applied_to_tables(events)
        except (TransientError, NoSchema):
            raise
        except Exception as error:  # caused by one event, which must not hold up the others for ever
            log.warning("applying one by one: %s", one_line(error, 300))
            touched = tuple(video_id for event in events for video_id in self._applied_alone(event))
        mirror_failures(self.systems.storage, self.systems.database, touched)
        for record in records:
            self._applied[record.storage_id] = None
        while len(self._applied) > REMEMBERED:
            self._applied.popitem(last=False)

    def _applied_to_tables(self, events: Sequence[tuple[int, Event]]) -> tuple[int, ...]:
        systems = self.systems
        return apply.apply(systems.database, events, systems.settings, announce=self.announce)

    def _applied_alone(self, numbered: tuple[int, Event]) -> tuple[int, ...]:
        """Applies one event. If the tables refuse it, puts it into `unapplied_events` with the reason."""
        storage_id, event = numbered
        try:
            return self._applied_to_tables([numbered])
        except (TransientError, NoSchema):
            raise
        except Exception as error:
            reason = one_line(f"the tables do not take it: {error}", 300)
            kind = f"{event.stage.value} materialized" if isinstance(event, Made) else "run changed"
            partition = str(event.video_id) if isinstance(event, Made) else None
            unusable = Unusable(kind=kind, partition=partition, reason=reason, payload={})
            return self._applied_to_tables([(storage_id, unusable)])

    def _translated(self, instance: dg.DagsterInstance, records: Sequence[EventLogRecord]) -> list[tuple[int, Event]]:
        runs = run_records(instance, sorted({r.run_id for r in records if _type(r) in STATES}))
        events: list[tuple[int, Event]] = []
        for record in records:
            if _type(record) in STATES:
                changes = run_changed(
                    record,
                    runs.get(record.run_id),
                    lambda run: self._fence(instance, run),
                    lambda run_id: step_failures(instance, run_id),
                )
                events += [(record.storage_id, change) for change in changes]
            else:
                event = made(record, self.systems.storage)
                if isinstance(event, Gone):
                    log.info("event %s: %s", record.storage_id, event.reason)
                else:
                    events.append((record.storage_id, event))
        return events

    def _fence(self, instance: dg.DagsterInstance, run: dg.RunRecord) -> str:
        run_id = run.dagster_run.run_id
        if run_id not in self._fences:
            self._fences[run_id] = fence_of(instance, run)
            if len(self._fences) > RUNS_REMEMBERED:
                self._fences.popitem(last=False)
        return self._fences[run_id]


def step_failures(instance: dg.DagsterInstance, run_id: str) -> list[Mapping[str, Any]]:
    """The metadata of the run's step failures. They are among the run's events, not among the asset events."""
    found = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE).records
    said: list[Mapping[str, Any]] = []
    for record in found:
        event = record.event_log_entry.dagster_event
        failure = event.step_failure_data.user_failure_data if event else None
        if failure is not None:
            said.append({key: value.value for key, value in failure.metadata.items()})
        elif event is not None:
            error = event.step_failure_data.error
            words = one_line(error.message, 200) if error else "no reason was given"
            kind = {"kind": WORKER_LOST} if _storage_was_away(error) else {}
            said.append({"stage": event.step_key, "message": f"{words}; the run's log has the details", **kind})
    return said


def _storage_was_away(error: SerializableErrorInfo | None) -> bool:
    """Whether a step failed because Dagster's storage was away, which is not the fault of its video."""
    while error is not None:
        if error.cls_name in STORAGE_ERRORS:
            return True
        error = error.cause
    return False


def _type(record: EventLogRecord) -> DagsterEventType | None:
    event = record.event_log_entry.dagster_event
    return event.event_type if event else None
