"""Dagster's webserver behind the gate, in one process, so that no port without the gate is open."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.cli import DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_MAX_OVERFLOW, DEFAULT_POOL_RECYCLE
from dagster_webserver.version import __version__

from video_assets.defs.instance.gate import Gate, loopback_hosts

HOST = "127.0.0.1"
"""Only this machine: everyone who reaches Dagster's GraphQL can start and delete runs without a login."""

POLL_MILLISECONDS = 2000
CLOSE_SECONDS = 2
"""How long open pages have to close their WebSockets when the webserver is told to stop."""


def serve(workspace_file: Path, port: int) -> None:
    """Serves the UI of this workspace until it is told to stop."""
    configure_loggers(log_level="WARNING")
    setup_interrupt_handlers()
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        with WorkspaceProcessContext(
            instance,
            version=__version__,
            read_only=False,
            code_server_log_level="warning",
            workspace_load_target=WorkspaceFileTarget([str(workspace_file)]),
        ) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=POLL_MILLISECONDS)
            uvicorn.run(
                Gate(app, loopback_hosts(port)),
                host=HOST,
                port=port,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
