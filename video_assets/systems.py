"""The systems that the settings name: tables, storage, search index, outbox publisher, language model.

Each is opened on first use, once per process. Nothing here knows Dagster; `defs` passes `Systems` to assets as a
resource.
"""

from __future__ import annotations

import shutil
import time
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from video_assets.artifacts import Workbench
from video_assets.artifacts.answers import Answers
from video_assets.artifacts.workbench import Heartbeat, NoHeartbeat
from video_assets.clock import utc_now
from video_assets.database.engine import CONNECTIONS, Database
from video_assets.errors import TransientError
from video_assets.model_server.address import OPENAI_URL
from video_assets.outbox.publisher import Publisher, drain, open_publisher
from video_assets.runs.heartbeat import ProgressHeartbeat
from video_assets.search import SearchIndex, open_index
from video_assets.settings import Settings
from video_assets.storage import Storage, open_storage
from video_assets.text.llm.asking import Replies
from video_assets.text.llm.pace import Rate
from video_assets.text.llm.server import Server
from video_assets.videos import Stage

LEAST_FREE_BYTES = 64 * 2**20
"""No run starts with less free disk: its rows and logs could not be written either."""
ROOM_SECONDS = 24 * 3600.0
"""How long a stage waits for somebody to free disk space."""
ROOM_LOOK_SECONDS = 5.0


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of this folder; the folder need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def summary_server(settings: Settings) -> Server:
    """The language model server of these settings."""
    return Server(
        model=settings.summary_model,
        base_url=settings.openai_base_url or OPENAI_URL,
        api_key=settings.openai_api_key,
        json_mode=settings.summary_json,
        timeout=settings.summary_timeout_seconds,
        rate=Rate(settings.summary_requests_per_minute, settings.summary_tokens_per_minute),
    )


class Systems:
    """Every system of one process, opened from its settings."""

    def __init__(self, settings: Settings, *, connections: int = CONNECTIONS) -> None:
        """`connections`: to the database, at most at once."""
        self.settings = settings
        self._connections = connections

    @cached_property
    def database(self) -> Database:
        """The tables; created or upgraded on first use where `db_sync` says so."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        database = Database(self.settings.database, connections=self._connections)
        if self.settings.db_sync:
            database.ensure_schema()
        return database

    @cached_property
    def storage(self) -> Storage:
        """The object storage: a local folder or a bucket."""
        settings = self.settings
        return open_storage(
            settings.storage,
            lambda: self.client_of_s3,
            encryption=settings.s3_encryption_words,
            make_signer=(lambda: self._s3_client(settings.s3_public_url)) if settings.s3_public_url else None,
        )

    @cached_property
    def client_of_s3(self) -> Any:
        """A boto3 client of the S3 server of these settings."""
        return self._s3_client(self.settings.s3_endpoint_url)

    def _s3_client(self, endpoint_url: str) -> Any:
        from video_assets.storage.s3_client import S3Options, make_client  # boto3 is loaded only where it is used

        settings = self.settings
        return make_client(S3Options(endpoint_url or None, settings.s3_region or None, settings.s3_path_style))

    @cached_property
    def answers(self) -> Answers:
        """The stored answers of paid services."""
        return Answers(self.storage)

    @cached_property
    def search(self) -> SearchIndex:
        """The search index."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        return open_index(self.settings.search, ca=self.settings.search_ca)

    @cached_property
    def publisher(self) -> Publisher:
        """What publishes the outbox: Kafka, or a file."""
        return open_publisher(self.settings)

    @cached_property
    def summary_server(self) -> Server:
        """The language model server, for settings that summarise with one."""
        return summary_server(self.settings)

    @cached_property
    def language_model(self) -> Replies:
        """The model on that server. All runs of this process share it, and so its rate limits."""
        from video_assets.text.llm.language_model import LanguageModel  # takes a second to load; few runs use it

        return LanguageModel(self.summary_server)

    @cached_property
    def bench(self) -> Workbench:
        """The workbench that assets make artifacts on, with a heartbeat into the table `progress`."""
        heartbeat = ProgressHeartbeat(self.database, heartbeat_seconds=self.settings.heartbeat_seconds)
        return Workbench(self.storage, self.settings.work_folder, heartbeat=heartbeat, clock=self._time_of_the_database)

    def _time_of_the_database(self) -> datetime:
        """The database's time, for `made_at`: the clocks of two workers may differ by hours. This machine's time where
        the database is away."""
        try:
            with self.database.read() as session:
                return self.database.now(session)
        except TransientError:  # not worth losing an hour of encoding for
            return utc_now()

    def rest(self, video_id: int, run_id: str, stage: Stage, seconds: float) -> None:
        """Waits `seconds` for a system that is away, and writes heartbeats meanwhile."""
        try:
            heartbeat: Heartbeat = self.bench.heartbeat
        except TransientError:  # the tables themselves are away
            heartbeat = NoHeartbeat()
        heartbeat.start(video_id, run_id, stage)
        try:
            time.sleep(seconds)
        finally:
            heartbeat.stop()

    def has_room(self) -> bool:
        """Whether HOME and the storage have enough free space to make artifacts."""
        least = max(self.settings.min_free_bytes, LEAST_FREE_BYTES)
        stored = self.storage.free_bytes()
        return free_bytes(self.settings.home) >= least and (stored is None or stored >= least)

    def wait_for_room(self, video_id: int, run_id: str, stage: Stage, *, seconds: float = ROOM_SECONDS) -> None:
        """Waits until there is room, and writes heartbeats meanwhile. TransientError after `seconds` without room."""
        deadline = time.monotonic() + seconds
        while not self.has_room():
            if time.monotonic() > deadline:
                raise TransientError(f"the disk has been full for {seconds / 3600:.0f} hours; make room and try again")
            self.rest(video_id, run_id, stage, ROOM_LOOK_SECONDS)

    def drain_outbox(self) -> int:
        """Publishes the waiting events of the outbox; returns how many were published."""
        return drain(self.database, self.publisher, max_attempts=self.settings.outbox_attempts)

    def close(self) -> None:
        """Closes every open connection; each system is opened again on its next use."""
        opened = vars(self)
        for name in ("database", "publisher", "search"):
            system = opened.pop(name, None)
            close = getattr(system, "dispose", None) or getattr(system, "close", None)
            if close is not None:
                close()
        for name in ("storage", "answers", "bench", "client_of_s3"):
            opened.pop(name, None)
