"""Containers as compose.yaml describes them, run by an engine that has no Compose."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from video_assets_tests.docker.reading import read, resolved
from video_assets_tests.e2e.house import wait_for

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "video_assets_tests" / "services" / "engine"
DOCKER = "/usr/bin/docker"


@dataclass
class Docker:
    """A client of the tests' engine."""

    host: str

    def __call__(self, *words: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """`docker WORDS…`; an AssertionError with what it said where it fails."""
        ran = subprocess.run(
            [DOCKER, "-H", self.host, *words],
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
        )
        assert not check or ran.returncode == 0, f"docker {' '.join(words)}\n{ran.stdout[-3000:]}{ran.stderr[-6000:]}"
        return ran

    def inspect(self, name: str, template: str) -> Any:
        """Part of what the engine knows of a container or image."""
        return json.loads(self("inspect", "--format", f"{{{{json {template}}}}}", name).stdout)


@dataclass
class Installation:
    """compose.yaml over servers that are somewhere else: its parts as containers in this machine's own network."""

    docker: Docker
    image: str
    given: Mapping[str, str]
    """What its docker/.env says."""
    name: str = field(default_factory=lambda: f"test-{uuid4().hex[:10]}")
    port: int = 3000
    web_port: int = 8000

    def arguments(self, service: str, more: Sequence[str] = ()) -> list[str]:
        """What stands between `docker run` and the command, for a service of compose.yaml."""
        part = resolved(read("compose.yaml")["services"][service], self.given)
        # As Compose does: env_file first, then what compose.yaml says.
        environment = {**self.given, **part["environment"]}
        found = ["--network", "host", "--memory", part["mem_limit"], "--cpus", str(part["cpus"])]
        found += ["--pids-limit", str(part["pids_limit"]), "--read-only"]
        found += [word for mount in part["tmpfs"] for word in ("--tmpfs", mount)]
        found += [word for each in part["cap_drop"] for word in ("--cap-drop", each)]
        found += [word for each in part["security_opt"] for word in ("--security-opt", each)]
        found += [word for each in part["volumes"] for word in ("--volume", f"{self.name}-{each}")]
        found += [word for each in sorted(environment.items()) for word in ("--env", "=".join(map(str, each)))]
        assert part["healthcheck"] == {"disable": True} or part["healthcheck"]["test"] == ["CMD", "role", "health"]
        # The image's own check, as compose.yaml says, sooner than in production.
        found += ["--health-interval", "10s", "--stop-timeout", _seconds(part.get("stop_grace_period", "10s"))]
        return [*found, *more, self.image]

    def command(self, service: str) -> list[str]:
        """What compose.yaml has the service do; but nothing of a test listens beyond this machine."""
        words: list[str] = resolved(read("compose.yaml")["services"][service]["command"], self.given)
        ports = {"webserver": self.port, "web": self.web_port}
        return [service, "--port", str(ports[service])] if service in ports else words

    def run(self, service: str, *command: str, more: Sequence[str] = (), check: bool = True) -> Any:
        """A container that ends by itself: `docker compose run --rm SERVICE COMMAND…`."""
        words = command or self.command(service)
        return self.docker("run", "--rm", *self.arguments(service, more), *words, check=check, seconds=400)

    def start(self, service: str, *, healthy: bool = True) -> str:
        """A container that stays: `docker compose up --detach --wait SERVICE`; returns its name."""
        name = self.container(service)
        self.docker("run", "--detach", "--name", name, *self.arguments(service), *self.command(service))
        if healthy:
            self.wait_until_healthy(service)
        return name

    def wait_until_healthy(self, service: str, seconds: float = 300) -> None:
        """Returns once the engine says so; fails at once where the container has ended."""
        name = self.container(service)

        def state() -> bool:
            found = self.docker.inspect(name, ".State")
            assert found["Running"], f"{service} has ended:\n{self.logs(service)}"
            return bool(found["Health"]["Status"] == "healthy")

        try:
            wait_for(f"{service} to be healthy", state, seconds, pause=1)
        except AssertionError as error:
            told = self.docker.inspect(name, ".State.Health.Log")
            raise AssertionError(f"{error}\n{[each['Output'] for each in told or ()]}\n{self.logs(service)}") from None

    def stop(self, service: str) -> int:
        """Told to stop, as `docker compose stop` does; its exit status, 137 where it had to be killed."""
        name = self.container(service)
        self.docker("stop", name)
        code: int = self.docker.inspect(name, ".State.ExitCode")
        self.docker("rm", name)
        return code

    def logs(self, service: str, lines: int = 60) -> str:
        """The end of what it wrote."""
        ran = self.docker("logs", "--tail", str(lines), self.container(service), check=False)
        return ran.stdout + ran.stderr

    def container(self, service: str) -> str:
        return f"{self.name}-{service}"

    def remove(self) -> None:
        """All of it."""
        for kind, listed, removed in (("ps", ["-aq"], ["rm", "-f"]), ("volume", ["ls", "-q"], ["volume", "rm", "-f"])):
            found = self.docker(kind, *listed, "--filter", f"name={self.name}", check=False).stdout.split()
            if found:
                self.docker(*removed, *found, check=False)


def _seconds(duration: str) -> str:
    found = re.fullmatch(r"(\d+)s", duration)
    assert found
    return found[1]
