"""What operators do, by command or by sensor: reconcile, cancel, delete, rebuild, publish."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from video_assets.artifacts import Manifest, Pointer
from video_assets.artifacts.pointer import deleted_at
from video_assets.defs.bulk_remake import REMAKE_LIGHT
from video_assets.defs.ends import give_up
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.event_log.translate import made_from_manifest, whole
from video_assets.defs.jobs import PROCESS_VIDEO
from video_assets.defs.partitions import VIDEOS
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.intake.identity import put_together, what_is_wrong
from video_assets.intake.sweep import sweep_unfinished, sweep_uploads
from video_assets.intake.work_folder import WORK_PREFIX
from video_assets.library import deletion, deletion_rows, queries, rebuild
from video_assets.library.adoption import record_adopted
from video_assets.library.rebuild import Rebuilt
from video_assets.library.recorded import record_missing
from video_assets.library.survey import Seen, look_at
from video_assets.outbox.publisher import drain
from video_assets.projection.events import Made
from video_assets.projection.failure_record import mirror_failures
from video_assets.recipes.search_documents import DOCUMENTS
from video_assets.recipes.search_documents import JSON as DOCUMENT
from video_assets.runs import heartbeat, launches
from video_assets.runs.liveness import RunSeen, Silences, Verdict, dead_runs
from video_assets.search import Document
from video_assets.systems import Systems
from video_assets.videos import Stage, VideoStatus, utc_now

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_WATCHED = {
    DagsterRunStatus.NOT_STARTED: "created",
    DagsterRunStatus.STARTING: "starting",
    DagsterRunStatus.STARTED: "started",
    DagsterRunStatus.CANCELING: "canceling",
}
_PURGED_AT_ONCE = 50
LAUNCH_SECONDS = 10.0
"""How long the daemon may take to create a run that the uploads sensor has asked for."""


def drain_outbox(systems: Systems) -> int:
    """Publishes what waits in the outbox; returns how many events that were."""
    return drain(systems.database, systems.publisher, max_attempts=systems.settings.outbox_attempts)


def reconcile(systems: Systems, instance: dg.DagsterInstance, *, silences: Silences | None = None) -> list[str]:
    """Puts right what no event tells of; returns a line for each repair. `silences`: of one who calls this again and
    again."""
    now = utc_now()
    repaired = [*end_dead_runs(systems, instance, silences or Silences())]
    if wrong := what_is_wrong(systems.database, systems.storage):  # nothing of another library may be removed
        return [*repaired, f"nothing else was looked at: {wrong}"]
    repaired += _sweep_deleted(systems, instance, now)
    repaired += record_adopted(systems.database, systems.storage)
    repaired += record_missing(systems.database, systems.storage)
    repaired += sweep_uploads(systems.database, systems.storage, systems.settings, now)
    repaired += _purge(systems, instance, now)
    repaired += _retire_partitions(systems, instance)
    repaired += _clear_work(systems, instance)
    return repaired


@dataclass(frozen=True)
class Compared:
    """What a look at everything found."""

    repaired: list[str]
    """What was put right, a line each."""
    trouble: list[str]
    """What somebody has to put right, a line each with what to do."""


def reconcile_thoroughly(systems: Systems, instance: dg.DagsterInstance, *, hashes: bool = False) -> Compared:
    """The same, and the whole event log read again and every video's rows and files compared with its manifests; with
    `hashes` every byte of them."""
    repaired = reconcile(systems, instance)
    if what_is_wrong(systems.database, systems.storage):  # as said in there
        return Compared(repaired, [])
    repaired += sweep_unfinished(systems.storage, systems.settings, utc_now())
    found = compare(systems, instance, Projector(systems), hashes=hashes)
    return Compared(repaired + found.repaired, found.trouble)


def end_dead_runs(systems: Systems, instance: dg.DagsterInstance, silences: Silences) -> list[str]:
    """Fails runs whose worker is gone, as no launcher notices. The projection makes the video pending
    again, and the uploads sensor launches it: there is one way to launch."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(_WATCHED)))
    # Only runs over videos have a heartbeat: an audit may be silent for as long as it takes.
    seen = [_seen(record) for record in records if _has_heartbeat(record.dagster_run)]
    with systems.database.read() as session:
        beats = queries.heartbeats(session, [run.run_id for run in seen])
        now = systems.database.now(session)
    said = []
    for verdict in dead_runs(seen, beats, silences.seconds(seen, beats, now), systems.settings):
        run = instance.get_run_by_id(verdict.run_id)
        if run is None or run.is_finished:
            continue
        _end(instance, run, verdict)
        with systems.database.write() as session:
            heartbeat.clear(session, verdict.run_id)
        said.append(f"run {verdict.run_id[:8]}: {verdict.kind}, {verdict.message}")
    with systems.database.write() as session:
        heartbeat.clear_before(session, now - timedelta(days=1))
    return said


