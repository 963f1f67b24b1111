"""What docker/ says holds together: limits, checks, variables, versions, and nothing open that need not be."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import os
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from video_assets.cli.app import cli
from video_assets.cli.commands.healthy import PARTS
from video_assets.settings import Settings
from video_assets_tests.docker.reading import FOLDER, read, resolved, values, variables, words
from video_assets_tests.docs.env_example import EXAMPLE, OF_THE_IMAGE, with_settings

ROOT = FOLDER.parent
COMPOSE, SERVICES = read("compose.yaml"), read("compose.services.yaml")
OURS = {"migrate", *PARTS}
SETTINGS = {f"VIDEO_ASSETS_{name.upper()}" for name in Settings.model_fields}
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3"}
"""Read by boto3, not by us."""
SECRET = re.compile(r"^(?!VIDEO_ASSETS_).*(PASSWORD|SECRET|KEY_ID$)")


def example() -> str:
    return EXAMPLE.read_text(encoding="utf-8")


def filled_in() -> dict[str, str]:
    """A docker/.env that says only what has to be said."""
    return {name: f"given{name.replace('_', '')}" for name, value in values(example()).items() if SECRET.search(name)}


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


BOTH = [(file, name) for file in ("compose.yaml", "compose.services.yaml") for name in read(file)["services"]]


@pytest.mark.parametrize(("file", "name"), BOTH)
def test_every_service_has_limits_a_health_check_and_bounded_logs(file: str, name: str) -> None:
    found = read(file)["services"][name]
    assert found["mem_limit"]
    assert found["cpus"]
    assert found["logging"]["options"]["max-size"]
    check = found["healthcheck"]
    assert check.get("test") or (check == {"disable": True} and found["restart"].startswith("on-failure"))


def test_the_parts_can_neither_become_root_nor_write_beside_their_volumes() -> None:
    for name in OURS:
        part = service(name)
        assert part["read_only"] is True
        assert part["cap_drop"] == ["ALL"]
        assert part["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in part, "the image's own user"


def test_only_what_clients_need_is_published_and_to_this_machine_only() -> None:
    published = {name: each["ports"] for name, each in COMPOSE["services"].items() if "ports" in each}
    assert published == {
        "webserver": ["127.0.0.1:${DAGSTER_PORT:-3000}:3000"],
        "web": ["127.0.0.1:${WEB_PORT:-8000}:8000"],
        "s3": ["127.0.0.1:${S3_PORT:-7070}:7070"],
    }
    assert all(port.startswith("127.0.0.1:") for each in SERVICES["services"].values() for port in each["ports"])


def test_what_has_to_be_there_first_is_waited_for() -> None:
    for name, each in COMPOSE["services"].items():
        for other, how in each.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert how == {"condition": wanted}, f"{name} → {other}"
            assert other in COMPOSE["services"]
    assert set(service("migrate")["depends_on"]) == {"postgres", "s3"}
    assert all("migrate" in service(name)["depends_on"] for name in PARTS)


def test_every_volume_that_is_used_is_declared_and_every_server_keeps_its_data() -> None:
    used = {volume.partition(":")[0] for each in COMPOSE["services"].values() for volume in each["volumes"]}
    used = {value for volume in used for value in words(resolved(volume.replace("${INBOX_FOLDER", "inbox"), {}))}
    assert used == set(COMPOSE["volumes"])
    assert all(
        service(name)["volumes"] == [f"{name}:{service(name)['volumes'][0].partition(':')[2]}"]
        for name in set(COMPOSE["services"]) - OURS
    )


def test_a_worker_has_more_time_to_stop_than_it_gives_its_runs() -> None:
    assert float(service("worker")["stop_grace_period"].removesuffix("s")) >= Settings().stop_grace_seconds + 15


def test_every_variable_is_in_the_example_and_every_name_there_is_used() -> None:
    named = set(values(example()))
    used = variables(COMPOSE["services"])
    assert used - named == set()
    assert {name for name in named if not name.startswith("VIDEO_ASSETS_")} - used == set()


def test_every_setting_is_explained_in_the_example() -> None:
    assert example() == with_settings(example()), "python -m video_assets_tests.docs.settings_table writes it anew"
    known = SETTINGS - {f"VIDEO_ASSETS_{name.upper()}" for name in OF_THE_IMAGE}
    assert {name for name in values(example()) if name.startswith("VIDEO_ASSETS_")} == known | {"VIDEO_ASSETS_IMAGE"}
    lines = example().splitlines()
    unexplained = [
        line
        for before, line in zip(["", *lines], lines, strict=False)
        if re.match(r"#?[A-Z_]+=", line) and not before.startswith("# ") and not re.match(r"#[A-Z_]+=", before)
    ]
    assert unexplained == []


def test_the_example_sets_nothing_but_the_secrets_and_those_to_nothing() -> None:
    set_there = dict(re.findall(r"^([A-Z_]+)=(.*)$", example(), re.MULTILINE))
    assert set_there == dict.fromkeys(filled_in(), "")


def test_no_secret_has_a_default_and_compose_refuses_to_start_without() -> None:
    given = filled_in()
    assert len(given) == 5
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"\$\{[A-Z_]*(PASSWORD|SECRET)[A-Z_]*:?-", text)
    resolved(COMPOSE["services"], given)
    for name in given:
        with pytest.raises(KeyError, match=name):
            resolved(COMPOSE["services"], {**given, name: ""})


def test_the_parts_are_told_settings_that_exist_and_that_can_be_right(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = resolved(service("worker")["environment"], filled_in())
    assert set(environment) <= SETTINGS | OTHERS
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    made = Settings.load()
    assert made.database_url == made.dagster_database_url != ""
    assert made.db_sync is False
    assert made.s3_endpoint_url == environment["AWS_ENDPOINT_URL_S3"] == "http://s3:7070"


def test_another_server_takes_its_place_by_its_url() -> None:
    given = {
        **filled_in(),
        "VIDEO_ASSETS_SEARCH_URL": "https://search.example:9200",
        "VIDEO_ASSETS_S3_ENDPOINT_URL": "",
    }
    environment = resolved(service("daemon")["environment"], given)
    assert environment["VIDEO_ASSETS_SEARCH_URL"] == "https://search.example:9200"
    assert environment["AWS_ENDPOINT_URL_S3"] == environment["VIDEO_ASSETS_S3_ENDPOINT_URL"] == ""


def test_the_production_instance_is_the_one_the_system_was_built_for() -> None:
    instance = read("dagster.yaml")
    named = {each["env"] for each in _mappings(instance) if set(each) == {"env"}}
    assert named <= SETTINGS
    assert instance["telemetry"]["enabled"] is False
    assert instance["run_monitoring"]["enabled"] is False
    assert instance["sensors"]["use_threads"] is True
    assert instance["storage"]["custom"]["class"] == "WarmPostgresStorage"
    assert instance["compute_logs"]["class"] == "S3ComputeLogManager"
    assert instance["retention"]["sensor"]["purge_after_days"]["skipped"] <= 1
    limits = instance["run_coordinator"]["config"]["tag_concurrency_limits"]
    assert [each["key"] for each in limits] == ["dagster/backfill"]


def _mappings(value: object) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(found for each in value.values() for found in _mappings(each))]
    return [found for each in value for found in _mappings(each)] if isinstance(value, list) else []


def test_each_part_starts_a_role_that_the_image_knows() -> None:
    script = (FOLDER / "role").read_text(encoding="utf-8")
    cases = set(re.findall(r"^  ([a-z-]+)\)", script, re.MULTILINE))
    for name in OURS:
        assert service(name)["command"][0] == name
        assert name in cases | set(cli.commands)


SERVER_VERSIONS = {
    "s3": ("s3.sh", r"S3_VERSION=(v[\d.]+)", "versity/versitygw:{}"),
    "elasticsearch": (
        "elasticsearch.sh",
        r"ELASTICSEARCH_VERSION=([\d.]+)",
        "docker.elastic.co/elasticsearch/elasticsearch:{}",
    ),
    "kafka": ("kafka/pom.xml", r"<kafka.version>([\d.]+)</kafka.version>", "apache/kafka:{}"),
}


def test_servers_are_of_the_versions_that_the_tests_run_on() -> None:
    for name, (file, pattern, image) in SERVER_VERSIONS.items():
        found = re.search(pattern, (ROOT / "video_assets_tests" / "services" / file).read_text(encoding="utf-8"))
        assert found
        assert service(name)["image"] == image.format(found[1])
    assert {name: each["image"] for name, each in SERVICES["services"].items()} == {
        name: each["image"] for name, each in COMPOSE["services"].items() if name not in OURS
    }


def test_the_tests_find_the_containers_where_they_find_the_packages() -> None:
    folder = ROOT / "video_assets_tests" / "services"
    ask = 'for file in "$HERE"/*.sh; do . "$file"; "$(basename "$file" .sh)_env"; done'
    environment = {**os.environ, "HERE": str(folder), "STATE": "/state", "PROGRAMS": "/programs"}
    lines = subprocess.run(
        ["bash", "-c", ask], env=environment, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    packages = {name: value for word in lines.split() for name, sep, value in [word.partition("=")] if sep}
    containers = values((FOLDER / "services.env").read_text(encoding="utf-8"))
    assert containers == packages
    ports = {port.split(":")[1] for each in SERVICES["services"].values() for port in each["ports"]}
    assert ports == {found[1] for value in containers.values() if (found := re.search(r":(\d+)(/|$)", value))}


def locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Of each package in a lock: its version, and the hashes it may have."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8")):
        head = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", block)
        if head:
            name = canonicalize_name(head[1])
            found[f"{name} {head[2]}"] = (str(name), frozenset(re.findall(r"sha256:[0-9a-f]+", block)))
    return found


def test_the_image_s_lock_is_part_of_the_lock_and_has_hashes() -> None:
    everything, image = locked(ROOT / "requirements.lock"), locked(FOLDER / "requirements.lock")
    assert len(image) > 80
    assert {key: value for key, value in image.items() if everything.get(key) != value} == {}, "make lock writes both"
    assert all(hashes for _, hashes in image.values())


def test_the_image_s_lock_has_all_that_is_needed_and_no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", said.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    needed: set[str] = set()
    _closure(said["install_requires"], needed)
    image = {name for name, _ in locked(FOLDER / "requirements.lock").values()}
    assert needed - image == set(), "make lock writes both"
    tools = {canonicalize_name(Requirement(each).name) for each in said["extras_require"]["dev"]} - needed
    assert "pytest" in tools
    assert tools & image == set()


def _closure(requirements: list[str], found: set[str]) -> None:
    """The names of everything that these need on this machine, by what is installed in it."""
    for each in map(Requirement, requirements):
        extras = each.extras or {""}
        if each.marker and not any(each.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(each.name)
        if name in found and not each.extras:
            continue
        found.add(name)
        below = importlib.metadata.requires(name) or []
        wanted = [
            one.split(";")[0]
            for one in below
            if not (marker := Requirement(one).marker) or any(marker.evaluate({"extra": extra}) for extra in extras)
        ]
        _closure([one for one in wanted if canonicalize_name(Requirement(one).name) not in found], found)


def test_the_image_is_built_of_what_the_context_lets_in_and_runs_as_nobody_special() -> None:
    text = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text(encoding="utf-8"))
    steps = [line.split(maxsplit=1) for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    last = [step for step in steps[[step[0] for step in steps].index("FROM", 1) :]]
    assert [rest for word, rest in last if word == "USER"] == ["10001:10001"]
    assert [rest for word, rest in last if word == "ENTRYPOINT"] == ['["tini", "--", "role"]']
    assert any(word == "HEALTHCHECK" for word, _ in last)
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = {
        source
        for word, rest in steps
        if word == "COPY" and "--from" not in rest
        for source in [part for part in rest.split() if not part.startswith("--")][:-1]
    }
    assert copied == set(let_in)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert not any(fnmatch.fnmatch("docker/.env", pattern) for pattern in let_in)


COMPOSE_COMMAND = re.compile(r"docker compose ((?:[^`\n\\]|\\\n|\\(?!\n))+)")


def shown() -> list[list[str]]:
    """The words of every `docker compose …` in docker/README.md."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    return [match.replace("\\\n", " ").split() for match in COMPOSE_COMMAND.findall(page)]


def test_every_compose_command_that_is_shown_names_services_and_commands_that_exist() -> None:
    commands = shown()
    assert len(commands) > 15
    valued = {"--user", "--cap-add", "--volume", "--entrypoint"}
    for verb, *rest in commands:
        if verb not in ("run", "exec"):
            continue
        plain = [word for before, word in zip(["", *rest], rest, strict=False) if before not in valued]
        service_name, *command = [word for word in plain if not word.startswith("-")]
        assert service_name in COMPOSE["services"], rest
        if command and service_name in OURS and "--entrypoint" not in rest:
            # The image's entry point knows commands without the word before them; `exec` goes past it.
            assert (command[0] == "video-assets") == (verb == "exec"), rest
            assert command[verb == "exec"] in cli.commands, rest
    copied = [rest for verb, *rest in commands if verb == "cp"]
    assert copied
    assert all(target.startswith("daemon:/inbox/") for _, target in copied)


def test_the_volumes_that_are_backed_up_are_those_of_compose() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"--volume video-assets_([a-z0-9]+):", page))
    assert named == {"s3"}
    assert named <= set(COMPOSE["volumes"])
    assert COMPOSE["name"] == "video-assets"
