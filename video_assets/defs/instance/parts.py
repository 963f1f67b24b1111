"""The parts of `video-assets up`, as programs: the code server, the webserver and the daemon.

`dagster dev` would start the same parts, two more processes, and a webserver that takes requests from every page. A
part is killed when its parent ends, for whatever reason.

    python -m video_assets.defs.instance.parts PARENT_PID code-server SOCKET
    python -m video_assets.defs.instance.parts PARENT_PID webserver SOCKET WORKSPACE_FILE PORT
    python -m video_assets.defs.instance.parts PARENT_PID daemon SOCKET WORKSPACE_FILE
"""

from __future__ import annotations

import ctypes
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from video_assets.media.sandbox.confine import die_with_parent

# Runs import this module too, because their code server was started from it; so heavy imports are inside functions.
GRAPH = "video_assets.definitions"
LOCATION = "video_assets"
"""The name of the code location, the same as in workspace.yaml and docs/graphql.md."""

CODE_SECONDS = 120.0
LOG_LEVEL = "warning"


def workspace(socket: Path) -> str:
    """The content of the workspace file for webserver and daemon, which share one code server."""
    return f'load_from:\n  - grpc_server:\n      socket: "{socket}"\n      location_name: {LOCATION}\n'


def code_server(socket: str) -> None:
    """Loads the graph, evaluates its sensors, and starts runs as child processes."""
    from dagster._cli.api import grpc_command

    arguments = [
        "--socket",
        socket,
        "--module-name",
        GRAPH,
        "--location-name",
        LOCATION,
        "--empty-working-directory",
        # Then an error in the graph is reported to every client, instead of ending the code server.
        "--lazy-load-user-code",
        "--inject-env-vars-from-instance",
        "--use-python-environment-entry-point",
        "--log-level",
        LOG_LEVEL,
    ]
    grpc_command.main(args=arguments, prog_name="code server", standalone_mode=False)


def daemon(socket: str, workspace_file: str) -> None:
    """Runs Dagster's daemon: sensors, the queue of runs, backfills."""
    from video_assets.defs.instance.daemon import run

    wait_for_code(socket)
    arguments = ["--workspace", workspace_file, "--log-level", LOG_LEVEL, "--code-server-log-level", LOG_LEVEL]
    run(arguments)


def webserver(socket: str, workspace_file: str, port: str) -> None:
    """Serves the Dagster UI and GraphQL, on this machine only, and not to pages of other sites."""
    from video_assets.defs.instance.webserver import serve

    wait_for_code(socket)
    serve(Path(workspace_file), int(port))


def wait_for_code(socket: str, seconds: float = CODE_SECONDS) -> None:
    """Waits until the code server answers, at most `seconds`: a client that starts earlier shows an error until it asks
    again."""
    deadline = time.monotonic() + seconds
    while not code_answers(socket, 2.0) and time.monotonic() < deadline:
        time.sleep(0.1)


def code_answers(socket: str, seconds: float) -> bool:
    """Whether the code server answers within so many seconds."""
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    try:
        DagsterGrpcClient(socket=socket).get_server_id(timeout=max(1, int(seconds)))
    except DagsterUserCodeUnreachableError:
        return False
    return True


PARTS: dict[str, Callable[..., None]] = {"code-server": code_server, "webserver": webserver, "daemon": daemon}


def main(arguments: list[str]) -> None:
    """The entry point."""
    parent, name, *rest = arguments
    # In the background of a script SIGINT is ignored, and then Dagster would ignore SIGTERM too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform == "linux":
        die_with_parent(ctypes.CDLL(None), int(parent))
    PARTS[name](*rest)


if __name__ == "__main__":
    main(sys.argv[1:])
