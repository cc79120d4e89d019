"""Taking one customer out of both stores: rows about their meters while they held them, and what names them in words.

What belongs here: the statements. What does not: files, and the order of it all (operations/keeping/erasure.py).

Tables are found by their columns, so that one that is added later is not forgotten. Aggregates (balances, losses, load profiles) name
nobody and stay as they were computed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.embedded.bootstrap import OWNERS
from energy_assets.landing.erasures import CUSTOMER, REPLACEMENT, SUBJECTS, Period
from energy_assets.resources.answers import answer
from energy_assets.resources.ledger import stale_records
from energy_assets.resources.serving_ddl import DATABASE, quoted
from energy_assets.resources.serving_swap import make_beside

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from psycopg2 import sql
    from psycopg2.extensions import cursor as Cursor

REGISTER = "raw_data.meters"
TEXTS = ("text", "character varying", "text[]", "character varying[]", "json", "jsonb")
SUBJECT_KIND = "subject_kind"

PERIODS = """
    with entries as (
        select meter_id, customer_id, valid_from, lead(valid_from) over (partition by meter_id order by valid_from nulls first) as next_from
        from raw_data.current_meters
    )
    select meter_id, valid_from, next_from from entries where customer_id = %s order by 1, 2 nulls first
"""
NAMED_METERS = "select distinct meter_id from raw_data.meters where customer_id = %s"
OTHERS = "select distinct meter_id from raw_data.meters where meter_id = any(%s) and customer_id is not null and customer_id <> %s"

COLUMNS = """
    select nspname, relname, relkind, attname::text, format_type(atttypid, null)
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_attribute on attrelid = pg_class.oid
    where relkind in ('r', 'p') and not relispartition and attnum > 0 and not attisdropped
      and case when %(schemas)s::text[] is null then nspname <> 'information_schema' and not starts_with(nspname, 'pg_')
               else nspname = any(%(schemas)s) end
    order by 1, 2, attnum
"""


@dataclass(frozen=True)
class Held:
    """What a customer held, as the register says it."""

    customer: str
    periods: tuple[Period, ...]
    alone: tuple[str, ...]
    """Meters that nobody else ever held: nothing may name them any more."""


@dataclass(frozen=True)
class Table:
    """A table that rows are taken from, or words in it."""

    schema: str
    name: str
    subject: str | None
    day: str | None
    texts: tuple[str, ...]
    is_partitioned: bool
    has_kind: bool = False

    @property
    def called(self) -> str:
        return f"{self.schema}.{self.name}"


def held_by(cursor: Cursor, customer: str) -> Held:
    """The customer's meters with the days on which they held them, by what the register says now."""
    cursor.execute(PERIODS, (customer,))
    periods = tuple(Period(*row) for row in cursor.fetchall())
    cursor.execute(NAMED_METERS, (customer,))
    meters = sorted({*(period.meter for period in periods), *(row[0] for row in cursor.fetchall())})
    cursor.execute(OTHERS, (meters, customer))
    shared = {row[0] for row in cursor.fetchall()}
    alone = tuple(meter for meter in meters if meter not in shared)
    # Of a meter that nobody else held every day is theirs, also those before the register's first entry.
    bounded = tuple(period for period in periods if period.meter in shared)
    return Held(customer, (*bounded, *(Period(meter, None, None) for meter in alone)), alone)


def tables(cursor: Cursor, schemas: Sequence[str] | None = tuple(OWNERS)) -> list[Table]:
    """Every table of these schemas (None: of all that are not Postgres' own) that may tell of a person."""
    cursor.execute(COLUMNS, {"schemas": None if schemas is None else list(schemas)})
    columns: dict[tuple[str, str, str], dict[str, str]] = {}
    for schema, name, kind, column, type_ in cursor.fetchall():
        columns.setdefault((schema, name, kind), {})[column] = type_
    return [
        Table(
            schema,
            name,
            next((column for column in SUBJECTS if column in held), None),
            next((column for column, type_ in held.items() if type_ == "date"), None),
            tuple(column for column, type_ in held.items() if type_ in TEXTS and column not in SUBJECTS),
            is_partitioned=kind == "p",
            has_kind=SUBJECT_KIND in held,
        )
        for (schema, name, kind), held in columns.items()
    ]


