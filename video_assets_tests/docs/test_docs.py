"""The documentation says what is so: commands exist, links lead somewhere, tables are up to date."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from video_assets.cli.app import cli
from video_assets.database.models import Base
from video_assets.defs.sensors import build_sensors
from video_assets.settings import Settings
from video_assets.videos import Stage, VideoStatus
from video_assets_tests.docs.settings_table import PAGE, with_table

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "video_assets"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "docker" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
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
    named = {path for page in PAGES for path in re.findall(r"`([a-z_]+/[a-z0-9_/]+\.py)`", text(page))}
    assert len(named) > 50
    assert [path for path in named if not (ROOT / path).exists() and not (PACKAGE / path).exists()] == []


def test_every_folder_that_answers_a_question_of_the_readme_exists() -> None:
    table = text(ROOT / "README.md").partition("| question | answer |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`([a-z_/.]+)`", row.split("|")[2]) for row in table.splitlines() if row.count("|") == 3][1:]
    assert len(rows) > 7
    assert [paths for paths in rows if not paths or not all((PACKAGE / path).exists() for path in paths)] == []


def test_the_architecture_names_all_tables_stages_statuses_and_packages() -> None:
    page = text(ARCHITECTURE)
    words = set(re.findall(r"[a-z_]+", page))
    tables = set(Base.metadata.tables) - {"users", "processed_messages"}
    assert tables - words == set()
    assert {stage.value for stage in Stage} | {status.value for status in VideoStatus} <= words
    folders = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert {name for name in folders | modules if f"  {name} " not in page} == set()


def floors() -> list[set[str]]:
    """The rooms of each floor, from the top, as import-linter checks them."""
    config = text(ROOT / "pyproject.toml")
    layers = re.findall(
        r'^    "(video_assets\..*)",$', config.partition("layers = [")[2].partition("]")[0], re.MULTILINE
    )
    return [{room.removeprefix("video_assets.") for room in re.split(r" [|:] ", layer)} for layer in layers]


def test_the_floors_are_those_that_are_checked() -> None:
    table = text(ARCHITECTURE).partition("| floor | rooms |")[2].partition("\n\n")[0]
    rows = [row.split("|") for row in table.splitlines() if row.count("|") == 3][1:]
    assert [row[1].strip() for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert [set(re.findall(r"`([a-z_]+)`", row[2])) for row in rows] == floors()


def journeys() -> dict[str, list[str]]:
    """Title of each journey → its files, in order."""
    page = text(ARCHITECTURE).partition("<!-- journeys: begin -->")[2].partition("<!-- journeys: end -->")[0]
    steps = r"^\d+\. ((?:`[a-z0-9_/]+\.py`(?:, )?)+)"
    return {
        part.partition("\n")[0]: re.findall(r"`([^`]+)`", " ".join(re.findall(steps, part, re.MULTILINE)))
        for part in page.split("### ")[1:]
    }


def room_of(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The files of the package that a file imports, inside functions too; of a folder those that it gives on, too."""
    found, waiting = set[str](), [path]
    while waiting:
        for node in ast.walk(ast.parse(text(waiting.pop()))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("video_assets."):
                continue
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                place = PACKAGE.joinpath(*str(name).split(".")[1:])
                file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
                relative = file.relative_to(PACKAGE).as_posix()
                if file.exists() and relative not in found:
                    found.add(relative)
                    waiting += [file] if place.is_dir() else []
    return found


@pytest.mark.parametrize("title", sorted(journeys()))
def test_a_journey_walks_down_and_does_not_come_back(title: str) -> None:
    path = journeys()[title]
    assert len(path) > 5
    assert [each for each in path if not (PACKAGE / each).exists()] == []
    rooms = [room for at, room in enumerate(map(room_of, path)) if at == 0 or room != room_of(path[at - 1])]
    assert len(rooms) == len(set(rooms)), rooms
    numbers = [next(number for number, floor in enumerate(floors()) if room in floor) for room in rooms]
    assert numbers == sorted(numbers), rooms
    for at, each in enumerate(path[1:], start=1):
        assert any(each in imported(PACKAGE / before) for before in path[:at]), f"{each} is imported by none before it"


def test_the_journeys_are_those_that_newcomers_ask_for() -> None:
    assert {"A dropped file", "An upload's bytes", "A materialization", "A search"} <= set(journeys())


def test_every_sensor_that_is_named_exists(settings: Settings) -> None:
    from video_assets.systems import Systems

    known = {sensor.name for sensor in build_sensors(Systems(settings))}
    named = {name for page in PAGES for name in re.findall(r"\b[a-z]+_sensor\b", text(page))} - {"asset_sensor"}
    assert named <= known


def test_the_lines_that_a_refusal_is_told_in_are_the_code_s() -> None:
    files = [*PACKAGE.glob("media/**/*.py"), PACKAGE / "intake" / "uploads.py", PACKAGE / "speech" / "captions.py"]
    code = "".join(text(path) for path in files)
    table = text(ROOT / "docs" / "media.md").partition("| the uploader reads |")[2].partition("\n\n")[0]
    lines = [row.split("|")[3] for row in table.splitlines() if row.count("|") == 4][1:]
    assert len(lines) > 15
    words = [part.strip() for line in lines for part in re.split(r"…|;", line) if len(part.strip()) > 3]
    assert [part for part in words if part not in code] == []


def hooks() -> list[dict[str, Any]]:
    config = yaml.safe_load(text(ROOT / ".pre-commit-config.yaml"))
    return [hook for repository in config["repos"] for hook in repository["hooks"]]


def test_the_hooks_run_what_make_lint_runs() -> None:
    target = text(ROOT / "Makefile").partition("\nlint: ")[2].partition("\n\n")[0]
    commands = [line.strip().removeprefix("@") for line in target.splitlines()[1:]]
    assert len(commands) > 3
    assert [hook["entry"] for hook in hooks()] == [command.replace("$(BIN)", ".venv/bin") for command in commands]
    # The whole tree each time, as make does, and nothing fetched from elsewhere.
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in hooks())
    assert all(hook["always_run"] for hook in hooks())


def test_no_name_from_before_the_rooms_is_left() -> None:
    gone = re.compile(
        r"lifecycle/|openai_client|\bpeaks\b|defs/platform|`events/|media/(?:process|confine|watch)\b|quarantine\.py"
        r"|\bdefs/(?:making|remake|operating|projecting|translate|worker|queues|gate|parts|daemon)\b"
        r"|\bdatabase/(?:reading|projected|states|intake|launching|publishing|outbox|pulse)\b"
    )
    assert [f"{page.name}: {found[0]}" for page in PAGES for found in gone.finditer(text(page))] == []
