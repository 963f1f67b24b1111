"""Rules of the house that neither import-linter nor ruff can see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import video_assets

PACKAGE = Path(video_assets.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """`media/probe.py`: how the rules below name modules."""
    return path.relative_to(PACKAGE).as_posix()


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere in it, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reads_environment(tree: ast.AST) -> bool:
    """Whether `os.environ` or `os.getenv` occurs in it, however `os` was imported."""
    names = {"environ", "environb", "getenv", "putenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and any(a.name in names for a in node.names))
        for node in ast.walk(tree)
    )


def started(tree: ast.AST) -> Iterator[str]:
    """What could start a process: imported modules, and attributes such as `os.fork`."""
    yield from imported(tree)
    yield from (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))


@pytest.mark.parametrize("code", ["import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"])
def test_the_rule_about_the_environment_sees_what_it_forbids(code: str) -> None:
    assert reads_environment(ast.parse(code))


def test_only_settings_reads_the_environment() -> None:
    found = [dotted(path) for path in MODULES if reads_environment(ast.parse(path.read_text()))]
    assert found == ["settings.py"]


def test_only_the_defs_import_dagster() -> None:
    offenders = [
        f"{dotted(path)} imports {name}"
        for path in MODULES
        for name in imported(ast.parse(path.read_text()))
        if name.split(".")[0].startswith("dagster") and not name.startswith("dagster_graphql")
        if not dotted(path).startswith("defs/") and dotted(path) != "definitions.py"
    ]
    assert offenders == []


def test_only_the_command_uses_the_graphql_client() -> None:
    offenders = [
        dotted(path)
        for path in MODULES
        for name in imported(ast.parse(path.read_text()))
        if name.startswith("dagster_graphql") and not dotted(path).startswith(("cli", "defs/"))
    ]
    assert offenders == []


def test_other_programs_run_through_one_door() -> None:
    """Whoever starts FFmpeg elsewhere starts it without limits. The command may start Dagster, and the script
    that made the sample is part of nothing."""
    doors = {"media/sandbox/process.py", "sample/make_sample.py"}
    modules = {"subprocess", "multiprocessing", "pty"}
    calls = {"os.system", "os.popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.posix_spawnp", "os.spawnv"}
    offenders = [
        f"{dotted(path)}: {name}"
        for path in MODULES
        for name in started(ast.parse(path.read_text()))
        if name in modules | calls and dotted(path) not in doors and not dotted(path).startswith("cli/")
    ]
    assert offenders == []


def test_the_map_stays_a_map() -> None:
    lines = (PACKAGE / "definitions.py").read_text().splitlines()
    assert len(lines) < 80, "definitions.py says what there is, and nothing else"


def test_no_work_is_left_marked_as_unfinished() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")
    places = [*MODULES, *Path(__file__).parent.rglob("*.py")]
    found = [f"{path.name}: {mark}" for path in places for mark in marks if mark in path.read_text(encoding="utf-8")]
    assert found == []