def count_rows(cursor: Cursor, known: Iterable[Table], held: Held) -> Counter[str]:
    """Rows that `delete_rows` would take, by table; none of a table that holds none."""
    found: Counter[str] = Counter()
    for table in known:
        if (condition := _of_customer(table)) is not None:
            from psycopg2 import sql

            cursor.execute(
                sql.SQL("select count(*) from {} as held where {}").format(
                    sql.Identifier(table.schema, table.name), condition
                ),
                _parameters(held),
            )
            found[table.called] = answer(cursor)
    return +found


def delete_rows(cursor: Cursor, known: Iterable[Table], held: Held) -> dict[Table, dict[date | None, int]]:
    """Take the customer's rows out of every table; table -> day -> rows. What is written of days counts as before, with fewer rows."""
    from psycopg2 import sql

    found: dict[Table, dict[date | None, int]] = {}
    for table in known:
        if (condition := _of_customer(table)) is None:
            continue
        day = sql.Identifier("held", table.day) if table.day else sql.SQL("null::date")
        cursor.execute(
            sql.SQL(
                "with gone as (delete from {} as held where {} returning {} as day) select day, count(*) from gone group by 1"
            ).format(sql.Identifier(table.schema, table.name), condition, day),
            _parameters(held),
        )
        if gone := dict(cursor.fetchall()):
            found[table] = gone
            cursor.execute(
                "update quality.day_versions set row_count = row_count - gone.count"
                " from unnest(%s::date[], %s::bigint[]) as gone (day, count) where table_name = any(%s) and reading_date = gone.day",
                (list(gone), list(gone.values()), [table.name, f"{DATABASE}.{served_name(table.name)}"]),
            )
    return found


def served_name(source: str) -> str:
    return source.removeprefix("mart_").removeprefix("stg_")


def reword(cursor: Cursor, known: Iterable[Table], held: Held, *, everywhere: bool) -> dict[Table, set[date]]:
    """Replace what names the customer in words; table -> days of the rows. Of tables with partitions those alone that give reasons.

    A meter that others hold too is named on the customer's days alone, unless `everywhere`: in logs of work no row has a day of the data.
    """
    from psycopg2 import sql

    found: dict[Table, set[date]] = {}
    shared = sorted({period.meter for period in held.periods} - {*held.alone})
    for table in known:
        if not table.texts or (table.is_partitioned and not any("reason" in column for column in table.texts)):
            continue
        always = [held.customer, *held.alone, *(shared if everywhere or table.day is None else ())]
        rounds: list[tuple[list[str], sql.Composable]] = [(always, sql.SQL("true"))]
        if shared and table.day and not everywhere:
            rounds.append((shared, _in_periods(table, sql.SQL("true"), of_any=True)))
        for names, condition in rounds:
            for pattern, replacement in patterns(names):
                parameters = {**_parameters(held), "pattern": pattern, "replacement": replacement}
                changed = [
                    sql.SQL("{0} = regexp_replace({0}::text, %(pattern)s, %(replacement)s, 'g')::{1}").format(
                        sql.Identifier(column), sql.SQL(_type_of(cursor, table, column))
                    )
                    for column in table.texts
                ]
                is_named = [
                    sql.SQL("held.{}::text ~ %(pattern)s").format(sql.Identifier(column)) for column in table.texts
                ]
                cursor.execute(
                    sql.SQL("update {} as held set {} where ({}) and {} returning {}").format(
                        sql.Identifier(table.schema, table.name),
                        sql.SQL(", ").join(changed),
                        sql.SQL(" or ").join(is_named),
                        condition,
                        sql.Identifier("held", table.day) if table.day else sql.SQL("null::date"),
                    ),
                    parameters,
                )
                if cursor.rowcount:
                    found.setdefault(table, set()).update(row[0] for row in cursor.fetchall() if row[0])
    return found


