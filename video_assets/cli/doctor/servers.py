"""Examines the systems that the settings name."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

from sqlalchemy import text

from video_assets.cli.doctor.checks import Answer, Examination
from video_assets.cli.render.format import size
from video_assets.clock import utc_now
from video_assets.database.engine import Database
from video_assets.errors import PermanentError, TransientError
from video_assets.intake.identity import what_is_wrong
from video_assets.library import queries
from video_assets.outbox import queue
from video_assets.settings import without_passwords
from video_assets.storage import Conflict, NotFound, Storage
from video_assets.systems import Systems

DAEMON_SILENT_SECONDS = 120


def of_servers(systems: Systems) -> Iterator[tuple[str, Examination]]:
    """The examinations of what must work before anything starts: tables, storage, index, and the configured servers."""
    settings = systems.settings
    yield "database", _named("DATABASE_URL", lambda: _database(systems))
    yield "storage", _named("STORAGE_URL", lambda: _storage(systems))
    yield "library", lambda: _library(systems)
    yield "search", _named("SEARCH_URL", lambda: _search(systems))
    yield "events", _named("KAFKA_BOOTSTRAP_SERVERS", lambda: _events(systems))
    if settings.celery_broker_url:
        yield "redis", _named("CELERY_BROKER_URL", lambda: _redis(settings.celery_broker_url))


def of_the_rest(systems: Systems) -> Iterator[tuple[str, Examination]]:
    """The examinations of what does not keep anything from starting: free space, parked events, Dagster, workers, the
    language model."""
    yield "room", lambda: _room(systems)
    yield "outbox", lambda: _outbox(systems)
    yield "dagster", _named("DAGSTER_DATABASE_URL", lambda: _dagster(systems))
    if systems.settings.celery_broker_url:
        yield "workers", lambda: _workers(systems.settings.celery_broker_url)
    if systems.settings.summarizer == "openai":
        yield "summarizer", lambda: _summarizer(systems)


def _named(setting: str, examination: Examination) -> Examination:
    """The examination, with the name of the setting added to the message where nothing answers."""

    def tried() -> str | Answer:
        try:
            return examination()
        except TransientError as error:
            raise TransientError(f"{str(error).rstrip('.')}; VIDEO_ASSETS_{setting} says where it is") from error

    return tried


def _summarizer(systems: Systems) -> Answer:
    """Asks for the list of models, which is free and fails where the key is wrong."""
    model, begun = systems.language_model, time.perf_counter()
    listed = model.is_listed()
    latency = round((time.perf_counter() - begun) * 1000, 2)
    server = model.server
    if listed is False:
        raise PermanentError(
            f"{server.host} does not list the model {server.model}; set VIDEO_ASSETS_SUMMARY_MODEL to one it has"
        )
    return Answer(f"{server.base_url}{'' if listed else ' (lists no models)'}", server.model, latency)


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return round((time.perf_counter() - begun) * 1000, 2)


def _database(systems: Systems) -> Answer:
    database = systems.database
    with database.write() as session:
        session.execute(text("SELECT 1 FROM videos LIMIT 1"))
        latency = _timed(lambda: session.execute(text("SELECT 1")).scalar_one())
        version = (
            f"SQLite {sqlite3.sqlite_version}"
            if database.is_sqlite
            else f"PostgreSQL {session.scalar(text('SHOW server_version'))}"
        )
    return Answer(database.url.render_as_string(hide_password=True), version, latency)


def _storage(systems: Systems) -> Answer:
    storage, key, data = systems.storage, f"doctor/{uuid4().hex}", b"probe"
    try:
        storage.put_if(key, data, None)
        latency = _timed(lambda: _same(storage.get_bytes(key), data))
        _refuses_a_second_winner(storage, key)
    except NotFound:
        raise PermanentError("the storage lost what was just stored; check what is behind it") from None
    finally:
        storage.delete(key)
    return Answer(without_passwords(systems.settings.storage), _kind_of(systems), latency)


def _library(systems: Systems) -> str:
    try:
        wrong = what_is_wrong(systems.database, systems.storage)
    except (PermanentError, TransientError):  # `database` or `storage` reports it
        return "not known while the database or the storage does not answer"
    if wrong:
        raise PermanentError(wrong)
    return "tables and storage belong together"


def _same(given: bytes, stored: bytes) -> None:
    if given != stored:
        raise PermanentError("the storage gave back something else than was stored; check what is behind it")


def _refuses_a_second_winner(storage: Storage, key: str) -> None:
    """PermanentError where the storage ignores the condition of a conditional write, as some S3 servers do."""
    try:
        storage.put_if(key, b"another", None)
    except Conflict:
        return
    raise PermanentError("the storage does not heed conditions (If-None-Match): two runs could both win; use another")


def _kind_of(systems: Systems) -> str:
    if not systems.settings.storage.startswith("s3://"):
        return "local folder"
    from video_assets.storage.s3 import bucket_and_prefix
    from video_assets.storage.s3_client import in_words

    bucket, _ = bucket_and_prefix(systems.settings.storage, "VIDEO_ASSETS_STORAGE_URL")
    with in_words(f"bucket {bucket}"):
        headers = systems.client_of_s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    return f"S3 ({headers.get('server', 'unnamed server')}, region {headers.get('x-amz-bucket-region', 'not said')})"


def _search(systems: Systems) -> Answer:
    latency = _timed(systems.search.ping)
    return Answer(f"{systems.search.count()} videos in the index", _search_version(systems), latency)


def _search_version(systems: Systems) -> str:
    if not systems.settings.search.startswith("http"):
        return f"SQLite {sqlite3.sqlite_version}"
    from video_assets.search.elastic.index import ElasticIndex

    assert isinstance(systems.search, ElasticIndex)
    return f"Elasticsearch {systems.search.server.version()}"


def _events(systems: Systems) -> Answer:
    found = systems.publisher.ping()
    latency = _timed(systems.publisher.ping)
    if not systems.settings.kafka_bootstrap_servers:
        return Answer(found, "JSON lines", latency)
    from confluent_kafka import libversion

    return Answer(found, f"librdkafka {libversion()[0]}", latency)


def _room(systems: Systems) -> str:
    needed, at_home = systems.settings.min_free_bytes, shutil.disk_usage(systems.settings.home).free
    free = systems.storage.free_bytes()
    if free is None:
        return "a bucket does not tell"
    if free < needed <= at_home:  # `disk` reports too little in HOME
        raise PermanentError(f"only {size(free)} free in storage, {size(needed)} are needed; intake has stopped")
    return f"{size(free)} free in storage"


def _outbox(systems: Systems) -> str:
    try:
        with systems.database.read() as session:
            parked, waiting = queue.parked_messages(session), queries.unpublished_count(session)
    except TransientError:
        return "not known while the database does not answer"
    if parked:
        first = f"video {parked[0].video_id}, {parked[0].topic}: {parked[0].reason}"
        count = f"{len(parked)} event{' is' if len(parked) == 1 else 's are'} parked"
        raise PermanentError(f"{count} ({first}); see `video-assets events`")
    return f"{waiting} events to be published"


def _redis(url: str) -> Answer:
    import redis

    address = without_passwords(url)
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        version = str(client.info("server")["redis_version"])
        latency = _timed(client.ping)
    except redis.AuthenticationError:
        raise PermanentError(f"Redis at {address} does not take our password; correct it in the URL") from None
    except redis.RedisError as error:
        raise TransientError(f"Redis at {address} did not answer: {error}") from None
    finally:
        client.close()
    return Answer(address, f"Redis {version}", latency)


def _workers(url: str) -> str:
    from kombu.exceptions import OperationalError

    from video_assets.defs.instance.queues import make_app

    app = make_app(url)
    try:
        answered = app.control.inspect(timeout=1.0).ping() or {}
    except OperationalError:
        return "not known while Redis does not answer"
    finally:
        app.close()
    return f"{len(answered)} answer" + ("" if answered else " (`video-assets worker` starts one)")


def _answers(url: str) -> None:
    """TransientError where the database is away. Asked first, because Dagster retries for a long time and then does not
    say which database it is."""
    database = Database(url)
    try:
        with database.read() as session:
            session.execute(text("SELECT 1"))
    finally:
        database.dispose()


def _dagster(systems: Systems) -> Answer:
    from video_assets.defs.instance.opening import DAGSTER_VERSION, open_instance

    settings = systems.settings
    if settings.dagster_database_url:
        _answers(settings.dagster_database_url)
    with open_instance(settings) as instance:
        runs = instance.get_runs_count()
        latency = _timed(instance.get_daemon_heartbeats)
        beats = instance.get_daemon_heartbeats().values()
        alive = any(utc_now().timestamp() - beat.timestamp < DAEMON_SILENT_SECONDS for beat in beats)
    starts = "`dagster-daemon run`, or the container `daemon`," if settings.celery_broker_url else "`video-assets up`"
    daemon = "the daemon is running" if alive else f"no daemon is running ({starts} starts one)"
    where = without_passwords(settings.dagster_database_url) or str(settings.dagster_home)
    return Answer(f"{where}, {runs} runs; {daemon}", f"Dagster {DAGSTER_VERSION}", latency)
