"""What becomes of hostile files: each gets its verdict, in time, in little memory, and nothing else is touched.

The telling third runs with every change, all of it in `make test-slow`; both under strace.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from video_assets_tests.media.hostile import corpus, damage, fuzz, traced
from video_assets_tests.media.hostile.kit import Hostile
from video_assets_tests.media.hostile.outcomes import DAMAGED, OUTCOMES
from video_assets_tests.media.hostile.verdicts import BESIDE, HONEST, Verdict, faults

ROOT = Path(__file__).parents[3]
BY_NAME = {file.name: file for file in [*corpus.FILES, HONEST, *BESIDE]}
GRAPH = [
    "list-hls.mp4",
    "list-concat.mp4",
    "list-svg.mp4",
    "noise.mp4",
    "zip-bomb.mp4",
    "size-16000.mp4",
    "gap-encodes-for-ever.mp4",
    "grows-to-4096.ts",
    "flipped-8.avi",
    "cut-70.mkv",
    "65-tracks.mkv",
    "packed-sound-8-hours.mkv",
    "lie-wave-channels.wav",
    "captions-open-scripts.mp4",
    "captions-script.mp4",
    HONEST.name,
]
"""Go through whole Dagster runs, one after the other, while the honest ones of `BESIDE` do the same beside them."""
LARGE = {
    "gray-16000.mp4": "at most",
    "gray-8192-by-8192.mp4": "at most",
    "gray-8192.mp4": "ready",
    "references-8192.mp4": "takes more memory than is allowed",
    "gray-3840.mp4": "ready",
    "hdr-3840.mp4": "ready",
}
"""Become the ladder of everyday, with a rung of 2160, and what must become of them then."""
QUICK = [file.name for file in corpus.FILES if file.quick and file.name not in GRAPH]
GROUPS = {
    f"{module}-{at // 40}": names[at : at + 40]
    for module, names in {name: [file.name for file in files] for name, files in corpus.FAMILIES.items()}.items()
    for at in range(0, len(names), 40)
}


@dataclass(frozen=True)
class Session:
    """What a run of the verdicts' program said, and what strace saw of it."""

    folder: Path
    verdicts: dict[str, Verdict]
    tasks: dict[int, traced.Task] | None
    connected: bool
    """Whether anybody knocked at the port that the lures name."""


