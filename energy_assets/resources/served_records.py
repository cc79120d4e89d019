"""Copies in ClickHouse of what the platform records of its own work: gates, verdicts, deliveries, quarantine.

What belongs here: which days of them changed, and swapping these in. What does not: tables that a gate opens (assets/serving.py), columns and
keys (clickhouse_ddl/016_records.sql), when they are copied (operations/runs.py after a command's runs, automation/records.py after all others).

A red day is what these are about, so no gate stands before them, and they are no part of a day's chain: a run that ends at a red gate
would never reach them.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from energy_assets.home import Home
from energy_assets.keys import GATED, SERVING
from energy_assets.resources.serving import Serving
from energy_assets.resources.serving_ddl import DATABASE, quoted, served_columns
from energy_assets.resources.warehouse import quoted_name

if TYPE_CHECKING:
    from datetime import datetime

    from energy_assets.resources.warehouse import Warehouse

logger = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=10)
"""A transaction may commit after the clock that it wrote down: what changed so shortly before the last copy is copied again."""
LOCK = f"{SERVING}.records"


@dataclass(frozen=True)
class Records:
    """A table of copies. `changed` gives the days that changed since %(since)s; `rows` those of %(days)s."""

    table: str
    date_column: str
    description: str
    of_gates: bool
    """Whether it is made of what gates say, or of what landed."""
    changed: str
    rows: str


_JUDGED = """
    select distinct reading_date from quality.day_versions where table_name = any(%(gated)s) and written_at >= %(since)s
    union select distinct reading_date from quality.validation_results where judged_at >= %(since)s
    union select distinct reading_date from quality.overrides where accepted_at >= %(since)s
"""
# New content at a path makes an earlier file count no more, and a withdrawal does: their own days are told anew.
_TOUCHED_FILES = """
    select file_id from raw_data.landing_files where landed_at >= %(since)s or retracted_at >= %(since)s
    union
    select earlier.file_id
    from raw_data.landing_files as file
    join raw_data.landing_paths as held on held.sha256 = file.sha256
    join raw_data.landing_paths as before on before.path = held.path and before.sha256 <> held.sha256
    join raw_data.landing_files as earlier on earlier.sha256 = before.sha256
    where file.landed_at >= %(since)s
"""

TABLES: tuple[Records, ...] = (
    Records(
        table="gate_states",
        date_column="reading_date",
        description="One row per table and day that was written: what its gate says, copied from Postgres.",
        of_gates=True,
        changed=_JUDGED,
        rows="""
            with found as (
                select reading_date, table_name, max(judged_at) as judged_at,
                    (array_agg(message order by severity <> 'critical', expectation_id) filter (where not success))[1] as finding
                from quality.validation_results
                where reading_date = any(%(days)s::date[])
                group by reading_date, table_name
            )
            select states.reading_date, states.table_name, layers.layer, states.state, states.row_count, states.failed_critical,
                states.failed_warning, coalesce(found.finding, '') as finding, versions.written_at, found.judged_at
            from quality.day_states as states
            join quality.day_versions as versions using (table_name, reading_date)
            join unnest(%(tables)s::text[], %(layers)s::text[]) as layers (table_name, layer) using (table_name)
            left join found using (reading_date, table_name)
            where states.reading_date = any(%(days)s::date[])
        """,
    ),
    Records(
        table="validation_results",
        date_column="reading_date",
        description="One row per table, day and expectation: what it said, copied from Postgres without the sample rows.",
        of_gates=True,
        changed=_JUDGED,
        rows="""
            select reading_date, table_name, expectation_id, expectation, column_name, severity, success, observed, unexpected_count,
                element_count, message, judged_at
            from quality.validation_results
            where reading_date = any(%(days)s::date[])
        """,
    ),
    Records(
        table="deliveries",
        date_column="reading_date",
        # A historical home reads everything at once: when a file was written is the only witness of when it came.
        description="One row per source, day and day of arrival: what came, and how late.",
        of_gates=False,
        changed=f"select distinct reading_date from raw_data.landing_parts where file_id in ({_TOUCHED_FILES})",
        rows="""
            select part.reading_date, part.source, came.came_on, greatest(came.came_on - part.reading_date - 1, 0) as days_late,
                count(*) as file_count, sum(part.row_count)::bigint as row_count, sum(part.rejected_count)::double precision as rejected_count
            from raw_data.landing_parts as part
            join raw_data.active_files using (file_id)
            join (
                select file.file_id, (case
                    when %(kind)s = 'historical' then least(min(to_timestamp(held.modified_ns / 1000000000.0)), file.landed_at)
                    else file.landed_at
                end at time zone %(zone)s)::date as came_on
                from raw_data.landing_files as file
                join raw_data.landing_paths as held using (sha256)
                group by file.file_id, file.landed_at
            ) as came using (file_id)
            where part.reading_date = any(%(days)s::date[])
            group by part.reading_date, part.source, came.came_on
        """,
    ),
    Records(
        table="rejected_rows",
        date_column="landed_on",
        description="One row per file, column and reason: what could not be read, without the values.",
        of_gates=False,
        changed=f"""
            select distinct (landed_at at time zone %(zone)s)::date from raw_data.landing_files
            where rows_rejected > 0 and file_id in ({_TOUCHED_FILES})
        """,
        rows="""
            with files as (
                select file_id, sha256, (landed_at at time zone %(zone)s)::date as landed_on
                from raw_data.landing_files
                where rows_rejected > 0 and (landed_at at time zone %(zone)s)::date = any(%(days)s::date[])
            )
            select files.landed_on, rejected.source, coalesce(min(held.path), '') as path, rejected.column_name, rejected.reason,
                count(*) as row_count, min(rejected.row_number) as first_row, min(rejected.reading_date) as first_date,
                max(rejected.reading_date) as last_date, bool_and(active.file_id is null) as is_withdrawn
            from files
            join raw_data.rejected_rows as rejected using (file_id)
            left join raw_data.active_files as active using (file_id)
            left join (select sha256, min(path) as path from raw_data.landing_paths group by sha256) as held on held.sha256 = files.sha256
            group by files.landed_on, files.file_id, rejected.source, rejected.column_name, rejected.reason
        """,
    ),
)
CHANGES = """
    select clock_timestamp(), concat_ws(' ',
        (select concat(max(version), '/', count(*)) from quality.day_versions where table_name = any(%(gated)s)),
        (select concat(max(judged_at), '/', count(*)) from quality.validation_results),
        (select concat(max(accepted_at), '/', count(*)) from quality.overrides),
        (select concat(max(landed_at), '/', count(*), '/', max(retracted_at), '/', count(retracted_at)) from raw_data.landing_files),
        (select concat(count(*), '/', count(*) filter (where is_current)) from raw_data.landing_paths))
