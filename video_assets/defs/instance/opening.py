"""Opens the Dagster instance of these settings, for code that is not started by Dagster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

import video_assets
from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings

Instance = dg.DagsterInstance
Run = dg.DagsterRun
"""The types, for code that holds one without importing Dagster."""

DAGSTER_VERSION = dg.__version__

_PACKAGE = Path(video_assets.__file__).parent
CONFIGURATION = next(
    (path for path in (_PACKAGE / "dagster.yaml", _PACKAGE.parent / "dagster.yaml") if path.exists()),
    _PACKAGE / "dagster.yaml",
)
"""dagster.yaml of the embedded instance: in the package where it is installed, beside the package in a checkout."""


def prepare_dagster_home(settings: Settings) -> Path:
    """Makes DAGSTER_HOME, with the embedded dagster.yaml unless somebody wrote another; returns the folder.
    PermanentError where it cannot be written."""
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        target = home / "dagster.yaml"
        if not target.exists() or (home / ".embedded").exists():
            # `.embedded` marks our own file, which a new release replaces; a file that somebody wrote stays.
            shutil.copyfile(CONFIGURATION, target)
            (home / ".embedded").touch()
    except OSError as error:
        raise PermanentError(one_line(f"cannot write {home}: {error.strerror or error}")) from None
    return home


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """For the block, the instance. Its dagster.yaml refers to settings by their environment variables."""
    home = prepare_dagster_home(settings)
    with settings.exported(), dg.DagsterInstance.from_config(str(home)) as instance:
        # Dagster loads these on first use, when the settings may no longer be in the environment; so use them now.
        _ = instance.run_coordinator, instance.run_launcher, instance.scheduler
        yield instance
