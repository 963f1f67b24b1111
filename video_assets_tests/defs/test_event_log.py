"""Reading the event log in pages: nothing is passed over, whatever order rows appear in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from video_assets.defs.event_log.records import OVERLAP, merged, read_page
from video_assets.videos import Stage

WRITERS = 8


@given(
    kinds=st.lists(st.lists(st.integers(1, 200), unique=True).map(sorted), min_size=1, max_size=6),
    limit=st.integers(1, 20),
)
def test_pages_of_several_kinds_bring_every_record_once_and_in_order(kinds: list[list[int]], limit: int) -> None:
    # An id belongs to one kind only.
    owned = [[each * 10 + number for each in ids] for number, ids in enumerate(kinds)]
    seen: list[int] = []
    cursor, more = 0, True
    while more:
        streams = [[SimpleNamespace(storage_id=i) for i in ids if i > cursor][:limit] for ids in owned]
        page = merged(streams, cursor, limit)  # type: ignore[arg-type]  # stand-ins for Dagster's records
        seen += [record.storage_id for record in page.records]
        cursor, more = page.cursor, page.more
    assert seen == sorted(i for ids in owned for i in ids)


@pytest.fixture
def postgres_instance(postgres_database: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance whose event log is on a real Postgres."""
    url = postgres_database.replace("+psycopg2", "")
    (tmp_path / "dagster.yaml").write_text(
        f"storage:\n  postgres:\n    postgres_url: {url}\ntelemetry:\n  enabled: false\n", encoding="utf-8"
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


@pytest.mark.timeout(600)
@pytest.mark.parametrize("each", [125, pytest.param(1_250, marks=pytest.mark.slow)])
def test_a_tight_reader_misses_nothing_of_eight_racing_writers_on_postgres(
    postgres_instance: dg.DagsterInstance, each: int
) -> None:
    stages = list(Stage)

    def write(writer: int) -> None:
        for number in range(each):
            stage = stages[(writer + number) % len(stages)]
            key = f"{writer}-{number}"
            postgres_instance.report_runless_asset_event(dg.AssetMaterialization(stage.value, partition=key))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in writers:
        thread.start()
    seen: set[str] = set()
    cursor, passes = 0, 0
    while True:
        still_writing = any(thread.is_alive() for thread in writers)
        after = max(cursor - OVERLAP, 0)
        while True:
            page = read_page(postgres_instance, after)
            seen |= {record.partition_key for record in page.records if record.partition_key}
            after = page.cursor
            if not page.more:
                break
        cursor, passes = max(cursor, after), passes + 1
        if not still_writing:
            break
    assert len(seen) == WRITERS * each
    assert passes > 5, "the reader was no race for the writers"