"""
SERVED = "select fingerprint, through from quality.records_served where destination = %s"
SERVE = """
    insert into quality.records_served (destination, fingerprint, through) values (%s, %s, %s)
    on conflict (destination) do update set fingerprint = excluded.fingerprint, through = excluded.through
"""
EVER = "-infinity"


def is_current(warehouse: Warehouse) -> bool:
    """Whether the copies hold all that was recorded."""
    held = warehouse.rows(SERVED, (DATABASE,))
    return bool(held) and held[0][0] == _changes(warehouse)[1]


def copy(warehouse: Warehouse, serving: Serving, *, is_switch: bool = False) -> dict[str, int]:
    """Copy the days whose records changed since the last copy; table -> days that were swapped. Nothing is done where nothing changed."""
    with warehouse.locked(LOCK), serving.client() as client:
        now, fingerprint = _changes(warehouse)
        held = warehouse.rows(SERVED, (DATABASE,))
        # Gates are written of every home that has any day: an empty table is one that somebody made anew.
        is_anew = not client.query(f"SELECT 1 FROM {quoted(DATABASE, 'gate_states')} LIMIT 1").result_rows
        if held and held[0][0] == fingerprint and not is_anew:
            return {}
        since = held[0][1] - OVERLAP if held and not is_anew else EVER
        found = {}
        for records in TABLES:
            with serving.swapping(client, records.table, run_id=uuid.uuid4().hex, is_switch=is_switch) as swap:
                days = _changed_days(warehouse, records, since)
                if days:
                    with warehouse.stream(_selected(records), _values(warehouse, days)) as batches:
                        swap.replace_days(days, batches)
                found[records.table] = len(days)
        with warehouse.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(SERVE, (DATABASE, fingerprint, now))
    return found


def copy_after_runs(warehouse: Warehouse, serving: Serving, say: Callable[[str], None]) -> dict[str, int]:
    """Copy for whoever just ran days. Where it cannot be done no run is concerned: it is said loudly and logged."""
    try:
        return copy(warehouse, serving)
    except Exception as error:
        logger.exception("records were not copied")
        say(
            f"gates and deliveries were not copied to ClickHouse, the days are not concerned: {type(error).__name__}: {error}\n"
            "→ they are copied with the next command that runs days, or by the daemon"
        )
        return {}


def _changes(warehouse: Warehouse) -> tuple[datetime, str]:
    """(The database's clock, a text that differs whenever something was recorded, or what is copied of it)."""
    now, found = warehouse.rows(CHANGES, {"gated": list(GATED)})[0]
    statements = "".join(records.rows for records in TABLES)
    return now, hashlib.sha256(f"{found} {statements}".encode()).hexdigest()


def _changed_days(warehouse: Warehouse, records: Records, since: datetime | str) -> list[date]:
    given = {"since": since, "gated": list(GATED), "zone": _zone(warehouse)}
    return [row[0] for row in warehouse.rows(f"select * from ({records.changed}) as changed order by 1", given)]


def _selected(records: Records) -> str:
    """The rows in the order of ClickHouse's columns."""
    columns = ", ".join(quoted_name(column.name) for column in served_columns()[records.table])
    return f"select {columns} from ({records.rows}) as records"


def _values(warehouse: Warehouse, days: list[date]) -> dict[str, Any]:
    return {
        "days": days,
        "tables": list(GATED),
        "layers": list(GATED.values()),
        "zone": _zone(warehouse),
        "kind": "historical" if Home.at(warehouse.home).calendar().is_historical else "live",
    }


def _zone(warehouse: Warehouse) -> str:
    return Home.at(warehouse.home).calendar().timezone
