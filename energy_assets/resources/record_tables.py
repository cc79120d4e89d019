"""Tables of records (registers, inspections): rows as delivered, the ones that count, and what each day should know of them.

What belongs here: the DDL that derives these from the landing contract. What does not: filling the tables (ledger.py),
what a record says of a day (dbt_project/models/staging/).

A register is delivered whole again and again, and most of it is as before. So what a day was staged from is told by what the
records that count say about that day, not by which files they came in: a change touches the days from which it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from energy_assets.landing.contract import RECORD_SOURCES, VERSION, Source

if TYPE_CHECKING:
    from psycopg2 import sql

ALWAYS = "'-infinity'::date"


def current_view(source: Source) -> str:
    """Name of the view of a source's records that count."""
    return f"current_{source.table}"


def record_statements() -> Iterator[sql.Composable]:
    """DDL of every record source, and of the view `raw_data.record_states`; each statement is safe to repeat."""
    from psycopg2 import sql

    for source in RECORD_SOURCES:
        yield _table(source)
        yield _current(source)
    changes = sql.SQL(" union all ").join(event for source in RECORD_SOURCES for event in _changes(source))
    yield sql.SQL(STATES).format(changes=changes)


# Sums of 64-bit hashes: what a day knows is a sum over the changes up to it, whatever their order.
STATES = """
    create or replace view raw_data.record_states as
    with changes as (
        select source, is_lasting, changed_on, sum(hash) as hash from ({changes}) as known group by source, is_lasting, changed_on
    )
    select
        source,
        is_lasting,
        changed_on,
        (case when is_lasting then sum(hash) over (partition by source order by changed_on) else hash end)::text as inputs
    from changes
"""


# Gates judge a register by the share of its rows that were rejected: where that changes, its days are to be judged again.
# Per mille, upwards: a copy of the register that grew by a row or two is no other register.
REJECTED = """
    select {source}, {lasting}, '-infinity'::date, hashtextextended('rejected ' || ceil(1000.0 * rejected / (rejected + accepted)), 0)::numeric
    from (select count(*) as rejected from raw_data.rejected_rows join raw_data.active_files using (file_id) where reading_date is null and source = {source}) as bad
    cross join (select count(*) as accepted from raw_data.{table} join raw_data.active_files using (file_id)) as good
    where rejected > 0
"""


def _table(source: Source) -> sql.Composed:
    from psycopg2 import sql

    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.name), sql.SQL(column.type), sql.SQL(" not null" if column.required else "")
        )
        for column in source.part_columns
    )
    return sql.SQL(
        "create table if not exists raw_data.{table} ({columns}, file_id integer not null references raw_data.landing_files);"
        " create index if not exists {index} on raw_data.{table} (file_id)"
    ).format(table=sql.Identifier(source.table), columns=columns, index=sql.Identifier(f"{source.table}_file"))


def _current(source: Source) -> sql.Composed:
    """Of several records of the same, the highest version; else what they say decides: no order of arrival can."""
    from psycopg2 import sql

    columns = [sql.Identifier(column.name) for column in source.delivered]
    key = sql.SQL(", ").join(sql.SQL("{} nulls first").format(sql.Identifier(name)) for name in source.key)
    return sql.SQL(
        "create or replace view raw_data.{view} as select distinct on ({distinct}) {columns}"
        " from raw_data.{table} join raw_data.active_files using (file_id)"
        " order by {key}, version desc nulls last, {columns}"
    ).format(
        view=sql.Identifier(current_view(source)),
        distinct=sql.SQL(", ").join(map(sql.Identifier, source.key)),
        columns=sql.SQL(", ").join(columns),
        table=sql.Identifier(source.table),
        key=key,
    )


def _changes(source: Source) -> Iterator[sql.Composed]:
    """The days on which the source begins to say something else, each with a hash of what that is."""
    from psycopg2 import sql

    unsaid = (source.ends, VERSION.name)  # a nightly copy under a new version says what the one before said
    said = [sql.Identifier(column.name) for column in source.delivered if column.name not in unsaid]
    starts = sql.SQL(", ").join(
        sql.SQL("coalesce({}, " + ALWAYS + ")").format(sql.Identifier(name)) for name in source.starts
    )
    select = sql.SQL(
        "select {source} as source, {lasting} as is_lasting, {day} as changed_on,"
        " hashtextextended(row({said})::text, 0)::numeric as hash from raw_data.{view}"
    )
    known: dict[str, Any] = {
        "source": sql.Literal(source.name),
        "lasting": sql.Literal(source.is_lasting),
        "view": sql.Identifier(current_view(source)),
    }
    yield select.format(**known, day=sql.SQL("greatest({})").format(starts), said=sql.SQL(", ").join(said))
    if source.ends:
        ended = [sql.Literal("ended"), *map(sql.Identifier, source.key)]
        yield select.format(**known, day=sql.Identifier(source.ends), said=sql.SQL(", ").join(ended)) + sql.SQL(
            " where {} is not null"
        ).format(sql.Identifier(source.ends))
    if source.is_lasting:
        yield sql.SQL(REJECTED).format(**known, table=sql.Identifier(source.table))
