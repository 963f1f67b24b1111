"""The documentation says what is so: commands exist, links lead somewhere, tables are up to date."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from video_assets.cli.app import cli
from video_assets.database.models import Base
from video_assets.defs.sensors import build_sensors
from video_assets.settings import Settings
from video_assets.videos import Stage, VideoStatus
from video_assets_tests.docs.settings_table import PAGE, with_table

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docker" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"(?:^|`)video-assets ((?:[^`#\n]|#(?! ))*)", re.MULTILINE)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def shown_commands() -> Iterator[tuple[str, list[str]]]:
    """(page, words) of every `video-assets …` in code spans and blocks."""
    for page in PAGES:
        for match in COMMAND.finditer(text(page)):
            yield page.name, match.group(1).split()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))


def test_every_make_target_that_is_shown_exists() -> None:
    shown = {name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)", text(page), re.MULTILINE)}
    assert {"demo", "test", "install"} <= shown
    assert shown <= make_targets()


def test_make_help_lists_every_target() -> None:
    # Below `make test` a make announces the folder it works in, unless told not to.
    command = ["make", "--no-print-directory", "help"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == make_targets()


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    commands = list(shown_commands())
    assert len(commands) > 10
    wrong = []
    for page, words in commands:
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        named = [word for word in words if not word.startswith("-")]
        command: click.Command | None = cli if not named else cli.commands.get(named[0])
        if command is None:
            wrong.append(f"{page}: there is no command {named[0]}")
            continue
        known = {opt for param in command.params for opt in (*param.opts, *param.secondary_opts)} | {"-h", "--help"}
        wrong += [f"{page}: {' '.join(words)}: no option {option}" for option in options - known]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text(page))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_setting_is_documented_with_its_default() -> None:
    assert text(PAGE) == with_table(text(PAGE)), "python -m video_assets_tests.docs.settings_table writes it anew"


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_setting_that_is_named_exists() -> None:
    known = {f"VIDEO_ASSETS_{name.upper()}" for name in Settings.model_fields}
    named = {name for page in PAGES for name in re.findall(r"VIDEO_ASSETS_[A-Z_]+[A-Z]", text(page))}
    assert named <= known


def test_every_path_that_is_named_exists() -> None:
    named = {path for page in PAGES for path in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", text(page))}
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / "video_assets" / path).exists()] == []


def test_the_architecture_names_all_tables_stages_statuses_and_packages() -> None:
    page = text(ROOT / "docs" / "architecture.md")
    words = set(re.findall(r"[a-z_]+", page))
    tables = set(Base.metadata.tables) - {"users", "processed_messages"}
    assert tables - words == set()
    assert {stage.value for stage in Stage} | {status.value for status in VideoStatus} <= words
    folders = {path.name for path in (ROOT / "video_assets").iterdir() if (path / "__init__.py").exists()}
    assert {name for name in folders if f"  {name}/" not in page} == set()


def test_every_sensor_that_is_named_exists(settings: Settings) -> None:
    from video_assets.systems import Systems

    known = {sensor.name for sensor in build_sensors(Systems(settings))}
    named = {name for page in PAGES for name in re.findall(r"\b[a-z]+_sensor\b", text(page))} - {"asset_sensor"}
    assert named <= known


def test_the_lines_that_a_refusal_is_told_in_are_the_code_s() -> None:
    package = ROOT / "video_assets"
    files = [*package.glob("media/*.py"), package / "lifecycle" / "intake.py", package / "speech" / "captions.py"]
    code = "".join(text(path) for path in files)
    table = text(ROOT / "docs" / "media.md").partition("| the uploader reads |")[2].partition("\n\n")[0]
    lines = [row.split("|")[3] for row in table.splitlines() if row.count("|") == 4][1:]
    assert len(lines) > 15
    words = [part.strip() for line in lines for part in re.split(r"…|;", line) if len(part.strip()) > 3]
    assert [part for part in words if part not in code] == []
