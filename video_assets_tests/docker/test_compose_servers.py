"""Whether the parts of compose.yaml would find each other: names, ports, passwords, and what each check asks."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from video_assets.settings import Settings
from video_assets_tests.docker.reading import read, resolved
from video_assets_tests.docker.test_compose import OURS, filled_in

FILES = ("compose.yaml", "compose.services.yaml")
SERVERS = ("postgres", "redis", "kafka", "elasticsearch", "s3")
KEYS = {
    "image",
    "build",
    "env_file",
    "environment",
    "command",
    "volumes",
    "tmpfs",
    "ports",
    "depends_on",
    "healthcheck",
    "restart",
    "stop_grace_period",
    "read_only",
    "cap_drop",
    "security_opt",
    "logging",
    "mem_limit",
    "cpus",
    "pids_limit",
    "shm_size",
    "ulimits",
}
"""What a service may say, of all that Compose knows: it refuses a misspelt one."""
CHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
DURATION = re.compile(r"\d+s")


def services(file: str) -> dict[str, Any]:
    """Every service, as it is with a docker/.env that says only what it has to."""
    found: dict[str, Any] = resolved(read(file)["services"], filled_in())
    return found


@pytest.mark.parametrize("file", FILES)
def test_everything_is_spelt_as_compose_spells_it(file: str) -> None:
    assert set(read(file)) - {key for key in read(file) if key.startswith("x-")} <= {"name", "services", "volumes"}
    for name, each in services(file).items():
        assert set(each) - KEYS == set(), name
        check = each["healthcheck"]
        assert set(check) - CHECK_KEYS == set(), name
        spans = [check[key] for key in ("interval", "timeout", "start_period", "start_interval") if key in check]
        assert all(DURATION.fullmatch(span) for span in [*spans, each.get("stop_grace_period", "10s")]), name
        assert each.get("restart", "no") in ("no", "always", "unless-stopped", "on-failure:5"), name
        assert re.fullmatch(r"\d+[mg]", each["mem_limit"]), name


def listening(name: str, service: dict[str, Any]) -> int:
    """The port on which a server answers other containers."""
    if name == "s3":
        return int(service["command"][service["command"].index("--port") + 1].removeprefix(":"))
    if name == "kafka":
        (port,) = re.findall(r"\w+://:(\d+)", service["environment"]["KAFKA_LISTENERS"])
        return int(port)
    said = re.search(r"(?:--port|-p)[ =](\d+)", " ".join(service.get("command", ())))
    return int(said[1]) if said else {"postgres": 5432, "redis": 6379, "elasticsearch": 9200}[name]


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> dict[str, SplitResult]:
    """Where the parts are told to look for each server."""
    for part in sorted(OURS):
        for name, value in services("compose.yaml")[part]["environment"].items():
            monkeypatch.setenv(name, str(value))
    made = Settings.load()
    urls = {
        "postgres": made.database_url,
        "redis": made.celery_broker_url,
        "elasticsearch": made.search_url,
        "kafka": f"kafka://{made.kafka_bootstrap_servers}",
        "s3": made.s3_endpoint_url,
    }
    assert made.storage_url.startswith("s3://")
    assert urlsplit(made.dagster_database_url).hostname == "postgres"
    return {name: urlsplit(url) for name, url in urls.items()}


@pytest.mark.parametrize("name", SERVERS)
def test_each_server_is_looked_for_where_it_listens(name: str, addresses: dict[str, SplitResult]) -> None:
    found = services("compose.yaml")
    assert (addresses[name].hostname, addresses[name].port) == (name, listening(name, found[name]))
    if name == "kafka":  # where it sends its clients
        assert found[name]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{addresses[name].netloc}"


def test_each_server_knows_who_comes(addresses: dict[str, SplitResult]) -> None:
    found = {name: services("compose.yaml")[name].get("environment", {}) for name in (*SERVERS, "worker")}
    database, broker, search = (addresses[name] for name in ("postgres", "redis", "elasticsearch"))
    given = found["postgres"]
    assert (database.username, database.password, database.path) == (
        given["POSTGRES_USER"],
        given["POSTGRES_PASSWORD"],
        f"/{given['POSTGRES_DB']}",
    )
    assert broker.password == found["redis"]["REDISCLI_AUTH"]
    assert '--requirepass "$REDISCLI_AUTH"' in " ".join(services("compose.yaml")["redis"]["command"])
    assert (search.username, search.password) == ("elastic", found["elasticsearch"]["ELASTIC_PASSWORD"])
    assert [found["s3"][f"ROOT_{word}_KEY"] for word in ("ACCESS", "SECRET")] == [
        found["worker"]["AWS_ACCESS_KEY_ID"],
        found["worker"]["AWS_SECRET_ACCESS_KEY"],
    ]


def test_each_part_s_check_is_the_image_s_own() -> None:
    for name in OURS - {"migrate"}:
        assert services("compose.yaml")[name]["healthcheck"]["test"] == ["CMD", "role", "health"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", SERVERS)
def test_each_server_s_check_asks_the_server_itself(file: str, name: str) -> None:
    service = services(file)[name]
    how, *words = service["healthcheck"]["test"]
    assert how in ("CMD", "CMD-SHELL")
    line, environment = " ".join(words), service.get("environment", {})
    if name == "postgres":
        user = environment.get("POSTGRES_USER", "postgres")
        assert words[0] == "pg_isready"
        assert f"--username={user}" in words
        assert f"--dbname={environment['POSTGRES_DB']}" in words if "POSTGRES_DB" in environment else True
        assert "--host=127.0.0.1" in words, "its socket answers before it does, while it is set up"
    elif name == "redis":
        assert line == 'test "$(redis-cli ping)" = PONG'
    elif name == "kafka":
        asked = re.search(r"/opt/kafka/bin/kafka-broker-api-versions\.sh --bootstrap-server 127\.0\.0\.1:(\d+)", line)
        assert asked
        told = re.findall(r"(\w+)://[^:,]*:(\d+)", environment["KAFKA_LISTENERS"])
        assert asked[1] in {port for listener, port in told if listener != "CONTROLLER"}
    elif name == "elasticsearch":
        assert f"http://127.0.0.1:{listening(name, service)}/_cluster/health" in line
        assert ('-u "elastic:$ELASTIC_PASSWORD"' in line) == ("ELASTIC_PASSWORD" in environment)
    else:
        path = service["command"][service["command"].index("--health") + 1]
        assert words[0] == "wget"
        assert words[-1] == f"http://127.0.0.1:{listening(name, service)}{path}"
