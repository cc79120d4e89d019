"""Types of days as a utility's customers live them: workdays, Saturdays, and days of rest.

What belongs here: public holidays, by the country that the settings name. What does not: what a type of day does to a load (ml/forecast).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date

from ml.forecast import REST, SATURDAY, WORKDAY


def day_types(days: Iterable[date], country: str) -> list[int]:
    """Type of each day. `country` is an ISO 3166 code; empty where no public holiday is known.

    Feasts that follow the moon are as the library calculates them: a sighting may move them by a day.
    """
    holidays = _holidays(country) if country else ()
    return [_day_type(day, is_holiday=day in holidays) for day in days]


def _holidays(country: str) -> Container[date]:
    from holidays import country_holidays

    return country_holidays(country)


def _day_type(day: date, *, is_holiday: bool) -> int:
    if is_holiday or day.isoweekday() == 7:
        return REST
    return SATURDAY if day.isoweekday() == 6 else WORKDAY
