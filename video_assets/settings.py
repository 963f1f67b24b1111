"""Every setting, typed, with its default. No other module reads the environment.

Each is read from the variable `VIDEO_ASSETS_<NAME>`. The defaults are the embedded profile: one folder, no servers.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from video_assets.errors import PermanentError, hide, one_line


class Settings(BaseSettings):
    """All settings. Build one with `Settings.load()`; tests build theirs with keyword arguments."""

    model_config = SettingsConfigDict(env_prefix="VIDEO_ASSETS_", frozen=True, extra="ignore")

    home: Path = Field(
        default=Path("data"), description="Folder of everything embedded: database, storage, index, logs."
    )
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: an SQLite file in HOME.")
    storage_url: str = Field(default="", description="file:///folder or s3://bucket/prefix; empty: HOME/storage.")
    search_url: str = Field(
        default="",
        description="sqlite:///file or http(s)://[user:password@]host:9200[/name]; empty: an SQLite file in HOME.",
        repr=False,
    )
    search_ca: Path | None = Field(
        default=None, description="File of the authority that vouches for the search server's certificate."
    )
    kafka_bootstrap_servers: str = Field(
        default="", description="host:port list; empty: events go to HOME/events.jsonl."
    )
    kafka_options: SecretStr = Field(
        default=SecretStr(""),
        description="More properties of the Kafka client (TLS, SASL), a JSON object.",
    )
    kafka_topic_prefix: str = Field(default="", description="Stands before every topic's name, such as `staging.`.")
    kafka_group: str = Field(
        default="video-assets", min_length=1, description="Consumer group in which `video.uploaded` is read."
    )
    outbox_attempts: int = Field(
        default=5, gt=0, description="An event refused this often is parked, and its video's later ones with it."
    )
    s3_endpoint_url: str = Field(default="", description="Of an S3 server that is not Amazon's: http(s)://host:port.")
    s3_public_url: str = Field(
        default="", description="Where clients reach that server, for signed addresses; empty: where we do."
    )
    s3_region: str = Field(default="", description="Region of the bucket; empty: AWS_DEFAULT_REGION or the profile's.")
    s3_path_style: bool | None = Field(
        default=None, description="host/bucket/key instead of bucket.host/key; empty: where an endpoint is set."
    )
    s3_encryption: Literal["", "AES256", "aws:kms"] = Field(
        default="", description="Server-side encryption asked for with every write; empty: the bucket's own default."
    )
    s3_kms_key_id: str = Field(default="", description="The KMS key for `aws:kms`; empty: the account's own.")
    inbox: str = Field(
        default="", description="Watched for new files: a folder, or s3://bucket/prefix/; empty: HOME/inbox."
    )
    celery_broker_url: str = Field(
        default="", description="redis://host:6379/0, which holds the queues of runs; for the production instance."
    )
    dagster_database_url: str = Field(
        default="", description="postgresql:// database of Dagster's own; for the production instance."
    )
    logs_bucket: str = Field(default="", description="S3 bucket for what runs print; for the production instance.")
    stop_grace_seconds: float = Field(
        default=30, ge=0, description="A worker told to stop gives its runs this long before it hands them back."
    )
    db_sync: bool = Field(default=True, description="Create or upgrade the schema at start.")
    outbox_service: str = Field(
        default="python-backend", description="The outbox's service column for pipeline events."
    )

    transcriber: Literal["auto", "captions", "whisper", "openai"] = Field(
        default="auto", description="Where words come from; auto: captions if there are any, else speech recognition."
    )
    whisper_model: str = Field(
        default="", description="Folder or name of a faster-whisper model; empty: small, fetched where it is missing."
    )
    whisper_device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="What the model runs on.")
    whisper_compute_type: Literal[
        "default",
        "auto",
        "int8",
        "int8_float32",
        "int8_float16",
        "int8_bfloat16",
        "int16",
        "float16",
        "bfloat16",
        "float32",
    ] = Field(default="default", description="Numbers the model computes in; default: as it was saved.")
    whisper_language: str = Field(
        default="", pattern="^([a-z]{2,3})?$", description="Language spoken (en, de, …); empty: heard from excerpts."
    )
    whisper_batch_size: int = Field(
        default=0, ge=0, le=64, description="Half-minutes recognised at once; 0: 8 on a GPU, 2 on a processor."
    )
    whisper_threads: int = Field(
        default=0, ge=0, description="Threads of the model on a processor; 0: this run's share of the cores, 8 at most."
    )
    transcription_model: str = Field(
        default="whisper-1", min_length=1, description="Model on the OpenAI-compatible server that hears speech."
    )
    transcription_max_bytes: int = Field(
        default=25_000_000, ge=1_000_000, description="Largest file that server takes, bytes."
    )
    summarizer: Literal["extractive", "openai"] = Field(
        default="extractive", description="How summaries are made; extractive: sentences chosen from the transcript."
    )
    openai_base_url: str = Field(
        default="", description="Base URL of an OpenAI-compatible server (http://host:port/v1); empty: OpenAI's own."
    )
    openai_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key for that server; it is shown and logged nowhere."
    )
    summary_model: str = Field(
        default="gpt-4o-mini", min_length=1, description="The model that summarises, where SUMMARIZER is openai."
    )
    summary_json: Literal["schema", "object", "prompt"] = Field(
        default="schema", description="How that server is asked for JSON: by schema, as any object, by words alone."
    )
    summary_concurrency: int = Field(
        default=5, ge=0, le=64, description="Chunks summarised at once; 0: as many as the rate limits below allow."
    )
    summary_requests_per_minute: int = Field(
        default=0, ge=0, description="Most calls of this process in any minute; 0: no limit."
    )
    summary_tokens_per_minute: int = Field(
        default=0, ge=0, description="Most tokens of this process in any minute; 0: no limit."
    )
    summary_timeout_seconds: float = Field(default=120, gt=0, description="A call that takes longer is given up.")
    summary_usd_per_million_prompt_tokens: float = Field(
        default=0.15, ge=0, allow_inf_nan=False, description="The model's price for what it reads, US dollars."
    )
    summary_usd_per_million_completion_tokens: float = Field(
        default=0.60, ge=0, allow_inf_nan=False, description="The model's price for what it writes, US dollars."
    )
    summary_max_usd: float = Field(
        default=1.0, ge=0, allow_inf_nan=False, description="Most that one video's summary may cost; 0: no ceiling."
    )
    summary_max_tokens: int = Field(
        default=2_000_000, ge=0, description="Most tokens that one video's summary may take; 0: no ceiling."
    )
    ladder: str = Field(default="2160,1440,1080,720,480,360,240", description="Rung heights, comma separated.")

    max_upload_bytes: int = Field(default=20 * 2**30, gt=0, description="Largest accepted upload, bytes.")
    max_duration_seconds: float = Field(default=12 * 3600, gt=0, description="Longest accepted video, seconds.")
    max_pixels: int = Field(default=8192 * 4320, gt=0, description="Largest accepted frame, pixels.")
    max_streams: int = Field(default=64, gt=0, description="Most streams in one file.")
    min_free_bytes: int = Field(default=512 * 2**20, ge=0, description="Intake stops below this much free disk.")

    max_concurrent_runs: int = Field(default=2, gt=0, description="Runs at once: the worker slots.")
    heartbeat_seconds: float = Field(default=10, gt=0, description="How often a running asset says that it lives.")
    worker_lost_seconds: float = Field(default=60, gt=0, description="A started run silent for longer is dead.")
    start_timeout_seconds: float = Field(
        default=180, gt=0, description="A run that never reached its first step is dead."
    )
    launch_timeout_seconds: float = Field(
        default=60, gt=0, description="A launch that shows no run is asked for again."
    )
    max_lost_workers: int = Field(
        default=4, gt=0, description="Lost workers in a row that fail a video; until then it is launched again."
    )
    sensor_seconds: int = Field(default=1, gt=0, description="Pause between two looks of the sensors.")
    reconcile_seconds: int = Field(default=30, gt=0, description="Pause between ticks of reconcile.")
    inbox_settle_seconds: float = Field(default=3, ge=0, description="An inbox file is taken once unchanged this long.")
    upload_hours: float = Field(default=24, gt=0, description="An upload that has not ended by then is taken back.")
    run_retention_days: float = Field(default=30, gt=0, description="Ended runs are purged after this many days.")
    audit_cron: str = Field(
        default="30 3 * * *", description="When a sample of the library is audited: a cron line, in UTC; empty: never."
    )
    partitions_max: int = Field(
        default=80_000, gt=0, description="Above it the oldest ready partition keys are retired."
    )

    signup: Literal["open", "invitation", "closed"] = Field(
        default="open", description="Who may make an account over HTTP; the very first user always may, and is admin."
    )
    default_visibility: Literal["private", "members", "public"] = Field(
        default="members", description="Who sees a video of which nobody said it: its owner, all accounts, anybody."
    )
    user_quota_bytes: int = Field(
        default=0, ge=0, description="Most that one user's uploads may take together, bytes; 0: no limit."
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Signs addresses of files and parts; the same for all web processes. Empty: made and kept in HOME.",
    )
    public_url: str = Field(
        default="", description="Where clients reach the web: https://host; empty: as the request says."
    )
    rate_limits_url: str = Field(
        default="", description="redis://host:6379/1 where several web processes count together; empty: in memory."
    )
    trusted_proxies: str = Field(
        default="127.0.0.1", description="Addresses of proxies whose word on a client's address is taken."
    )

    @field_validator("ladder")
    @classmethod
    def _ladder_is_heights(cls, value: str) -> str:
        heights = [part.strip() for part in value.split(",")]
        if not all(h.isascii() and h.isdigit() and 0 < int(h) <= 8640 for h in heights):
            raise ValueError("give rung heights such as 1080,720,480")
        return ",".join(str(h) for h in sorted({int(h) for h in heights}, reverse=True))

    @field_validator("audit_cron")
    @classmethod
    def _cron_has_five_fields(cls, value: str) -> str:
        value = " ".join(value.split())
        if value and not re.fullmatch(r"[0-9*/,A-Za-z-]+( [0-9*/,A-Za-z-]+){4}", value):
            raise ValueError("give minute, hour, day, month and weekday, such as 30 3 * * *")
        return value

    @field_validator("s3_endpoint_url", "s3_public_url")
    @classmethod
    def _endpoint_is_plain(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query):
            raise ValueError("give http://host:port or https://host")
        if parts.username or parts.password:
            raise ValueError("give the keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not within the URL")
        return value

    @field_validator("s3_path_style", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("openai_base_url")
    @classmethod
    def _base_url_is_plain(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("give http://host:port/v1 or https://host/v1")
        if parts.username or parts.password or parts.query:
            # The URL is written into manifests, as another server makes another result.
            raise ValueError("give the key as VIDEO_ASSETS_OPENAI_API_KEY, not within the URL")
        return value

    @field_validator("openai_api_key")
    @classmethod
    def _key_fits_a_header(cls, value: SecretStr) -> SecretStr:
        key = value.get_secret_value().strip()
        if not (key.isascii() and key.isprintable()):
            raise ValueError("a key has printable ASCII characters only; paste it again")
        return SecretStr(key)

    @field_validator("public_url")
    @classmethod
    def _public_url_is_plain(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query):
            raise ValueError("give https://host or http://host:port")
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret_key_is_long(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < 32:
            raise ValueError("give at least 32 characters, such as `openssl rand -hex 32` prints")
        return value

    @field_validator("kafka_options")
    @classmethod
    def _kafka_options_are_strings(cls, value: SecretStr) -> SecretStr:
        try:
            options = json.loads(value.get_secret_value() or "{}")
        except ValueError:
            options = None
        if not isinstance(options, dict) or not all(isinstance(each, str) for each in options.values()):
            raise ValueError('give a JSON object such as {"security.protocol": "SSL"}')
        return value

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        # URLs can contain passwords, and a repr ends up in logs.
        for name, value in super().__repr_args__():
            yield name, without_passwords(value) if isinstance(value, str) else value

    def secrets(self) -> Iterator[str]:
        """The secrets: keys, and passwords in URLs, both percent-encoded and decoded."""
        plain: set[str] = set()
        hidden: set[str] = set()
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                hidden.add(value.get_secret_value())
            elif isinstance(value, str) and "://" in value:
                parts = urlsplit(value)
                plain |= {parts.username or "", parts.hostname or "", *parts.path.split("/")}
                hidden |= {parts.password or "", unquote(parts.password or "")}
        hidden |= {value for key, value in self.kafka_properties.items() if "password" in key or "secret" in key}
        hidden |= {os.environ.get(name, "") for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
        # A password that equals the user's or the host's name is not hidden: every message would become unreadable.
        yield from hidden - plain - {""}

    @classmethod
    def load(cls) -> Settings:
        """The settings from this process's environment. From then on `one_line` hides their secrets. PermanentError
        that names the setting where a value is not valid."""
        try:
            loaded = cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = "VIDEO_ASSETS_" + "_".join(str(part) for part in first["loc"]).upper()
            raise PermanentError(one_line(f"{name}: {first['msg']}")) from None
        hide(loaded.secrets())
        return loaded

    @property
    def heights(self) -> tuple[int, ...]:
        """The ladder's rung heights, highest first."""
        return _heights(self.ladder)

    @property
    def speech_threads(self) -> int:
        """Threads of the speech model. The default is a run's share of the cores, 8 at most: more threads mostly wait
        for each other."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.whisper_threads or max(1, min(8, cores // self.max_concurrent_runs))

    @property
    def database(self) -> str:
        """The database URL, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'video-assets.db'}"

    @property
    def storage(self) -> str:
        """The storage URL, with the embedded default filled in."""
        return self.storage_url or (self.home.absolute() / "storage").as_uri()

    @property
    def search(self) -> str:
        """The search index URL, with the embedded default filled in."""
        return self.search_url or f"sqlite:///{self.home.absolute() / 'search.db'}"

    @property
    def kafka_properties(self) -> dict[str, str]:
        """The properties in `kafka_options`."""
        options: dict[str, str] = json.loads(self.kafka_options.get_secret_value() or "{}")
        return options

    @property
    def inbox_url(self) -> str | None:
        """The bucket prefix that is watched for new files; None where the inbox is a folder."""
        return self.inbox if self.inbox.startswith("s3://") else None

    @property
    def inbox_folder(self) -> Path:
        """The folder that is watched for new files, where the inbox is a folder."""
        return Path(self.inbox or self.home / "inbox").absolute()

    @property
    def s3_encryption_words(self) -> dict[str, str]:
        """The server-side encryption arguments of each S3 write, under S3's names."""
        key = {"SSEKMSKeyId": self.s3_kms_key_id} if self.s3_encryption == "aws:kms" and self.s3_kms_key_id else {}
        return {"ServerSideEncryption": self.s3_encryption, **key} if self.s3_encryption else {}

    @property
    def work_folder(self) -> Path:
        """Where running assets keep files that are not published yet; it has one folder for each run."""
        return self.home.absolute() / "work"

    @property
    def dagster_home(self) -> Path:
        """The Dagster instance's folder: `DAGSTER_HOME` where set, else in HOME."""
        given = os.environ.get("DAGSTER_HOME")
        return Path(given).absolute() if given else self.home.absolute() / "dagster"

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment with which a child process loads these same settings."""
        child = dict(os.environ if base is None else base)
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None:  # an empty variable would be read as a value: as a path it is "."
                child.pop(f"VIDEO_ASSETS_{name.upper()}", None)
                continue
            shown = value.get_secret_value() if isinstance(value, SecretStr) else value
            child[f"VIDEO_ASSETS_{name.upper()}"] = str(shown)
        child["VIDEO_ASSETS_HOME"] = str(self.home.absolute())
        child["DAGSTER_HOME"] = str(self.dagster_home)
        return child

    @contextmanager
    def exported(self) -> Iterator[None]:
        """For the block, puts these settings into this process's environment, for libraries that read it.

        Several threads may export at the same time: the last export is seen until its block ends, then the one before
        it. A variable that has the same value before and after is never missing in between."""
        layer = self.environment({})
        _exports.add(layer)
        try:
            yield
        finally:
            _exports.remove(layer)


@lru_cache(maxsize=64)
def _heights(ladder: str) -> tuple[int, ...]:
    return tuple(int(height) for height in ladder.split(","))


class _Exports:
    """The settings that are exported now, and the values that the environment had before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: dict[str, str | None] = {}
        self._layers: list[dict[str, str]] = []

    def add(self, layer: dict[str, str]) -> None:
        with self._lock:
            for name, value in layer.items():
                self._before.setdefault(name, os.environ.get(name))
                os.environ[name] = value
            self._layers.append(layer)

    def remove(self, layer: dict[str, str]) -> None:
        with self._lock:
            self._layers = [each for each in self._layers if each is not layer]
            for name in layer:
                below = next((each[name] for each in reversed(self._layers) if name in each), None)
                value = self._before[name] if below is None else below
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
                if below is None:
                    del self._before[name]


_exports = _Exports()


_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s]*(@)")


def without_passwords(text: str) -> str:
    """The text, with every password in a URL replaced by `***`."""
    return _PASSWORD.sub(r"\1***\2", text)


def forget_dagster_home() -> None:
    """Makes this process use HOME/dagster as Dagster's folder, whatever DAGSTER_HOME says."""
    os.environ.pop("DAGSTER_HOME", None)
