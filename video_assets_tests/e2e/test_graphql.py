"""docs/graphql.md, done: its queries as they stand there, against a real `video-assets up`, and in production."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from video_assets_tests.e2e.house import House, wait_for
from video_assets_tests.e2e.videos import add_video, status, topics, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PAGE = (Path(__file__).parents[2] / "docs" / "graphql.md").read_text(encoding="utf-8")
QUERIES = {
    re.findall(r"(?:mutation|query) (\w+)", text)[0]: text
    for text in re.findall(r"```graphql\n(.*?)```", PAGE, re.DOTALL)
}
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
# One launch on production shows that the way is the same there; the whole page takes minutes more.
ALSO_IN_PRODUCTION = pytest.mark.parametrize(
    "running", ["up", pytest.param("production", marks=pytest.mark.slow)], indirect=True, scope="module"
)


def test_the_page_has_a_query_for_each_thing_it_promises() -> None:
    assert set(QUERIES) == {"LaunchVideo", "Backfill", "Run", "BackfillState", "Failure", "ReExecute"}


@pytest.mark.parametrize("running", ["up", "production"], indirect=True, scope="module")
def test_a_run_launched_for_a_video_makes_it_ready(running: House, clip: Path) -> None:
    video_id = add_video(running.systems, clip, claimed_by="the test")
    register(running, video_id)

    run_id = launched(running.graphql(QUERIES["LaunchVideo"], {"videoId": str(video_id)})["launchRun"])
    run = ended(running, run_id)

    assert run["status"] == "SUCCESS"
    assert len(run["assetMaterializations"]) == 5
    wait_until(running.systems, video_id, "ready", 20)
    assert topics(running.systems, video_id)[-1] == "video.ready"


@ALSO_IN_PRODUCTION
def test_a_backfill_over_chosen_videos_is_followed_to_its_end(running: House, clip: Path) -> None:
    videos = [add_video(running.systems, clip, f"Herons {number}") for number in range(2)]
    for video_id in videos:
        wait_until(running.systems, video_id, "ready", 120)
    before = [topics(running.systems, video_id) for video_id in videos]

    answer = running.graphql(
        QUERIES["Backfill"],
        {"assets": [{"path": ["transcripts"]}, {"path": ["summaries"]}], "videoIds": [str(each) for each in videos]},
    )["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    state = wait_for(
        "the backfill's end",
        lambda: finished_backfill(running, answer["backfillId"]),
        120,
    )

    assert state["status"] == "COMPLETED_SUCCESS"
    assert [status(running.systems, video_id) for video_id in videos] == ["ready"] * 2
    # Nothing had changed, so everything was found fresh and nothing was announced again.
    assert [topics(running.systems, video_id) for video_id in videos] == before


@ALSO_IN_PRODUCTION
def test_a_failed_run_says_why_and_goes_on_from_its_failure(running: House, clip: Path) -> None:
    captions = clip.with_name("broken.vtt")
    captions.write_bytes(b"this is no caption file at all")
    video_id = add_video(running.systems, clip, "Broken captions", captions=captions)
    wait_until(running.systems, video_id, "failed", 90)
    run_id = attempts(running, video_id)[-1]

    events = running.graphql(QUERIES["Failure"], {"runId": run_id})["logsForRun"]["events"]
    said = {
        entry["label"]: entry.get("text")
        for event in events
        if event["__typename"] == "ExecutionStepFailureEvent" and event["failureMetadata"]
        for entry in event["failureMetadata"]["metadataEntries"]
    }
    assert said["stage"] == "transcripts"
    assert said["kind"] == "permanent"

    from video_assets.artifacts.captions import put_captions
    from video_assets_tests.e2e.conftest import CAPTIONS

    put_captions(running.systems.storage, video_id, CAPTIONS.encode(), "mended.vtt")
    again = launched(running.graphql(QUERIES["ReExecute"], {"runId": run_id})["launchRunReexecution"])
    run = ended(running, again)

    assert run["status"] == "SUCCESS"
    # Not `wait_until`: until the run's events are applied the video still stands at `failed`.
    wait_for("the video to be ready", lambda: status(running.systems, video_id) == "ready", 20)
    made = {each["assetKey"]["path"][0] for each in run["assetMaterializations"]}
    assert "variants" not in made, "what had been made before the failure was made again"


def attempts(running: House, video_id: int) -> list[str]:
    """Run ids of the video's attempts, oldest first."""
    from sqlalchemy import select

    from video_assets.database.models import AttemptRow

    with running.systems.database.read() as session:
        chosen = select(AttemptRow.run_id).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        return list(session.scalars(chosen))


def register(running: House, video_id: int) -> None:
    """Adds the partition, as the uploads sensor would have done."""
    answer = running.graphql(
        """mutation($key: String!) { addDynamicPartition(
          partitionsDefName: "videos"
          partitionKey: $key
          repositorySelector: { repositoryLocationName: "video_assets", repositoryName: "__repository__" }
        ) { __typename } }""",
        {"key": str(video_id)},
    )
    assert answer["addDynamicPartition"]["__typename"] == "AddDynamicPartitionSuccess", answer


def launched(answer: dict[str, Any]) -> str:
    """The run id of a successful launch."""
    assert answer["__typename"] == "LaunchRunSuccess", answer
    run_id: str = answer["run"]["runId"]
    return run_id


def ended(running: House, run_id: str) -> dict[str, Any]:
    """The run once it has ended."""

    def look() -> dict[str, Any] | None:
        run: dict[str, Any] = running.graphql(QUERIES["Run"], {"runId": run_id})["runOrError"]
        return run if run["status"] in ENDED else None

    return wait_for(f"run {run_id} to end", look, 120)


def finished_backfill(running: House, backfill_id: str) -> dict[str, Any] | None:
    """The backfill if it has ended."""
    found: dict[str, Any] = running.graphql(QUERIES["BackfillState"], {"backfillId": backfill_id})[
        "partitionBackfillOrError"
    ]
    return found if found["status"].startswith(("COMPLETED", "FAILED", "CANCELED")) else None
