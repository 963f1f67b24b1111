"""Dagster's webserver, daemon and code server as children of this process: started, awaited, ended whole."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.settings import Settings

HOST = "127.0.0.1"
"""Never another: whoever reaches Dagster's GraphQL can start and delete runs without logging in."""

READY_SECONDS = 120.0
STOP_SECONDS = 10.0
_HEALTH = """{
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError {
    ... on Workspace { locationEntries { name locationOrLoadError { __typename ... on PythonError { message } } } }
  }
}"""


def port_in_use(port: int) -> str | None:
    """Why nothing can listen on the port; None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return one_line(error.strerror or str(error))
    return None


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Services:
    """The running children. `started` is the way to have them."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self.port = port
        self.log = log
        self._family: dict[int, psutil.Process] = {}

    @property
    def address(self) -> str:
        """Where the Dagster UI is."""
        return f"http://{HOST}:{self.port}"

    def ended(self) -> bool:
        """Whether they ended by themselves. Also notes who belongs to them, so call it now and then."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children(recursive=True):
                self._family.setdefault(child.pid, child)
        return self._process.poll() is not None

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Returns once the webserver answers, the graph is loaded and the daemons live. Raises TransientError
        with the reason and the log's last words."""
        deadline = time.monotonic() + seconds
        lacking = "the webserver does not answer"
        while time.monotonic() < deadline:
            if self.ended():
                raise TransientError(f"Dagster ended at start; see {self.log}: {self.last_words()}")
            try:
                lacking = self._lacking()
            except (OSError, ValueError):  # not listening yet, or only half of it
                lacking = "the webserver does not answer"
            if not lacking:
                return
            time.sleep(0.3)
        raise TransientError(f"not ready within {seconds:.0f} s: {lacking}; see {self.log}: {self.last_words()}")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ends all of them. A run that is going may use these seconds to end by itself; then, or on a second
        Ctrl-C, it is killed, and the next start goes on with its video. Returns when nothing is left."""
        if not self.ended():
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(KeyboardInterrupt):
            deadline = time.monotonic() + seconds
            while not self.ended() and time.monotonic() < deadline:
                time.sleep(0.1)
            # What its parent has told to end needs a moment more.
            psutil.wait_procs(self._family.values(), timeout=max(deadline - time.monotonic(), 1))
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for child in self._family.values():
            with contextlib.suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(self._family.values(), timeout=10)

    def last_words(self, lines: int = 3, *, one: bool = True) -> str:
        """The end of the log: as one short line, or as it is."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as file:
                last = [line.rstrip() for line in deque(file, maxlen=lines) if line.strip()]
        except OSError:
            return ""
        return one_line(" | ".join(last), 400) if one else "\n".join(last)

    def _lacking(self) -> str:
        self._get("/server_info")
        data = self._get("/graphql", {"query": _HEALTH})["data"]
        for entry in data["workspaceOrError"].get("locationEntries") or ():
            loaded = entry["locationOrLoadError"]
            if loaded is None:
                return "the graph is being loaded"
            if loaded["__typename"] == "PythonError":
                raise TransientError(f"the graph cannot be loaded: {one_line(loaded['message'], 300)}")
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        missing = [each["daemonType"] for each in daemons if each["required"] and not each["healthy"]]
        return f"not alive yet: {', '.join(missing).lower()} daemon" if missing else ""

    def _get(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.address + path, data=json.dumps(body).encode() if body else None,
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        # No proxy stands between us and this machine, whatever the environment says.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def started(settings: Settings, port: int, *, log: Path) -> Iterator[Services]:
    """Starts everything over these settings; ends everything when the block is left, however it is left."""
    trouble = port_in_use(port)
    if trouble:
        raise PermanentError(f"port {port} cannot be used ({trouble}); name another with --port, or stop what has it")
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("wb") as out:
        # A session of its own, so that Ctrl-C on the terminal reaches us alone and we end it in order.
        process = subprocess.Popen(
            _command(port), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env=settings.environment(), start_new_session=True,
        )  # fmt: skip
    services = Services(process, port, log)
    try:
        yield services
    finally:
        services.stop()


def _command(port: int) -> Sequence[str]:
    return (
        sys.executable, "-m", "dagster", "dev", "-m", "video_assets.definitions",
        "--host", HOST, "--port", str(port), "--log-level", "warning", "--code-server-log-level", "warning",
    )  # fmt: skip
