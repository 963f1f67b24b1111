"""Runs code server, webserver and daemon as children of this process: starts, watches, restarts and stops them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from video_assets.cli.up import guard
from video_assets.cli.up.alone import PREFIX, Alone
from video_assets.cli.up.part import Part, command
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.settings import Settings

HOST = "127.0.0.1"
"""Only this machine: everyone who reaches Dagster's GraphQL can start and delete runs without a login."""

WEB_PORT = 8000
READY_SECONDS = 120.0
STOP_SECONDS = 10.0
LOOK_SECONDS = 0.2
PRUNE_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""The daemon listens on no port, so it counts as up once it has run for this long."""
_HEALTH = """{
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError {
    ... on Workspace { locationEntries { name locationOrLoadError { __typename ... on PythonError { message } } } }
  }
}"""


def port_in_use(port: int) -> str | None:
    """Why the port cannot be used; None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return one_line(error.strerror or str(error))
    return None


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Services:
    """The running children. Use `started` to get one."""

    def __init__(self, settings: Settings, port: int, web_port: int, log: Path, alone: Alone, folder: Path) -> None:
        from video_assets.defs.instance.parts import workspace

        self.port = port
        self.web_port = web_port
        self.log = log
        self._alone = alone
        self._folder = folder
        self._socket = folder / "code"
        self._workspace = folder / "workspace.yaml"
        self._workspace.write_text(workspace(self._socket), encoding="utf-8")
        environment = settings.environment()
        common = (str(self._socket), str(self._workspace))

        def part(name: str, *arguments: str, is_up: Any) -> Part:
            module = ("-m", "video_assets.defs.instance.parts", str(os.getpid()), name.replace(" ", "-"))
            return Part(name, command(*module, *arguments), environment=environment, log=log, is_up=is_up)

        self._code = part("code server", str(self._socket), is_up=lambda _: _listens(str(self._socket)))
        self._others = (
            part("webserver", *common, str(port), is_up=lambda _: _listens((HOST, port))),
            part("daemon", *common, is_up=lambda seconds: seconds > STEADY_SECONDS),
            Part(
                "web",
                command("-m", "video_assets.web", str(os.getpid()), HOST, str(web_port)),
                environment=environment,
                log=log,
                is_up=lambda _: _listens((HOST, web_port)),
            ),
        )
        self._parts = (self._code, *self._others)
        self._sessions: set[int] = set()
        self._guard: subprocess.Popen[bytes] | None = None
        self._news: deque[str] = deque(maxlen=100)
        self._trouble: str | None = None
        self._stopping, self._over = threading.Event(), threading.Event()
        self._looking = threading.Lock()
        self._prune_at = 0.0
        # A separate thread, because the main thread, which shows the tables, may wait for a database.
        self._watch = threading.Thread(target=self._keep_running, name="services", daemon=True)

    @property
    def address(self) -> str:
        """URL of the Dagster UI."""
        return f"http://{HOST}:{self.port}"

    @property
    def web_address(self) -> str:
        """URL of the web."""
        return f"http://{HOST}:{self.web_port}"

    def start(self) -> None:
        """Starts everything at once; webserver and daemon wait for the code server by themselves."""
        self._tell_guard()
        for part in self._parts:
            part.start()
            self._tell_guard()
        self._write_down()
        self._watch.start()

    def must_run(self) -> None:
        """TransientError, with the last lines of the log, where a part does not stay up."""
        if self._trouble is not None:
            raise TransientError(f"{self._trouble}; see {self.log}: {self.last_words()}")

    def news(self) -> list[str]:
        """A line for each part that ended since the last call."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Waits until the webserver answers, the graph is loaded and the daemons are healthy. TransientError, with the
        reason and the last lines of the log, after `seconds`."""
        deadline = time.monotonic() + seconds
        lacking = "the webserver does not answer"
        while time.monotonic() < deadline:
            self.must_run()
            try:
                lacking = self._lacking()
            except (OSError, ValueError):  # not listening yet, or only half of it
                lacking = "the webserver does not answer"
            if not lacking:
                self._alone.note(ready=True)
                return
            time.sleep(0.2)
        raise TransientError(f"not ready within {seconds:.0f} s: {lacking}; see {self.log}: {self.last_words()}")

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Stops all parts; returns when no process is left. A running run has `seconds` to end by itself. Then, or on a
        second Ctrl-C, it is killed, and the next start goes on with its video."""
        self._stopping.set()
        deadline = time.monotonic() + seconds
        with contextlib.suppress(KeyboardInterrupt), self._looking:
            # The clients of the code server first: a run that it can no longer start would fail.
            for others in (self._others, (self._code,)):
                for part in others:
                    part.tell(signal.SIGTERM)
                while not all([part.ended() for part in others]) and time.monotonic() < deadline:
                    time.sleep(0.05)
        guard.kill(self._sessions | {part.pid for part in self._parts if part.pid is not None})
        for part in self._parts:
            part.ended()
        self._over.set()
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):  # it may have been killed
                self._guard.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(timeout=2 * guard.KILL_SECONDS)

    def last_words(self, lines: int = 3, *, one: bool = True) -> str:
        """The last lines of the log, as one short line or unchanged."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as file:
                last = [line.rstrip() for line in deque(file, maxlen=lines) if line.strip()]
        except OSError:
            return ""
        return one_line(" | ".join(last), 400) if one else "\n".join(last)

    def _keep_running(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                with self._looking:
                    if not self._stopping.is_set():
                        self._look()
            except TransientError as error:
                self._trouble = str(error)
                break
            except OSError as error:  # no more processes, or no room for the log
                self._say(one_line(f"a part could not be started: {error}; trying again"))
        # The kernel kills the parts that this thread has started when the thread ends, so it waits.
        self._over.wait()

    def _look(self) -> None:
        before = [(part.pid, part.came_up) for part in self._parts]
        for part in self._parts:
            self._say(part.look())
        changed = before != [(part.pid, part.came_up) for part in self._parts]
        if changed or not self._guarded() or time.monotonic() > self._prune_at:
            self._tell_guard()
        if changed:
            self._write_down()

    def _say(self, line: str | None) -> None:
        if line:
            self._news.append(line)

    def _guarded(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def _tell_guard(self) -> None:
        """Tells the guard about all sessions that may have processes; starts it if it does not run."""
        running = {part.pid for part in self._parts if part.pid is not None}
        # Runs go on after their code server was killed, so a session stays until it has no process. Then its number may
        # be used again by others.
        now = running | {session for session in self._sessions - running if guard.members({session})}
        known = self._sessions
        if not self._guarded():
            self._guard, known = self._new_guard(), set()
        self._sessions, self._prune_at = now, time.monotonic() + PRUNE_SECONDS
        assert self._guard is not None
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has just died; the next look starts another
            for sign, sessions in (("+", now - known), ("-", known - now)):
                self._guard.stdin.write("".join(f"{sign}{each}\n" for each in sessions).encode())
            self._guard.stdin.flush()

    def _new_guard(self) -> subprocess.Popen[bytes]:
        # It inherits the lock, so that the next `up` starts only once nothing of this one is left.
        return subprocess.Popen(
            command("-I", "-S", str(Path(guard.__file__)), str(self._folder)),
            stdin=subprocess.PIPE,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self._alone.held,),
        )

    def _write_down(self) -> None:
        """Writes pids and restarts of the parts into the lock, for `doctor`."""
        parts = {part.name: {"pid": part.pid, "restarts": part.restarts} for part in self._parts}
        self._alone.note(socket=str(self._socket), parts=parts, web_port=self.web_port)

    def _lacking(self) -> str:
        down = [part.name for part in self._parts if part.pid is None]
        if down:
            return f"the {down[0]} does not run"
        get(self.address + "/server_info")
        data = get(self.address + "/graphql", {"query": _HEALTH})["data"]
        for entry in data["workspaceOrError"].get("locationEntries") or ():
            loaded = entry["locationOrLoadError"]
            if loaded is None:
                return "the graph is being loaded"
            if loaded["__typename"] == "PythonError":
                raise TransientError(f"the graph cannot be loaded: {one_line(loaded['message'], 300)}")
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        missing = [each["daemonType"] for each in daemons if each["required"] and not each["healthy"]]
        if missing:
            return f"not alive yet: {', '.join(missing).lower()} daemon"
        return "" if _listens((HOST, self.web_port)) else "the web does not answer"


def get(url: str, body: Any = None, seconds: float = 10) -> Any:
    """The JSON answer of a GET, or of a POST if there is a body. Raises OSError or ValueError."""
    request = urllib.request.Request(
        url, data=json.dumps(body).encode() if body else None, headers={"Content-Type": "application/json"}
    )
    # No proxy for this machine, even if the environment names one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=seconds) as answer:
        return json.load(answer)


def _listens(address: str | tuple[str, int]) -> bool:
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


@contextlib.contextmanager
def started(
    settings: Settings, port: int, *, log: Path, alone: Alone, web_port: int | None = None
) -> Iterator[Services]:
    """For the block, runs everything with these settings; stops it however the block is left. PermanentError where the
    port cannot be used. `web_port` None: `WEB_PORT`, or where another program has that a free one."""
    for option, wanted in (("--port", port), ("--web-port", web_port)):
        trouble = port_in_use(wanted) if wanted is not None else None
        if trouble:
            raise PermanentError(
                f"port {wanted} cannot be used ({trouble}); name another with {option}, or stop what has it"
            )
    web_port = web_port or (free_port() if port_in_use(WEB_PORT) else WEB_PORT)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    alone.clear_up()
    folder, services = _private_folder(), None
    try:
        services = Services(settings, port, web_port, log, alone, folder)
        services.start()
        yield services
    finally:
        if services is not None:
            services.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _private_folder() -> Path:
    """A temporary folder for the code server's socket, whose path may have at most 107 bytes. The guard removes it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    if len(os.fsencode(folder)) > 90:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    return folder
