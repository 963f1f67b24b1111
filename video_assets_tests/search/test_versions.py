from __future__ import annotations

from datetime import datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from video_assets.artifacts.pointer import make_fence
from video_assets.search.elastic.versions import FOREVER, number

LONG = 2**63 - 1
moments = st.datetimes(datetime(1980, 1, 1), datetime(2280, 1, 1), timezones=st.just(timezone.utc))
fences = st.builds(make_fence, moments, st.uuids().map(str))
near_misses = st.builds(
    lambda fence, cut, rest: fence[:cut] + rest, fences, st.integers(0, 40), st.text("-./019:Zaé\U0001f600", max_size=5)
)
versions = st.one_of(fences, near_misses, st.text(max_size=30), st.integers(0, 10**20).map(str))


@given(versions, versions)
def test_the_order_of_the_texts_is_never_turned_round(one: str, other: str) -> None:
    lower, higher = sorted((one, other))
    assert 0 <= number(lower) <= number(higher) < FOREVER < LONG


@given(moments, st.uuids(), st.uuids())
def test_runs_created_ten_microseconds_apart_have_different_numbers(moment: datetime, one: UUID, other: UUID) -> None:
    later = moment + timedelta(microseconds=20)
    assert number(make_fence(moment, str(one))) < number(make_fence(later, str(other)))


def test_texts_that_differ_where_no_number_reaches_share_one() -> None:
    assert number("1764099575.123456/aaa") == number("1764099575.123456/bbb")
    assert number("1764099575.12") < number("1764099575.13")
    assert (number(""), number("é1"), number("é2")) == (0, number("é"), number("é"))
