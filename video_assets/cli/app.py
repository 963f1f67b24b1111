"""The top of the command: registers all commands, and turns every failure into one line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from video_assets import __version__
from video_assets.cli.commands import (
    account,
    demo,
    doctor,
    events,
    healthy,
    metrics,
    migrate,
    operate,
    process,
    report,
    search,
    status,
    up,
    web,
    worker,
)
from video_assets.cli.render.output import Output
from video_assets.cli.stopping import INTERRUPTED, stop_when_told
from video_assets.cli.up.private import private_files
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.settings import Settings
from video_assets.storage import NotFound


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
@click.version_option(__version__, prog_name="video-assets")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Videos in; watchable, transcribed, summarised and searchable out.

    \b
    See it work:        video-assets demo
    Start everything:   video-assets up
    One file, here:     video-assets process talk.mp4
    What is going on:   video-assets status --watch
    Find what was said: video-assets search "fishing boats"
    Something wrong?    video-assets doctor

    Everything lies in one folder, ./data (VIDEO_ASSETS_HOME); no server is needed. Every setting is an
    environment variable VIDEO_ASSETS_<NAME>.
    """
    context.ensure_object(Output).debug = debug


for _command in (
    up.up,
    demo.demo,
    process.process,
    status.status,
    search.search,
    operate.cancel,
    operate.delete,
    operate.reconcile,
    operate.rebuild,
    events.events,
    doctor.doctor,
    report.report,
    web.web,
    account.account,
    worker.worker,
    migrate.migrate,
    healthy.healthy,
    metrics.metrics,
):
    cli.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Runs the command line; returns the exit status. A failure is one line on stderr and status 1; wrong usage is 2,
    an interruption 130."""
    try:
        with stop_when_told(), private_files():
            result = cli.main(args=list(arguments), prog_name="video-assets", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.UsageError as error:
        where = f"; see {error.ctx.command_path} --help" if error.ctx else ""
        return _fail(error.format_message().rstrip(".") + where, 2)
    except click.ClickException as error:
        return _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", INTERRUPTED)
    except (PermanentError, TransientError) as error:
        return _fail(error)
    except NotFound as error:
        return _fail(f"{one_line(error)} is not in storage; `video-assets reconcile` says what is missing")
    except BrokenPipeError:
        # The reader of our output has ended (`| head`). Nothing may be flushed into the pipe at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except Exception as error:
        return _unexpected(error, "--debug" in arguments)


def main() -> None:
    """The entry point."""
    code = run(sys.argv[1:])
    # An interruption during an import may pass through a string that a library runs with exec. Then Python ends a
    # `python -m` process with SIGINT instead of the exit status, unless another exec has succeeded since.
    exec("")
    sys.exit(code)


def _fail(error: BaseException | str, code: int = 1) -> int:
    click.echo(f"video-assets: {one_line(error)}", err=True)
    return code


def _unexpected(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
        return 1
    what = one_line(f"{type(error).__name__}: {error}", 200)
    try:
        log = _note_down(error)
    except (OSError, PermanentError):
        return _fail(f"unexpected error: {what}; run again with video-assets --debug")
    return _fail(f"unexpected error: {what}; the details are in {log}")


def _note_down(error: Exception) -> Path:
    folder = Settings.load().home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "command.log"
    with log.open("a", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return log
