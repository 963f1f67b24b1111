"""The outbox as its publisher sees it."""

from __future__ import annotations

from uuid import UUID

from video_assets.database.engine import Database
from video_assets.library import queries
from video_assets.outbox import queue
from video_assets.projection import apply
from video_assets.settings import Settings
from video_assets.videos import Stage
from video_assets_tests.projection import rows
from video_assets_tests.projection.histories import at, made


def fill(database: Database) -> tuple[int, int]:
    one, two = rows.add_videos(database, 2)
    for video_id in (one, two):
        events = [(0, made(video_id, stage, "run0", 0, 1 + n)) for n, stage in enumerate(Stage)]
        apply.apply(database, events, Settings())
    return one, two


def waiting(database: Database, limit: int = 100) -> list[tuple[int, str]]:
    with database.read() as session:
        return [(message.video_id, message.topic) for message in next(queue.batches(session, limit, size=limit), [])]


def test_messages_come_in_order_as_many_as_asked_for(database: Database) -> None:
    one, two = fill(database)
    assert waiting(database, 3) == [(one, "video.uploaded"), (two, "video.uploaded"), (one, "video.transcoded")]
    assert len(waiting(database)) == 10


def test_a_published_message_does_not_come_again(database: Database) -> None:
    fill(database)
    with database.write() as session:
        first = next(queue.batches(session, 4, size=4), [])
        queue.refuse(session, first[0], "not now", max_attempts=2)
        queue.mark_published(session, [message.id for message in first], at(50))
    assert len(waiting(database)) == 6
    with database.read() as session:
        assert queries.unpublished_count(session) == 6
        row, parked = queries.outbox(session, first[0].video_id)[0]
    assert (row.published, row.published_at, row.attempts, parked) == (True, at(50), 2, None)


def test_a_parked_message_holds_its_own_videos_later_ones_and_nobody_elses(database: Database) -> None:
    one, two = fill(database)
    with database.write() as session:
        messages = next(queue.batches(session, 100, size=100), [])
        bad = next(m for m in messages if (m.video_id, m.topic) == (one, "video.transcribed"))
        queue.park(session, UUID(bad.id), "too large")
    left = waiting(database)
    assert [topic for video, topic in left if video == one] == ["video.uploaded", "video.transcoded"]
    assert len([topic for video, topic in left if video == two]) == 5
    with database.write() as session:
        (parked,) = queue.parked_messages(session)
        assert (parked.video_id, parked.topic, parked.reason, parked.waiting) == (
            one,
            "video.transcribed",
            "too large",
            2,
        )
        assert queue.release(session, [one]) == 1
    assert len(waiting(database)) == 10


def test_a_parked_message_that_was_published_after_all_holds_nothing(database: Database) -> None:
    fill(database)
    with database.write() as session:
        first = next(queue.batches(session, 1, size=1), [])[0]
        queue.park(session, UUID(first.id), "refused")
        queue.mark_published(session, [first.id], at(50))
    assert len(waiting(database)) == 9