class Sessions:
    """Runs groups of files, each group once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[tuple[str, ...], Session | Exception] = {}

    def of(self, how: str, names: tuple[str, ...], timeout: float) -> Session:
        """The session of these files; what went wrong with it once is told to every test that wants it."""
        key = (how, *names)
        if key not in self._held:
            try:
                self._held[key] = self._run(how, names, timeout)
            except Exception as error:
                self._held[key] = error
        held = self._held[key]
        if isinstance(held, Exception):
            raise held
        return held

    def _run(self, how: str, names: tuple[str, ...], timeout: float) -> Session:
        folder = self._folder / f"{how}-{len(self._held)}"
        folder.mkdir()
        corpus.kit_in(folder)  # so that nobody has a reason to open the canary any more
        with socket.create_server(("127.0.0.1", 0)) as lure:
            lure.setblocking(False)
            port = str(lure.getsockname()[1])
            program = [
                sys.executable,
                "-m",
                "video_assets_tests.media.hostile.verdicts",
                how,
                str(folder),
                port,
                *names,
            ]
            if traced.is_possible():
                output, tasks = traced.run(program, folder / "strace", cwd=ROOT, timeout=timeout)
            else:
                ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=True)
                output, tasks = ran.stdout, None
            try:
                lure.accept()
                connected = True
            except BlockingIOError:
                connected = False
        verdicts = [Verdict(**json.loads(line)) for line in output.splitlines()]
        return Session(folder, {verdict.name: verdict for verdict in verdicts}, tasks, connected)


@pytest.fixture(scope="session")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    return Sessions(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def quick(sessions: Sessions) -> Session:
    return sessions.of("recipes", tuple([*QUICK, HONEST.name]), 900)


@pytest.fixture
def graph(sessions: Sessions) -> Session:
    return sessions.of("side-by-side", tuple([*GRAPH, *(file.name for file in BESIDE)]), 800)


def needs_strace() -> None:
    if traced.is_possible():
        return
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail("strace is missing or not allowed; apt-get install strace")
    pytest.skip("no strace here")


def outcome_of(file: Hostile) -> str:
    return file.outcome or OUTCOMES[file.name]


def said(expected: str) -> tuple[str, ...]:
    """The words of an outcome, and those that may stand for them."""
    return (expected, "breaks off or is damaged after") if expected == DAMAGED else (expected,)


def troubles(verdict: Verdict, expected: str | None = None) -> Iterator[str]:
    """All that is wrong with how a file was dealt with."""
    expected = expected or outcome_of(BY_NAME[verdict.name])
    if verdict.status != ("ready" if expected == "ready" else "failed"):
        yield f"is {verdict.status} ({verdict.message}), not {expected}"
    elif verdict.status == "failed" and not any(words in verdict.message for words in said(expected)):
        yield f"says {verdict.message!r}, not {expected!r}"
    yield from faults(verdict)


def lured(session: Session) -> Iterator[str]:
    """What was opened or talked to that should not have been."""
    assert session.tasks is not None
    home, canary = f"{session.folder}/home/", f"{session.folder}/canary/"
    children = list(traced.door_children(session.tasks))
    assert len(children) >= len(session.verdicts), "the children were not seen"
    for child in children:
        for path in child.opened:
            if not (traced.is_system(path) or path.startswith((f"{home}storage/", f"{home}work/"))):
                yield f"a child opened {path}"
        yield from (f"a child: {call}" for call in child.talked)
    for task in session.tasks.values():
        yield from (f"{path} was opened" for path in task.opened + task.tried if path.startswith(canary))
        # Dagster looks up the name of its own machine; nobody has anything to do with the lure's.
        yield from (call for call in task.talked if "127.0.0.1" in call)
    if session.connected:
        yield "somebody connected to the lure"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [*QUICK, HONEST.name])
def test_a_telling_file_gets_its_verdict(quick: Session, name: str) -> None:
    assert list(troubles(quick.verdicts[name])) == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", GRAPH)
def test_a_file_gets_its_verdict_from_a_whole_run_and_the_next_one_goes_on(graph: Session, name: str) -> None:
    assert list(troubles(graph.verdicts[name])) == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [file.name for file in BESIDE])
def test_an_honest_video_goes_on_beside_hostile_ones(graph: Session, name: str) -> None:
    assert list(troubles(graph.verdicts[name])) == []


@pytest.mark.timeout(900)
def test_hostile_and_honest_ones_were_really_under_way_together(graph: Session) -> None:
    beside = [graph.verdicts[file.name] for file in BESIDE]
    rest = [verdict for name, verdict in graph.verdicts.items() if name in GRAPH]
    met = {a.name for a in beside for b in rest if a.begun < b.begun + b.seconds and b.begun < a.begun + a.seconds}
    assert len(met) >= 3


@pytest.mark.timeout(900)
@pytest.mark.parametrize("which", ["quick", "graph"])
def test_nothing_but_the_upload_is_opened_and_nothing_connects(request: pytest.FixtureRequest, which: str) -> None:
    needs_strace()
    assert sorted(set(lured(request.getfixturevalue(which)))) == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", GROUPS)
def test_every_file_gets_its_verdict(sessions: Sessions, group: str) -> None:
    session = sessions.of("recipes", tuple([*GROUPS[group], HONEST.name]), 1800)
    found = {name: list(troubles(verdict)) for name, verdict in session.verdicts.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert set(found) == {*GROUPS[group], HONEST.name}
    needs_strace()
    assert sorted(set(lured(session))) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", LARGE)
def test_large_pictures_are_dealt_with_in_little_memory(sessions: Sessions, name: str) -> None:
    session = sessions.of("whole-ladder", tuple(LARGE), 1200)
    assert list(troubles(session.verdicts[name], LARGE[name])) == []


def test_the_watch_sees_what_it_is_there_for(tmp_path: Path) -> None:
    """A program that does open the canary and does connect."""
    needs_strace()
    canary = tmp_path / "canary" / "canary.mp4"
    canary.parent.mkdir()
    canary.write_bytes(b"sing")
    code = (
        "import socket, sys; open(sys.argv[1]).read();"
        "s = socket.socket(); s.settimeout(1); s.connect_ex(('127.0.0.1', 9))"
    )
    program = [sys.executable, "-c", code, str(canary)]
    _, tasks = traced.run(program, tmp_path / "strace", cwd=ROOT, timeout=60)
    assert any(str(canary) in task.opened for task in tasks.values())
    assert any("127.0.0.1" in call for task in tasks.values() for call in task.talked)


def test_the_corpus_is_whole_and_every_outcome_is_stated_once() -> None:
    names = [file.name for file in corpus.FILES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)
    assert {file.name for file in corpus.FILES if not file.outcome} == set(OUTCOMES)
    assert len(QUICK) >= 20


def test_the_same_files_come_out_each_time(tmp_path: Path) -> None:
    kits = [corpus.kit_in(tmp_path / name) for name in ("a", "b")]
    for kit in kits:
        kit.canary = Path("/canary.mp4")
    assert len(damage.edges(kits[0])) == damage.EDGES
    for name in ("flipped-8.mkv", "cut-at-edge-07.mp4", "swapped.ts", "lie-duration-all.mp4", "list-hls.mp4"):
        first, second = (BY_NAME[name].make(kit) for kit in kits)
        assert first == second, name


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_mutated_files_are_dealt_with_like_any_other(tmp_path: Path) -> None:
    """`HOSTILE_FUZZ_SECONDS` and `HOSTILE_FUZZ_SEED` make it longer, or another."""
    seconds = float(os.environ.get("HOSTILE_FUZZ_SECONDS", "240"))
    found = fuzz.run(tmp_path, seed=int(os.environ.get("HOSTILE_FUZZ_SEED", "1")), seconds=seconds)
    assert found.tried > 20
    assert found.troubles == {}


def test_mutated_captions_are_read_or_refused(tmp_path: Path) -> None:
    found = fuzz.captions(seed=1, count=400)
    assert found.tried == 400
    assert found.troubles == {}
