"""When an artifact is made again, what is taken over, and what is left behind when it goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from video_assets.artifacts import Artifact, CheckOutcome, Manifest, Workbench, current, publish, tombstone
from video_assets.artifacts.pointer import pointer_key
from video_assets.errors import PermanentError
from video_assets.videos import Stage
from video_assets_tests.artifacts.making import PASSED, at, bench, open_variants, run, write


@pytest.fixture
def workbench(tmp_path: Path) -> Workbench:
    return bench(tmp_path)


def make(on: Workbench, number: int, *, checks: tuple[CheckOutcome, ...] = (PASSED,)) -> Manifest:
    """The variants made by the run of this number: two files, published."""
    with open_variants(on, run(number)) as artifact:
        write(artifact, "720p.mp4", b"a" * 10, part="p720")
        write(artifact, "360p.mp4", b"b" * 5, part="p360")
        artifact.facts = {"rungs": 2}
        artifact.verify(checks)
        sealed: Manifest = artifact.seal()
        publish(on.storage, sealed)
    return sealed


def stored(on: Workbench) -> list[str]:
    return [stat.key for stat in on.storage.list("")]


def test_a_manifest_tells_what_was_made_from_what(workbench: Workbench) -> None:
    made = make(workbench, 1)
    assert [(file.name, file.bytes, file.part) for file in made.files] == [
        ("360p.mp4", 5, "p360"),
        ("720p.mp4", 10, "p720"),
    ]
    assert all(file.key.startswith(made.prefix) for file in made.files)
    assert (made.inputs, made.params, made.code_version) == ({"uploads": "u"}, {"crf": 23}, "1")
    assert (made.run_id, made.fence, made.made_at) == (run(1).run_id, run(1).fence, at(100))
    assert made.bytes == 15
    assert made.file("720p.mp4").bytes == 10
    assert made.cost.wall_seconds >= 0
    assert made.cost.peak_bytes > 1_000_000


def test_the_first_making_is_no_reuse(workbench: Workbench) -> None:
    with open_variants(workbench, run(1)) as artifact:
        assert not artifact.reused
        assert artifact.previous is None


def test_the_same_again_is_reused_with_its_recorded_checks(workbench: Workbench) -> None:
    made = make(workbench, 1)
    with open_variants(workbench, run(2)) as artifact:
        assert artifact.reused
        assert artifact.outcomes == [PASSED]
        assert artifact.seal() == made
    assert current(workbench.storage, 1, Stage.VARIANTS) == made


@pytest.mark.parametrize("what", ["pointer", "manifest", "both"])
@pytest.mark.parametrize("data", [None, b"\xff garbage"])
def test_what_cannot_be_read_any_more_is_made_again(workbench: Workbench, what: str, data: bytes | None) -> None:
    made, storage = make(workbench, 1), workbench.storage
    for key in (pointer_key(1, Stage.VARIANTS),) * (what != "manifest") + (made.key,) * (what != "pointer"):
        storage.delete(key) if data is None else storage.put_bytes(key, data)
    again = make(workbench, 2)
    assert again.run_id != made.run_id
    assert current(storage, 1, Stage.VARIANTS) == again


@pytest.mark.parametrize(
    "change",
    [{"inputs": {"uploads": "v"}}, {"code_version": "2"}, {"params": {"crf": 24}}],
    ids=lambda c: next(iter(c)),
)
def test_anything_that_goes_into_the_fingerprint_makes_it_stale(
    workbench: Workbench, change: dict[str, object]
) -> None:
    made = make(workbench, 1)
    with open_variants(workbench, run(2), **change) as artifact:
        assert not artifact.reused
        assert artifact.previous == made


Damage = Callable[[Workbench, Manifest], None]


def remove(on: Workbench, made: Manifest) -> None:
    on.storage.delete(made.file("720p.mp4").key)


def shorten(on: Workbench, made: Manifest) -> None:
    on.storage.put_bytes(made.file("720p.mp4").key, b"a" * 9)


def fail_a_check(on: Workbench, made: Manifest) -> None:
    failed = CheckOutcome(name="plays", passed=False, summary="does not")
    publish(on.storage, made.model_copy(update={"checks": (failed,)}))


@pytest.mark.parametrize("damage", [remove, shorten, fail_a_check])
def test_what_is_damaged_or_failed_is_not_reused(workbench: Workbench, damage: Damage) -> None:
    damage(workbench, make(workbench, 1))
    with open_variants(workbench, run(2)) as artifact:
        assert not artifact.reused


def test_force_makes_again_what_is_fresh_and_takes_no_part_over(workbench: Workbench) -> None:
    make(workbench, 1)
    with open_variants(workbench, run(2, force=True)) as artifact:
        assert not artifact.reused
        assert artifact.unchanged("p720", "720p.mp4") is None


def test_an_unchanged_part_is_taken_over_from_where_it_lies(workbench: Workbench) -> None:
    before = make(workbench, 1)
    with open_variants(workbench, run(2), params={"crf": 23, "rungs": 3}) as artifact:
        kept = artifact.unchanged("p720", "720p.mp4")
        assert kept == before.file("720p.mp4")
        assert artifact.unchanged("p240", "240p.mp4") is None
        artifact.keep(kept)
        write(artifact, "240p.mp4", b"c", part="p240")
        artifact.verify([PASSED])
        after = artifact.seal()
        publish(workbench.storage, after)
    assert after.file("720p.mp4").key.startswith(before.prefix)
    assert after.file("240p.mp4").key.startswith(after.prefix)
    assert {file.name for file in after.files} == {"720p.mp4", "240p.mp4"}


@pytest.mark.parametrize("damage", [remove, shorten])
def test_a_damaged_part_is_not_taken_over(workbench: Workbench, damage: Damage) -> None:
    damage(workbench, make(workbench, 1))
    with open_variants(workbench, run(2), code_version="2") as artifact:
        assert artifact.unchanged("p720", "720p.mp4") is None
        assert artifact.unchanged("p360", "360p.mp4") is not None


def test_nothing_unverified_can_be_sealed(workbench: Workbench) -> None:
    with open_variants(workbench, run(1)) as artifact:
        write(artifact, "720p.mp4")
        with pytest.raises(RuntimeError, match="was not verified"):
            artifact.seal()
    assert stored(workbench) == []


def test_what_failed_a_check_can_not_be_sealed_and_is_not_stored(workbench: Workbench) -> None:
    failed = CheckOutcome(name="drift", passed=False, summary="sound is late")
    with (
        pytest.raises(PermanentError, match="drift: sound is late"),
        open_variants(workbench, run(1)) as artifact,
    ):
        write(artifact, "720p.mp4")
        artifact.verify([PASSED, failed])
        artifact.seal()
    assert stored(workbench) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_nothing_of_the_making(
    workbench: Workbench, tmp_path: Path, error: type[BaseException]
) -> None:
    before = make(workbench, 1)
    there = stored(workbench)
    with pytest.raises(error), open_variants(workbench, run(2), code_version="2") as artifact:
        write(artifact, "720p.mp4")
        artifact.verify([PASSED])
        artifact.seal()
        assert len(stored(workbench)) > len(there)
        raise error
    assert stored(workbench) == there
    assert current(workbench.storage, 1, Stage.VARIANTS) == before
    assert list((tmp_path / "work").iterdir()) == []


def test_an_exception_after_publishing_takes_nothing_away(workbench: Workbench) -> None:
    with pytest.raises(RuntimeError), open_variants(workbench, run(1)) as artifact:
        write(artifact, "720p.mp4")
        artifact.verify([PASSED])
        sealed = artifact.seal()
        publish(workbench.storage, sealed)
        raise RuntimeError
    assert current(workbench.storage, 1, Stage.VARIANTS) == sealed
    assert workbench.storage.stat(sealed.file("720p.mp4").key) is not None


def test_an_exception_after_reuse_takes_nothing_away(workbench: Workbench) -> None:
    make(workbench, 1)
    there = stored(workbench)
    with pytest.raises(RuntimeError), open_variants(workbench, run(2)) as artifact:
        artifact.seal()
        raise RuntimeError
    assert stored(workbench) == there


def test_a_video_deleted_meanwhile_keeps_no_file_of_the_run(workbench: Workbench) -> None:
    with pytest.raises(PermanentError, match="was deleted"), open_variants(workbench, run(1)) as artifact:
        write(artifact, "720p.mp4")
        artifact.verify([PASSED])
        tombstone(workbench.storage, 1, at(50))
        publish(workbench.storage, artifact.seal())
    assert [key for key in stored(workbench) if not key.endswith("current.json")] == []


def test_every_making_has_a_clean_folder_and_leaves_none(workbench: Workbench, tmp_path: Path) -> None:
    left_by_a_killed_try = tmp_path / "work" / run(1).run_id / "1-variants"
    left_by_a_killed_try.mkdir(parents=True)
    (left_by_a_killed_try / "half.mp4").write_bytes(b"x")
    with open_variants(workbench, run(1)) as artifact:
        assert list(artifact.folder.iterdir()) == []
        write(artifact, "720p.mp4")
    assert list((tmp_path / "work").iterdir()) == []


def test_a_source_is_listed_where_it_lies(workbench: Workbench, tmp_path: Path) -> None:
    workbench.storage.put_bytes("videos/1/source/original.mp4", b"source")
    with open_variants(workbench, run(1)) as artifact:
        path = workbench.storage.fetch("videos/1/source/original.mp4", artifact.folder)
        artifact.refer("source", "videos/1/source/original.mp4", path, "video/mp4")
        artifact.verify([PASSED])
        sealed = artifact.seal()
        publish(workbench.storage, sealed)
    assert sealed.file("source").key == "videos/1/source/original.mp4"
    with open_variants(workbench, run(2), code_version="2") as artifact:
        assert artifact.fetch(sealed, "source").read_bytes() == b"source"


def test_the_heart_beats_from_start_to_end_whatever_happens(tmp_path: Path) -> None:
    heard: list[str] = []

    class Recorder:
        def start(self, video_id: int, run_id: str, stage: Stage) -> None:
            heard.append(f"start {video_id} {stage.value}")

        def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
            heard.append(f"{fraction:.0%}")

        def stop(self) -> None:
            heard.append("stop")

    recording = Workbench(bench(tmp_path).storage, tmp_path / "work", heartbeat=Recorder())

    def work(artifact: Artifact) -> None:
        artifact.progress(0.5)
        raise RuntimeError

    with pytest.raises(RuntimeError), open_variants(recording, run(1)) as artifact:
        work(artifact)
    assert heard == ["start 1 variants", "50%", "stop"]
