"""inbox_sensor: takes in files that were dropped into the inbox, a folder or a bucket prefix."""

import threading
import time
from functools import partial
from weakref import WeakKeyDictionary

import dagster as dg

from video_assets.clock import utc_now
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.intake.background import BackgroundWorker, Job
from video_assets.intake.drops import Seen, cursor_of, seen_before, settled
from video_assets.intake.identity import must_match
from video_assets.intake.inbox import open_inbox
from video_assets.systems import Systems

TAKEN_PER_TICK = 5
PATIENCE_SECONDS = 5.0
"""How long a tick waits for a copy that it started; a longer copy goes on in the background."""


class Watch:
    """What this process remembers of the inbox, beside the cursor."""

    def __init__(self) -> None:
        self.worker: BackgroundWorker[tuple[str, Seen]] = BackgroundWorker()
        self.turn = threading.Lock()
        self.seen: dict[str, Seen] | None = None
        """What the last look saw, even if its tick failed and the cursor was not updated."""
        self.tried: dict[str, float] = {}
        """Name → when the drop was last tried, by the monotonic clock; those tried before come after the others."""


_watches: "WeakKeyDictionary[Systems, Watch]" = WeakKeyDictionary()
_making = threading.Lock()


def watch_of(systems: Systems) -> Watch:
    """This process's watch for these systems."""
    with _making:
        return _watches.setdefault(systems, Watch())


def build_inbox_sensor(systems: Systems) -> dg.SensorDefinition:
    """The sensor. Its cursor is what the last look saw, by which a growing file is recognised."""

    @dg.sensor(
        name="inbox_sensor",
        minimum_interval_seconds=systems.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes files in that were dropped into the inbox, with captions beside them. Starts no runs.",
    )
    def inbox_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        watch = watch_of(systems)
        if not watch.turn.acquire(blocking=False):
            return dg.SkipReason("another tick is at it")
        try:
            said = _tick(systems, watch, context)
        except PermanentError as error:
            return dg.SkipReason(one_line(error))
        finally:
            watch.turn.release()
        for line in said:
            context.log.info(line)
        return dg.SkipReason("; ".join(said) or f"{len(watch.seen or {})} files waiting to stop growing")

    return inbox_sensor


def _tick(systems: Systems, watch: Watch, context: dg.SensorEvaluationContext) -> list[str]:
    before = seen_before(context.cursor) if watch.seen is None else watch.seen
    inbox, now = open_inbox(systems), utc_now()
    watch.seen = seen = inbox.look(before, now)
    if seen:
        must_match(systems.database, systems.storage)
    watch.tried = {name: when for name, when in watch.tried.items() if name in seen}
    ready = settled(seen, now, systems.settings.inbox_settle_seconds)
    waiting = sorted(ready, key=lambda name: watch.tried.get(name, 0.0))
    worker, said, taken, until = watch.worker, list[str](), 0, time.monotonic() + PATIENCE_SECONDS
    ended = worker.take_ended(0)  # a copy that an earlier tick did not wait for
    while True:
        if ended is not None:
            taken += _noted(ended, watch, said)
        if worker.job is None:
            if not waiting or taken >= TAKEN_PER_TICK or time.monotonic() >= until:
                break
            name = waiting.pop(0)
            if seen[name].left:
                continue
            worker.begin(name, partial(inbox.take, seen[name], seen))
        ended = worker.take_ended(until - time.monotonic())
        if ended is None and worker.job is not None:
            said.append(f"{one_line(worker.job.name, 80)} is being taken in, for {worker.job.seconds:.0f} s by now")
            break
    context.update_cursor(cursor_of(seen))
    return said


def _noted(ended: Job[tuple[str, Seen]], watch: Watch, said: list[str]) -> int:
    """Adds a line about an ended job to `said`; returns 1 if the drop is done, 0 if it has to wait. Raises errors that
    affect every drop; an error of this drop alone only makes it wait."""
    watch.tried[ended.name] = time.monotonic()
    if isinstance(ended.error, TransientError) or not (ended.error is None or isinstance(ended.error, Exception)):
        raise ended.error
    if ended.error is not None or ended.value is None:
        what = one_line(f"{type(ended.error).__name__}: {ended.error}", 200)
        said.append(f"{one_line(ended.name, 80)} has to wait: unexpected {what}")
        return 0
    line, after = ended.value
    said.append(line)
    seen = watch.seen or {}
    there = seen.get(ended.name)
    if after.left and there is not None and there.version == after.version:
        seen[ended.name] = after
    return 0 if " has to wait: " in line else 1