def patterns(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Regular expressions, for Postgres and Python alike, that find these identifiers as words, each with what replaces it.

    A number among JSON must stay one: an identifier of digits becomes 0.
    """
    words = sorted({form for name in names for form in (name, _as_json(name))}, key=lambda word: (-len(word), word))
    for chosen, replacement in (
        ([word for word in words if not word.isdigit()], REPLACEMENT),
        ([word for word in words if word.isdigit()], "0"),
    ):
        if chosen:
            yield f"(?<![A-Za-z0-9.])(?:{'|'.join(map(re.escape, chosen))})(?![A-Za-z0-9]|[.][0-9])", replacement


def keep_not_owed(cursor: Cursor, before: Collection[tuple[date, str]]) -> None:
    """Days that the register told of otherwise, merely because entries were erased, are taken for staged from what is left.

    `before`: the (day, table) that were stale already.
    """
    cursor.execute(*stale_records())
    now = [(day, table, inputs) for day, table, inputs, _ in cursor.fetchall() if (day, table) not in before]
    if now:
        days, names, inputs = zip(*now, strict=True)
        cursor.execute(
            "update quality.day_versions as staged set inputs = due.inputs"
            " from unnest(%s::date[], %s::text[], %s::text[]) as due (day, name, inputs)"
            " where staged.table_name = due.name and staged.reading_date = due.day",
            (list(days), list(names), list(inputs)),
        )


def recount_parts(cursor: Cursor, rows: dict[tuple[str, str, date], int]) -> None:
    """Let the ledger know how many rows rewritten parts hold: (start of the file's hash, source, day) -> rows."""
    for (start, source, day), count in rows.items():
        cursor.execute(
            "update raw_data.landing_parts as part set row_count = %s from raw_data.landing_files as file"
            " where file.file_id = part.file_id and starts_with(file.sha256, %s) and part.source = %s and part.reading_date = %s",
            (count, start, source, day),
        )


def served_columns(client: Client) -> dict[str, tuple[str, str, bool]]:
    """Tables of ClickHouse that name meters -> (column of the meter, of the day, whether subjects are of several kinds)."""
    rows = client.query(
        "SELECT table, groupArray(name), groupArray(type) FROM (SELECT table, name, type FROM system.columns WHERE database = {database:String}"
        " AND table IN (SELECT name FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree')"
        " ORDER BY table, position) GROUP BY table",
        parameters={"database": DATABASE},
    ).result_rows
    found = {}
    for table, names, types in rows:
        subject = next((name for name in SUBJECTS if name in names), None)
        day = next((name for name, type_ in zip(names, types, strict=True) if type_ == "Date"), None)
        if subject and day:
            found[table] = (subject, day, SUBJECT_KIND in names)
    return found


def delete_served(server: Client, held: Held) -> Counter[str]:
    """Take the customer's rows out of every table of a ClickHouse server; rows by table.

    Each day is written anew beside the table and put in its place: a mutation would keep the identifiers in a file of its own.
    """
    found: Counter[str] = Counter()
    if not held.periods:
        return found
    for table, (subject, day, has_kind) in served_columns(server).items():
        name, staging = quoted(DATABASE, table), quoted(DATABASE, f"{table}__erasure")
        condition, parameters = _condition(held, quoted(subject), quoted(day), has_kind)
        for of, count in server.query(
            f"SELECT {quoted(day)}, count() FROM {name} WHERE {condition} GROUP BY 1 ORDER BY 1", parameters=parameters
        ).result_rows:
            found[table] += count
            given = {**parameters, "day": of.isoformat()}
            server.command(f"DROP TABLE IF EXISTS {staging} SYNC")
            make_beside(server, table, f"{table}__erasure")
            server.command(
                f"INSERT INTO {staging} SELECT * FROM {name} WHERE {quoted(day)} = {{day:Date}} AND NOT ({condition})",
                parameters=given,
            )
            if server.query(f"SELECT count() FROM {staging}").result_rows[0][0]:
                server.command(f"ALTER TABLE {name} REPLACE PARTITION {{day:Date}} FROM {staging}", parameters=given)
            else:
                server.command(f"ALTER TABLE {name} DROP PARTITION {{day:Date}}", parameters=given)
            server.command(f"DROP TABLE {staging} SYNC")
    return found


def drop_replaced(client: Client, tables: Iterable[str]) -> None:
    """Let the tables' files hold nothing but what the tables hold: ClickHouse keeps replaced parts for minutes.

    The parts that count are linked into a new table, which takes the old one's place.
    """
    for table in tables:
        name, anew = quoted(DATABASE, table), quoted(DATABASE, f"{table}__anew")
        client.command(f"DROP TABLE IF EXISTS {anew} SYNC")
        client.command(f"CREATE TABLE {anew} AS {name}")
        for (partition,) in client.query(
            "SELECT DISTINCT partition_id FROM system.parts WHERE database = {database:String} AND table = {table:String} AND active",
            parameters={"database": DATABASE, "table": table},
        ).result_rows:
            client.command(
                f"ALTER TABLE {anew} ATTACH PARTITION ID {{partition:String}} FROM {name}",
                parameters={"partition": partition},
            )
        client.command(f"EXCHANGE TABLES {name} AND {anew}")
        client.command(f"DROP TABLE {anew} SYNC")


def forget_queries(client: Client) -> None:
    """Empty ClickHouse's log of statements: those about the customer name them."""
    client.command("SYSTEM FLUSH LOGS")
    for (table,) in client.query(
        "SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree' AND name LIKE '%\\_log%'"
    ).result_rows:
        client.command(f"TRUNCATE TABLE {quoted('system', table)} SYNC")


def _condition(held: Held, subject: str, day: str, has_kind: bool) -> tuple[str, dict[str, str]]:
    """ClickHouse's words for rows about the customer's meters on their days, and its parameters."""
    alternatives, parameters = [], {}
    for number, period in enumerate(held.periods):
        words = [f"{subject} = {{meter{number}:String}}"]
        parameters[f"meter{number}"] = period.meter
        for bound, mark, name in ((period.first_day, ">=", "first"), (period.end_day, "<", "end")):
            if bound:
                # As text: Date holds no day before 1970.
                words.append(f"toString({day}) {mark} {{{name}{number}:String}}")
                parameters[f"{name}{number}"] = bound.isoformat()
        alternatives.append(" AND ".join(words))
    condition = " OR ".join(f"({words})" for words in alternatives)
    return (f"{quoted(SUBJECT_KIND)} = 'meter' AND ({condition})" if has_kind else f"({condition})"), parameters


def _of_customer(table: Table) -> sql.Composable | None:
    """Which rows of a table are the customer's; None where it cannot tell of one."""
    from psycopg2 import sql

    if table.called == REGISTER:
        return sql.SQL("(held.{} = %(customer)s or held.meter_id = any(%(alone)s))").format(sql.Identifier(CUSTOMER))
    if table.subject is None:
        return None
    kind = sql.SQL("held.subject_kind = 'meter'") if table.has_kind else sql.SQL("true")
    return _in_periods(table, kind)


def _in_periods(table: Table, more: sql.Composable, *, of_any: bool = False) -> sql.Composable:
    """Rows of the customer's days that are about their meters; `of_any`: about whatever."""
    from psycopg2 import sql

    subject = sql.Identifier("held", table.subject) if table.subject and not of_any else sql.SQL("erased.meter")
    day = sql.Identifier("held", table.day) if table.day else sql.SQL("null::date")
    return sql.SQL(
        "({more} and exists (select from unnest(%(meters)s::text[], %(first_days)s::date[], %(end_days)s::date[])"
        " as erased (meter, first_day, end_day) where erased.meter = {subject}"
        " and coalesce({day} >= erased.first_day, true) and coalesce({day} < erased.end_day, true)))"
    ).format(more=more, subject=subject, day=day)


def _parameters(held: Held) -> dict[str, object]:
    return {
        "customer": held.customer,
        "alone": list(held.alone),
        "meters": [period.meter for period in held.periods],
        "first_days": [period.first_day for period in held.periods],
        "end_days": [period.end_day for period in held.periods],
    }


def _type_of(cursor: Cursor, table: Table, column: str) -> str:
    cursor.execute(
        "select format_type(atttypid, atttypmod) from pg_attribute join pg_class on pg_class.oid = attrelid"
        " join pg_namespace on pg_namespace.oid = relnamespace where nspname = %s and relname = %s and attname = %s",
        (table.schema, table.name, column),
    )
    return answer(cursor)


def _as_json(name: str) -> str:
    import json

    return json.dumps(name)[1:-1]
