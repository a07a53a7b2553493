"""When a schedule is due: ``rate(…)``, ``cron(…)`` and ``at(…)``, as EventBridge has them."""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from ringback.errors import ConfigurationError

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
UNITS = {"minute": 60, "hour": 3600, "day": 86400}
MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}
YEARS_AHEAD = 8
"""How far is looked for the next time: past a leap day."""


class Schedule:
    """Knows the next time."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        self.period: float | None = None
        """Seconds, of a rate."""
        self._zone = ZoneInfo(zone)
        self._once: datetime.datetime | None = None
        self._cron: Cron | None = None
        text = expression.strip()
        rate = RATE.fullmatch(text)
        if rate:
            self.period = float(rate[1]) * UNITS[rate[2]]
        elif text.startswith("cron(") and text.endswith(")"):
            self._cron = Cron(text[5:-1])
        elif text.startswith("at(") and text.endswith(")"):
            try:
                said = datetime.datetime.fromisoformat(text[3:-1])
            except ValueError:
                raise ConfigurationError(f"{expression} is no moment.") from None
            self._once = said.replace(tzinfo=self._zone)
        else:
            raise ConfigurationError(f"{expression} is no schedule: rate(…), cron(…) or at(…).")

    def next(self, now: datetime.datetime) -> datetime.datetime | None:
        """The first moment after `now` (with a zone); None if there is none."""
        if self.period is not None:
            return now + datetime.timedelta(seconds=self.period)
        if self._once is not None:
            return self._once if self._once > now else None
        if self._cron is None:
            return None
        local = now.astimezone(self._zone).replace(tzinfo=None)
        found = self._cron.next(local)
        return None if found is None else found.replace(tzinfo=self._zone)


class Cron:
    """Minutes, hours, day of the month, month, day of the week, year."""

    def __init__(self, text: str) -> None:
        fields = text.split()
        if len(fields) != 6:
            raise ConfigurationError(f"cron({text}) needs six fields: EventBridge has a year.")
        self._minutes = _numbers(fields[0], 0, 59)
        self._hours = _numbers(fields[1], 0, 23)
        self._days = fields[2].upper()
        self._months = set(_numbers(fields[3], 1, 12, MONTHS))
        self._weekdays = fields[4].upper()
        self._years = set(_numbers(fields[5], 1970, 2199))
        if (self._days == "?") == (self._weekdays == "?"):
            raise ConfigurationError(
                f"cron({text}): one of the days, of the month or of the week, has to be ?."
            )

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        begin = after.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
        for year in range(begin.year, begin.year + YEARS_AHEAD):
            if year not in self._years:
                continue
            for month in range(begin.month if year == begin.year else 1, 13):
                if month not in self._months:
                    continue
                for day in self._of(year, month):
                    for hour in self._hours:
                        for minute in self._minutes:
                            found = datetime.datetime(year, month, day, hour, minute)
                            if found >= begin:
                                return found
        return None

    def _of(self, year: int, month: int) -> list[int]:
        """The days of a month that fit."""
        last = calendar.monthrange(year, month)[1]
        if self._days != "?":
            return sorted(set(_month_days(self._days, year, month, last)))
        return sorted(set(_week_days(self._weekdays, year, month, last)))


def _month_days(text: str, year: int, month: int, last: int) -> Iterator[int]:
    if text == "L":
        yield last
    elif text.endswith("W"):
        wanted = last if text == "LW" else min(int(text[:-1]), last)
        weekday = calendar.weekday(year, month, wanted)
        if weekday == 5:
            wanted = wanted - 1 if wanted > 1 else wanted + 2
        elif weekday == 6:
            wanted = wanted + 1 if wanted < last else wanted - 2
        yield wanted
    else:
        yield from (day for day in _numbers(text, 1, 31) if day <= last)


def _week_days(text: str, year: int, month: int, last: int) -> Iterator[int]:
    def of(number: int) -> list[int]:
        # EventBridge's week begins on Sunday, with 1; Python's on Monday, with 0.
        return [
            day
            for day in range(1, last + 1)
            if (calendar.weekday(year, month, day) + 1) % 7 + 1 == number
        ]

    if "#" in text:
        name, _, which = text.partition("#")
        days = of(_number(name, DAYS))
        if int(which) <= len(days):
            yield days[int(which) - 1]
    elif text.endswith("L"):
        yield of(7 if text == "L" else _number(text[:-1], DAYS))[-1]
    else:
        for number in _numbers(text, 1, 7, DAYS):
            yield from of(number)


def _number(text: str, names: dict[str, int] | None = None) -> int:
    return (names or {}).get(text.upper()) or int(text)


def _numbers(text: str, low: int, high: int, names: dict[str, int] | None = None) -> list[int]:
    """``*``, ``1,2``, ``1-5``, ``0/15``, and all of that joined by commas."""
    found: set[int] = set()
    try:
        for part in text.upper().split(","):
            span, _, step = part.partition("/")
            first, _, last = span.partition("-")
            if first in ("*", "?"):
                begin, end = low, high
            else:
                begin = _number(first, names)
                end = _number(last, names) if last else (high if step else begin)
            if end < begin:
                found |= set(range(begin, high + 1)) | set(range(low, end + 1))
            else:
                found |= set(range(begin, end + 1, int(step or 1)))
    except ValueError:
        raise ConfigurationError(f"{text} is no field of a cron expression.") from None
    if not all(low <= each <= high for each in found):
        raise ConfigurationError(f"{text} leaves {low}-{high} in a cron expression.")
    return sorted(found)