def _seen(record: dg.RunRecord) -> RunSeen:
    # Dagster writes one by the database's clock and the other by that of whoever changes the run, perhaps ahead of it.
    since = max(record.create_timestamp, record.update_timestamp)
    return RunSeen(record.dagster_run.run_id, _WATCHED[record.dagster_run.status], since)


def _has_heartbeat(run: dg.DagsterRun) -> bool:
    return "dagster/partition" in run.tags or run.job_name == REMAKE_LIGHT


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun, verdict: Verdict) -> None:
    if verdict.kind == "canceled":
        instance.report_run_canceled(run, message=verdict.message)
    else:
        give_up(instance, run, verdict.kind, verdict.message)


def cancel_video(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> int:
    """Tells every unfinished run of the video to stop; returns how many there were. A run whose worker
    does not answer is reported canceled by `reconcile`. Of a video that waits for its run one is noted that was
    canceled before it began: it stands as canceled from then on, and nothing launches it by itself."""
    waits = _withhold(systems, video_id)
    runs = unfinished_runs(instance, video_id)
    deadline = time.monotonic() + LAUNCH_SECONDS
    while waits and not runs and _is_being_launched(systems, video_id) and time.monotonic() < deadline:
        time.sleep(0.2)  # the daemon was asked for it a moment ago
        runs = unfinished_runs(instance, video_id)
    if waits and not runs:
        _note_canceled(systems, instance, video_id)
        return 1
    for run in runs:
        if run.status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED):
            instance.report_run_canceled(run, message="canceled before it started")
            continue
        try:
            stopping = instance.run_launcher.terminate(run.run_id)
        except Exception as error:  # launchers raise what they like; the run must end all the same
            stopping = False
            instance.report_engine_event(f"could not be stopped: {one_line(error, 200)}", run)
        if not stopping and not _finished(instance, run.run_id):
            instance.report_run_canceled(run, message="canceled; its worker did not answer")
    return len(runs)


def _withhold(systems: Systems, video_id: int) -> bool:
    """Keeps the uploads sensor from launching the video; False where it does not wait for that."""
    with systems.database.write() as session:
        row = queries.video(session, video_id)
        if row is None or row.status != VideoStatus.PENDING.value:
            return False
        launches.withhold(session, video_id, now=utc_now())
        return True


def _is_being_launched(systems: Systems, video_id: int) -> bool:
    with systems.database.read() as session:
        return launches.is_requested(session, video_id)


def _note_canceled(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> None:
    # In the event log, as whatever happens to a video: the projection and a rebuild read it from there.
    run = dg.DagsterRun(
        job_name=PROCESS_VIDEO,
        run_id=str(uuid4()),
        tags={"dagster/partition": str(video_id), "video_assets/reason": "cancel"},
    )
    instance.add_run(run)
    instance.report_run_canceled(run, message="canceled before it was launched")
    with systems.database.write() as session:
        launches.close(session, video_id, now=utc_now())


def _finished(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is None or run.is_finished


def unfinished_runs(instance: dg.DagsterInstance, video_id: int) -> list[dg.DagsterRun]:
    """The video's runs that have not ended."""
    chosen = dg.RunsFilter(statuses=UNFINISHED, tags={"dagster/partition": str(video_id)})
    return list(instance.get_runs(chosen))


def delete_video(systems: Systems, instance: dg.DagsterInstance, video_id: int) -> bool:
    """Deletes a video for good; False where there is none. Its runs are told to stop, but nothing waits for
    them: the tombstones keep them from publishing."""
    found = deletion.delete_video(
        video_id,
        database=systems.database,
        storage=systems.storage,
        search=systems.search,
        settings=systems.settings,
        now=utc_now(),
    )
    if found:
        cancel_video(systems, instance, video_id)
        _drop_partition(instance, video_id)
    return found


def _drop_partition(instance: dg.DagsterInstance, video_id: int) -> bool:
    """Takes the video's key out, unless a backfill is going: one of its keys gone ends a backfill for all the others.
    `reconcile` does it later. Whether it is gone now."""
    if instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]), limit=1):
        return False
    instance.delete_dynamic_partition(VIDEOS, str(video_id))
    return True


