"""The window an objective is held over: rolling days, or periods of a calendar in a zone of its own.

Pure arithmetic of days and months; what is counted in a window is ``models.slo``.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from models.openslo import Calendar, Shorthand, TimeWindow, span

_DAY = timedelta(days=1)
_FROM = " from "


@dataclass(frozen=True)
class Period:
    """Begin and end of a window, aware and in UTC."""

    begin: datetime
    end: datetime

    @property
    def days(self) -> int:
        """Its length in days; a day that summer time begins or ends in is one."""
        return round((self.end - self.begin) / _DAY)


def rolling(days: int) -> TimeWindow:
    """The rolling window of some days."""
    return TimeWindow(Shorthand(days, "d"))


def window_text(window: TimeWindow) -> str:
    """A window as ``mart_slo_objectives.time_window`` has it: ``30d``, ``1M from 2026-01-01 00:00:00 Europe/Vienna``."""
    if window.calendar is None:
        return str(window.duration)
    return f"{window.duration}{_FROM}{window.calendar.start.isoformat(' ')} {window.calendar.zone}"


def window_of(text: str) -> TimeWindow:
    """The window a text of ``window_text`` stands for.

    Raises:
        ValueError: it is none.
    """
    length, _, begin = text.partition(_FROM)
    duration = span(length)
    if duration is None:
        raise ValueError(f"{text!r} is no window")
    if not begin:
        return TimeWindow(duration)
    moment, _, zone = begin.rpartition(" ")
    return TimeWindow(duration, Calendar(datetime.fromisoformat(moment), zone))


def period_at(window: TimeWindow, as_of: datetime) -> Period:
    """The period of a window that a moment is in: rolling, the one that ends there; of a calendar, the one that holds what
    came right before it, so that the end of a month is the month's.

    Periods of a calendar are told in the wall time of its zone: a day begins when its clocks say so, whatever its length.
    A month counts from the day of the begin, or from its last day where it has none such.

    Raises:
        ValueError: a rolling window without a fixed length.
    """
    if window.calendar is None:
        length = window.duration.length
        if length is None:
            raise ValueError(f"a window that rolls over {window.duration} has no fixed length")
        return Period(as_of.astimezone(UTC) - length, as_of.astimezone(UTC))
    zone = ZoneInfo(window.calendar.zone)
    number = _guess(window, as_of.astimezone(zone).replace(tzinfo=None))
    while _begin(window, number, zone) >= as_of:
        number -= 1
    while _begin(window, number + 1, zone) < as_of:
        number += 1
    return Period(_begin(window, number, zone), _begin(window, number + 1, zone))


def _guess(window: TimeWindow, wall: datetime) -> int:
    """About how many periods after the first a wall time is."""
    assert window.calendar is not None
    start, months = window.calendar.start, window.duration.months
    if months:
        return ((wall.year - start.year) * 12 + wall.month - start.month) // months
    assert window.duration.length is not None
    return (wall - start) // window.duration.length


def _begin(window: TimeWindow, number: int, zone: ZoneInfo) -> datetime:
    """Begin of a period by its number, in UTC."""
    assert window.calendar is not None
    start, months = window.calendar.start, window.duration.months
    if months:
        years, month = divmod(start.month - 1 + months * number, 12)
        year = start.year + years
        day = min(start.day, calendar.monthrange(year, month + 1)[1])
        wall = start.replace(year=year, month=month + 1, day=day)
    else:
        assert window.duration.length is not None
        wall = start + number * window.duration.length
    return wall.replace(tzinfo=zone).astimezone(UTC)
