"""The Dagster instance of these settings, for code that is not started by Dagster itself."""

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
"""The types, for those who hold one without knowing Dagster."""

DAGSTER_VERSION = dg.__version__

_PACKAGE = Path(video_assets.__file__).parent
CONFIGURATION = next(
    (path for path in (_PACKAGE / "dagster.yaml", _PACKAGE.parent / "dagster.yaml") if path.exists()),
    _PACKAGE / "dagster.yaml",
)
"""The embedded instance: within the package where it was installed, beside it in a checkout."""


def prepare_dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME with a dagster.yaml in it: the embedded one, unless there is one already."""
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        target = home / "dagster.yaml"
        if not target.exists() or (home / ".embedded").exists():
            # Ours, so a new release's is put in its place; one that somebody wrote is left alone.
            shutil.copyfile(CONFIGURATION, target)
            (home / ".embedded").touch()
    except OSError as error:
        raise PermanentError(one_line(f"cannot write {home}: {error.strerror or error}")) from None
    return home


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance, opened for a while. Its configuration refers to settings by their environment names."""
    home = prepare_dagster_home(settings)
    with settings.exported(), dg.DagsterInstance.from_config(str(home)) as instance:
        # Dagster reads its parts when they are first used, by then perhaps without the settings in the environment.
        _ = instance.run_coordinator, instance.run_launcher, instance.scheduler
        yield instance