def _sweep_deleted(systems: Systems, instance: dg.DagsterInstance, now: datetime) -> Iterator[str]:
    """What a run killed in the act left of a video deleted not long ago, once no run of it is going."""
    with systems.database.read() as session:
        recent = deletion_rows.deleted_since(session, now - timedelta(days=1))
    for video_id in recent:
        if unfinished_runs(instance, video_id):
            continue
        if removed := deletion.sweep(video_id, storage=systems.storage, search=systems.search):
            yield f"deleted video {video_id}: {removed} files of an interrupted run removed"
        if instance.has_dynamic_partition(VIDEOS, str(video_id)) and _drop_partition(instance, video_id):
            yield f"deleted video {video_id}: its partition removed"


def _purge(systems: Systems, instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Runs past their retention, a few at a time, unless they made what is current: deleting a run deletes
    its materializations, and the UI would show the newest of a key as missing."""
    before = now - timedelta(days=systems.settings.run_retention_days)
    ended = [status for status in DagsterRunStatus if status not in UNFINISHED]
    records = instance.get_run_records(
        dg.RunsFilter(statuses=ended, created_before=before), limit=_PURGED_AT_ONCE * 4, ascending=True
    )
    with systems.database.read() as session:
        needed = queries.runs_in_ledger(session, [record.dagster_run.run_id for record in records])
    old = [r.dagster_run.run_id for r in records if r.dagster_run.run_id not in needed][:_PURGED_AT_ONCE]
    for run_id in old:
        instance.delete_run(run_id)
    return [f"{len(old)} runs older than {systems.settings.run_retention_days:g} days purged"] if old else []


def _retire_partitions(systems: Systems, instance: dg.DagsterInstance) -> list[str]:
    """Takes the oldest ready videos' keys out where there are more than PARTITIONS_MAX, as Dagster grows slow
    with them. Never while a backfill is going, which would fail, nor under a run. Whoever launches a run for
    a retired key adds it again."""
    most = systems.settings.partitions_max
    with systems.database.read() as session:
        if sum(queries.counts(session).values()) <= most:
            return []  # the usual case, told without asking Dagster for every key
        ready = queries.oldest_ready(session)
    keys = set(instance.get_dynamic_partitions(VIDEOS))
    surplus = len(keys) - most
    if surplus <= 0 or instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED]), limit=1):
        return []
    busy = {run.tags.get("dagster/partition") for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))}
    retired = [key for key in map(str, ready) if key in keys and key not in busy][:surplus]
    for key in retired:
        instance.delete_dynamic_partition(VIDEOS, key)
    return [f"{len(retired)} partition keys of finished videos retired"] if retired else []


def _clear_work(systems: Systems, instance: dg.DagsterInstance) -> Iterator[str]:
    """Work folders of runs that ended without clearing up after themselves (a killed worker)."""
    folder = systems.settings.work_folder
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.name.startswith(WORK_PREFIX) and _finished(instance, path.name):
            shutil.rmtree(path, ignore_errors=True)
            yield f"work folder of run {path.name[:8]} removed"


def compare(systems: Systems, instance: dg.DagsterInstance, projector: Projector, *, hashes: bool = False) -> Compared:
    """Ledger and rows against manifests and the event log: what was missed is applied now, and what can be told from
    other objects is put right."""
    with systems.database.read() as session:
        before = queries.ledger_versions(session)
    ledger: dict[int, list[Stage]] = {}
    for video_id, artefact in before:
        ledger.setdefault(video_id, []).append(Stage(artefact))
    projector.replay(instance)
    repaired: list[str] = []
    trouble = list(rebuild.strange_folders(systems.storage))
    with systems.database.read() as session:
        video_ids = queries.all_ids(session)
        ours = queries.stored_by_us(session)
    for video_id in sorted({*rebuild.stored_ids(systems.storage), *ours}):
        seen = rebuild.reapply(
            video_id,
            database=systems.database,
            storage=systems.storage,
            settings=systems.settings,
            as_event=partial(_as_event, systems),
            hashes=hashes,
        )
        repaired += seen.mended
        trouble += seen.trouble
        trouble += _vanished(seen, ledger.get(video_id, ()))
        if seen.deleted_at is None and not _is_known(systems, video_id):
            trouble.append(
                f"video {video_id}: the tables do not know it; `video-assets rebuild --database` restores it"
            )
    mirror_failures(systems.storage, systems.database, video_ids)
    with systems.database.read() as session:
        after = queries.ledger_versions(session)
    changed = sorted(key for key in after if after[key] != before.get(key))
    behind = [f"video {video_id}: {artefact} was behind" for video_id, artefact in changed]
    return Compared(repaired + behind, trouble)


def _vanished(seen: Seen, ledger: Sequence[Stage]) -> Iterator[str]:
    """A line about each artefact that the tables have and storage does not, unless something was said of it."""
    if seen.record is None or seen.deleted_at is not None:
        return
    for stage in ledger:
        begins = f"video {seen.video_id}, {stage.value}: "
        if stage not in seen.made and not any(line.startswith(begins) for line in seen.trouble):
            yield f"{begins}nothing is current any more; `video-assets process --video {seen.video_id}` makes it again"


def _is_known(systems: Systems, video_id: int) -> bool:
    with systems.database.read() as session:
        return queries.video(session, video_id) is not None


def _as_event(systems: Systems, manifest: Manifest, pointer: Pointer) -> Made:
    return made_from_manifest(manifest, systems.storage, pointer=pointer)


def rebuild_database(systems: Systems, instance: dg.DagsterInstance) -> Rebuilt:
    """The tables again from storage, each video by itself, then the runs' stories from the event log. Publishes
    nothing: what was made was told when it was made."""
    found = Rebuilt(trouble=list(rebuild.strange_folders(systems.storage)))
    for video_id in rebuild.stored_ids(systems.storage):
        seen = rebuild.restore(
            video_id,
            database=systems.database,
            storage=systems.storage,
            settings=systems.settings,
            as_event=partial(_as_event, systems),
        )
        if seen is not None:
            found.videos += seen.record is not None
            found.mended += seen.mended
            found.trouble += seen.trouble
    Projector(systems, announce=False).replay(instance)
    put_together(systems.database, systems.storage)
    return found


def rebuild_index(systems: Systems) -> Rebuilt:
    """The search index again from the documents in storage. Searches are answered meanwhile, and a video whose document
    cannot be read stays as it was found before."""
    found = Rebuilt()
    unreadable: dict[int, str] = {}
    stored = {video_id: deleted_at(systems.storage, video_id) for video_id in rebuild.stored_ids(systems.storage)}

    def documents() -> Iterator[tuple[Document, str]]:
        for video_id, deleted in stored.items():
            if deleted is not None:
                continue
            try:
                document = _document(systems, video_id, found)
            except TransientError:
                raise
            except Exception as error:  # whatever lies there: the other videos go on
                unreadable[video_id] = one_line(error, 200) or type(error).__name__
            else:
                if document is not None:
                    yield document

    removed = [video_id for video_id, deleted in stored.items() if deleted is not None]
    found.videos = systems.search.rebuild(documents(), removed=removed, kept=unreadable)
    for video_id, why in unreadable.items():
        held = systems.search.read(video_id) is not None
        stands = "it is found as it was before" if held else "it cannot be found"
        line = f"video {video_id}: {why}; {stands}, `video-assets process --video {video_id}` makes it again"
        found.trouble.append(one_line(line))
    return found


def _document(systems: Systems, video_id: int, found: Rebuilt) -> tuple[Document, str] | None:
    """A video's document and its version; None where none was made."""
    seen = look_at(systems.storage, video_id, Stage.SEARCH_DOCUMENTS)
    found.mended += seen.mended
    if seen.trouble:
        raise PermanentError(seen.trouble[0].removeprefix(f"video {video_id}, "))
    made = seen.made.get(Stage.SEARCH_DOCUMENTS)
    if made is None:
        return None
    manifest = made[0]
    document = DOCUMENTS.validate_json(whole(systems.storage, manifest.file(DOCUMENT)))
    if document.video_id != video_id:
        raise PermanentError(f"{DOCUMENT} is another video's")
    return document, str(manifest.facts["index_version"])
