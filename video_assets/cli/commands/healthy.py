"""`video-assets healthy`: the health check of a part of the production installation.

It runs every half minute in each container. So it does not import Dagster, which takes three seconds of processor time,
and asks each part in the cheapest way to which a hanging part cannot answer.
"""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import TYPE_CHECKING

import click

from video_assets.cli.render.output import Output, pass_output

if TYPE_CHECKING:
    from video_assets.settings import Settings

PARTS = ("webserver", "daemon", "worker", "web")
ANSWER_SECONDS = 5.0
SILENT_SECONDS = 120.0
"""A daemon hangs if its heartbeat for sensors or queue is older. It writes them every 30 s."""
_LOOKED_AFTER = ("SENSOR", "QUEUED_RUN_COORDINATOR")


@click.command()
@click.argument("part", type=click.Choice(PARTS))
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port of the webserver or the web  [default: 3000, of the web 8000]"
)
@pass_output
def healthy(output: Output, part: str, port: int | None) -> None:
    """Say whether a PART of a production installation works; the exit status is 1 where it does not. The webserver,
    the web and the worker are looked for on this machine, the daemon through the database.

    \b
    video-assets healthy daemon
    video-assets healthy worker
    """
    from video_assets.settings import Settings

    settings = Settings.load()
    if part == "webserver":
        output.say(webserver(port or 3000))
    elif part == "web":
        output.say(web(port or 8000))
    elif part == "daemon":
        output.say(daemon(settings))
    else:
        output.say(worker(settings))


def webserver(port: int) -> str:
    """A line with the webserver's version; TransientError where it does not answer."""
    return f"webserver {_version('webserver', port, '/server_info', 'dagster_webserver_version')} answers"


def web(port: int) -> str:
    """A line with the API's version; TransientError where it does not answer. Whether its servers do it says itself,
    at `health/ready`: starting it again because the tables are away would help nobody."""
    return f"web {_version('web', port, '/api/v1/health/live', 'version')} answers"


def _version(part: str, port: int, path: str, field: str) -> str:
    from video_assets.errors import TransientError, one_line

    # No proxy for this machine, even if the environment names one.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=ANSWER_SECONDS) as answer:
            return str(json.load(answer)[field])
    except (OSError, ValueError, KeyError) as error:
        raise TransientError(one_line(f"no {part} answers on port {port}: {error}")) from None


def daemon(settings: Settings) -> str:
    """A line with the age of the daemon's older heartbeat, of sensors or queue; TransientError where it is too old."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

    from video_assets.errors import PermanentError, TransientError, one_line

    if not settings.dagster_database_url:
        raise PermanentError(
            "VIDEO_ASSETS_DAGSTER_DATABASE_URL is not set; `video-assets doctor` knows an embedded daemon"
        )
    # By the database's clock; Dagster stores UTC without a time zone.
    ages = text("SELECT daemon_type, extract(epoch FROM (now() AT TIME ZONE 'utc') - timestamp) FROM daemon_heartbeats")
    engine = create_engine(settings.dagster_database_url, connect_args={"connect_timeout": int(ANSWER_SECONDS)})
    try:
        with engine.connect() as connection:
            seconds = {kind: float(age) for kind, age in connection.execute(ages)}
    except ProgrammingError:
        raise PermanentError("Dagster's database has no tables yet; run video-assets migrate") from None
    except SQLAlchemyError as error:
        raise TransientError(one_line(f"Dagster's database did not answer: {getattr(error, 'orig', error)}")) from None
    finally:
        engine.dispose()
    missing = [kind.lower() for kind in _LOOKED_AFTER if seconds.get(kind, SILENT_SECONDS) >= SILENT_SECONDS]
    if missing:
        raise TransientError(f"the daemon has not looked after {' and '.join(missing)} for {SILENT_SECONDS:.0f} s")
    return f"daemon was at work {max(seconds[kind] for kind in _LOOKED_AFTER):.0f} s ago"


def worker(settings: Settings) -> str:
    """A line with the name of this machine's worker, which answers through the broker; TransientError where none
    does."""
    from celery import Celery
    from kombu.exceptions import KombuError

    from video_assets.errors import PermanentError, TransientError, one_line

    if not settings.celery_broker_url:
        raise PermanentError("VIDEO_ASSETS_CELERY_BROKER_URL is not set; give redis://host:6379/0")
    app = Celery(broker=settings.celery_broker_url, set_as_current=False)
    app.conf.broker_transport_options = {
        "socket_connect_timeout": ANSWER_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "max_retries": 0,
    }
    try:
        answers = app.control.ping(
            pattern=f"video-assets-*@{socket.gethostname()}", matcher="glob", timeout=ANSWER_SECONDS, limit=1
        )
    except (OSError, KombuError) as error:
        raise TransientError(one_line(f"the broker did not answer: {error}")) from None
    if not answers:
        raise TransientError("no worker of this machine answers")
    return f"worker {next(iter(answers[0]))} answers"
