"""Instants: RFC 3339 UTC text to Unix seconds and back, without a clock."""

from __future__ import annotations

import re

from mooring.errors import RecordError

__all__ = ["check_time", "format_time", "parse_time"]

_TIME = re.compile(
    "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z"
)
_DAY = 86_400
_LAST = 253_402_300_799  # 9999-12-31T23:59:59Z


def check_time(field_name: str, value: str) -> None:
    """Refuse a time that is not RFC 3339 in UTC with Z, or names no day of the calendar (RecordError `time`)."""
    if _TIME.fullmatch(value) is None or int(value[8:10]) > _month_days(int(value[0:4]), int(value[5:7])):
        raise RecordError(
            f"{field_name} {value[:40]!r} is not a UTC time", code="time", hint="like 2026-11-23T10:00:00Z"
        )


def parse_time(text: str) -> int:
    """Return the Unix seconds of an RFC 3339 UTC time, fractions cut; raises RecordError `time`."""
    check_time("time", text)
    year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
    return _days(year, month, day) * _DAY + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])


def format_time(seconds: int) -> str:
    """Return Unix seconds (years 1970 to 9999) as RFC 3339 UTC text; raises RecordError `time`."""
    if not 0 <= seconds <= _LAST:
        raise RecordError(f"time {seconds} s lies outside 1970 to 9999", code="time", hint="give Unix seconds")
    days, rest = divmod(seconds, _DAY)
    year, month, day = _civil(days)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _month_days(year: int, month: int) -> int:
    return 29 if month == 2 and _leap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar."""
    past = year - 1
    leap_days = past // 4 - past // 100 + past // 400 - 477  # 477 of them lie before 1970
    months = sum(_month_days(year, earlier) for earlier in range(1, month))
    return (year - 1970) * 365 + leap_days + months + day - 1


def _civil(days: int) -> tuple[int, int, int]:
    year = 1970 + days // 366  # never too late; at most a few years early
    while _days(year + 1, 1, 1) <= days:
        year += 1
    rest, month = days - _days(year, 1, 1), 1
    while rest >= _month_days(year, month):
        rest, month = rest - _month_days(year, month), month + 1
    return year, month, rest + 1
