"""Instants, against Python's datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.records.instant import check_time, format_time, parse_time

LAST = 253_402_300_799


def as_text(moment: datetime) -> str:
    return moment.isoformat().removesuffix("+00:00") + "Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_utc_time_of_python_is_the_same_instant_here(moment: datetime) -> None:
    check_time("created", as_text(moment))
    assert parse_time(as_text(moment)) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


@given(st.integers(0, LAST))
def test_seconds_are_written_as_python_writes_them_and_read_back(seconds: int) -> None:
    text = format_time(seconds)
    assert text == as_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (LAST, "9999-12-31T23:59:59Z"),
    ],
)
def test_the_corners_of_the_calendar_are_right(seconds: int, text: str) -> None:
    assert format_time(seconds) == text
    assert parse_time(text) == seconds


@pytest.mark.parametrize("seconds", [-1, LAST + 1])
def test_seconds_outside_1970_to_9999_are_refused(seconds: int, refuses) -> None:
    with refuses("time"):
        format_time(seconds)


@pytest.mark.parametrize("text", ["2000-02-29T00:00:00Z", "2024-02-29T23:59:59.123456789Z", "2026-12-31T00:00:00.0Z"])
def test_days_that_the_calendar_has_are_times(text: str) -> None:
    check_time("created", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-00-10T00:00:00Z",
        "2026-13-10T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01t00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00Z\n",
        "26-01-01T00:00:00Z",
        "٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠Z",
    ],
)
def test_what_is_no_rfc_3339_utc_time_is_refused(text: str, refuses) -> None:
    with refuses("time"):
        check_time("created", text)
    with refuses("time"):
        parse_time(text)
