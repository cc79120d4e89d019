"""What arrived, day by day and source by source: the ledger looked at as a utility's operator does.

What belongs here: the one query of that view, and what counts as late or missing. What does not: showing it (cli.py,
assets/landing.py), single files (ledger.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from energy_assets.days import ONE_DAY, DayWindow
from energy_assets.landing.contract import DAILY_SOURCES, METER_READINGS

if TYPE_CHECKING:
    from energy_assets.home import Calendar
    from energy_assets.resources.warehouse import Warehouse

SHOWN_DAYS = 30
USUAL_DAYS = 7
"""A meter that delivered in the week before is expected to deliver."""
DEADLINE = time(9)
"""Local time of the next day at which a day should be there."""


class State(StrEnum):
    arrived = "arrived"
    partly_late = "partly late"
    late = "late"
    missing = "missing"
    expected = "expected"
    """Nothing is there, and its deadline has not passed."""


@dataclass(frozen=True)
class Delivery:
    """A day of a source: the files that count for it, and their rows.

    Meters are those of readings that passed the gate; None for other sources, and where none of the day passed yet.
    """

    day: date
    source: str
    state: State
    files: int
    rows: int
    rejected: int
    meters: int | None
    usual_meters: int | None
    """Meters with readings on any of the seven days before."""
    first_landed_at: datetime | None
    last_landed_at: datetime | None
    is_loaded: bool
    """Whether the day was loaded from just these files."""


def recent_days(calendar: Calendar, now: datetime | None = None) -> DayWindow:
    """The newest 30 days that the home should have: a historical one up to its last, a live one up to yesterday."""
    yesterday = (now or datetime.now(UTC)).astimezone(calendar.zone).date() - ONE_DAY
    last = max(calendar.last_day or yesterday, calendar.first_day)
    return DayWindow(max(calendar.first_day, last - timedelta(days=SHOWN_DAYS - 1)), last + ONE_DAY)


def deliveries(
    warehouse: Warehouse,
    window: DayWindow,
    calendar: Calendar,
    now: datetime | None = None,
    *,
    with_meters: bool = True,
) -> list[Delivery]:
    """Each day of the window with each source that was ever delivered, a day of which nothing counts included.

    In a historical home files landed when somebody ingested them: nothing is late there. Counting meters is what takes
    time: a second for thirty days of 10,000 meters, the rest milliseconds.
    """
    rows = warehouse.rows(
        _query(has_meters=with_meters and _exists(warehouse, "intermediate.int_readings_daily")),
        {
            "start": window.start,
            "last": window.last,
            "timezone": calendar.timezone,
            "deadline": DEADLINE,
            "sources": [source.name for source in DAILY_SOURCES],
            "tables": [source.table for source in DAILY_SOURCES],
            "metered": METER_READINGS.name,
            "usual_days": USUAL_DAYS,
        },
    )
    now = now or datetime.now(UTC)
    return [
        Delivery(day, source, _state(files, late, deadline, calendar, now), files, *counts)
        for day, source, deadline, files, late, *counts in rows
    ]


def _state(files: int, late_files: int, deadline: datetime, calendar: Calendar, now: datetime) -> State:
    if not files:
        return State.missing if calendar.is_historical or now >= deadline else State.expected
    if calendar.is_historical or not late_files:
        return State.arrived
    return State.late if late_files == files else State.partly_late


def _exists(warehouse: Warehouse, table: str) -> bool:
    """dbt makes a table when its model first runs."""
    return warehouse.rows("select to_regclass(%s) is not null", (table,))[0][0]


def _query(*, has_meters: bool) -> str:
    """Bounded by the window: the ledger and the daily table are read from its first day (and a week before) to its last."""
    read = (
        "select reading_date, meter_id from intermediate.int_readings_daily"
        " where reading_date between %(start)s::date - %(usual_days)s and %(last)s"
    )
    none = "select null::date as reading_date, null::text as meter_id where false"
    return f"""
        with calendar as (
            select day::date as reading_date, ((day::date + 1) + %(deadline)s::time) at time zone %(timezone)s as deadline
            from generate_series(%(start)s::timestamp, %(last)s::timestamp, interval '1 day') as known (day)
        ),
        sources as (
            select source, table_name, position
            from unnest(%(sources)s, %(tables)s) with ordinality as known (source, table_name, position)
            where exists (select from raw_data.landing_parts as part where part.source = known.source)
        ),
        landed as (
            select
                part.source,
                calendar.reading_date,
                count(*)                                                   as files,
                count(*) filter (where file.landed_at > calendar.deadline) as late_files,
                sum(part.row_count)::bigint                                as row_count,
                round(sum(part.rejected_count))::bigint                    as rejected_count,
                min(file.landed_at)                                        as first_landed_at,
                max(file.landed_at)                                        as last_landed_at,
                md5(string_agg(file.sha256, ',' order by file.sha256))     as inputs
            from calendar
            join raw_data.landing_parts as part using (reading_date)
            join raw_data.active_files using (file_id)
            join raw_data.landing_files as file using (file_id)
            group by part.source, calendar.reading_date
        ),
        metered as ({read if has_meters else none}),
        -- From each day on which a meter delivered, the days that expect it: until it delivers again, a week at most.
        expectations as (
            select
                reading_date,
                least(%(usual_days)s, lead(reading_date) over (partition by meter_id order by reading_date) - reading_date) as days
            from metered
        ),
        usual as (
            select reading_date + ahead as reading_date, count(*) as meters
            from expectations
            cross join lateral generate_series(1, days) as due (ahead)
            group by 1
        ),
        delivered as (
            select reading_date, count(*) as meters from metered group by reading_date
        )
        select
            calendar.reading_date,
            sources.source,
            calendar.deadline,
            coalesce(landed.files, 0),
            coalesce(landed.late_files, 0),
            coalesce(landed.row_count, 0),
            coalesce(landed.rejected_count, 0),
            case when sources.source = %(metered)s then delivered.meters end,
            case when sources.source = %(metered)s then usual.meters end,
            landed.first_landed_at,
            landed.last_landed_at,
            loaded.inputs is not distinct from landed.inputs
        from calendar
        cross join sources
        left join landed using (source, reading_date)
        left join delivered using (reading_date)
        left join usual using (reading_date)
        left join quality.day_versions as loaded
          on loaded.table_name = sources.table_name and loaded.reading_date = calendar.reading_date
        order by calendar.reading_date, sources.position
    """
