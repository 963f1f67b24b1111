"""Prints answers to stdout, and everything else to stderr."""

from __future__ import annotations

import json
import sys
from functools import cached_property
from typing import Any

import click
from rich.console import Console, RenderableType


class Output:
    """Where a command prints. With `--json`, stdout carries one document and nothing else."""

    def __init__(self) -> None:
        self.debug = False

    @cached_property
    def answers(self) -> Console:
        """The console for answers, on stdout."""
        return _console(stderr=False)

    @cached_property
    def notes(self) -> Console:
        """The console for progress and remarks, on stderr."""
        return _console(stderr=True)

    @property
    def interactive(self) -> bool:
        """Whether stderr is a terminal that can be redrawn."""
        return self.notes.is_terminal and not self.notes.is_dumb_terminal

    def say(self, what: RenderableType = "") -> None:
        """Prints part of the answer. A str is printed unchanged: no markup, no emoji, no highlighting."""
        self.answers.print(what, markup=False, highlight=False, emoji=False, soft_wrap=isinstance(what, str))

    def note(self, what: RenderableType) -> None:
        """Prints a remark."""
        self.notes.print(what, markup=False, highlight=False, emoji=False, soft_wrap=isinstance(what, str))

    def document(self, value: Any) -> None:
        """Prints the one JSON document."""
        click.echo(json.dumps(value, indent=2, ensure_ascii=not _speaks_unicode(), default=str))


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    # Without a terminal there is no window width: a pipe gets whole lines.
    # Bound to the present stream, because sys.stderr is a log file during a run.
    return Console(file=stream, width=None if stream.isatty() else 200)


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


pass_output = click.make_pass_decorator(Output, ensure=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, nothing else.")
