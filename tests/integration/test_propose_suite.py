"""A proposed suite is Python that runs, and holds on the days that it was proposed from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

import psycopg2
import pytest

from energy_assets.embedded import credentials
from energy_assets.embedded.connections import postgres_url
from quality_suites import Limits, Suite, columns
from quality_suites.engine import Engine
from quality_suites.expectations import DayExpectation, Rules
from quality_suites.propose import Profile, ProposalError, profile, proposal

SCHEMA = "proposed"
TABLE = """
drop schema if exists proposed cascade;
create schema proposed;
create table proposed.empty (reading_date date, meter_id text);
create table proposed.timeless (meter_id text);
create table proposed.readings (
    reading_date date, meter_id text, reading_at timestamptz, status text, kwh double precision, note text, loaded_pct numeric
);
insert into proposed.readings
select date '2024-03-01' + d, 'M' || m, timestamptz '2024-03-01 00:00+00' + d * interval '1 day' + h * interval '1 hour',
    case when h = 3 then 'late' else 'O''K "q"' end, case when h = 5 then 'NaN' else -2.5 + h end, null, 12.5 * m
from generate_series(0, 9) as d, generate_series(1, 3) as m, generate_series(0, 23) as h;
"""


@dataclass(frozen=True)
class Proposed(Suite):
    text: str = ""

    def expectations(self, limits: Limits) -> list[DayExpectation]:
        names = dict(vars(columns))
        exec(f"from __future__ import annotations\n{self.text}", names)  # noqa: S102
        return names[self.table](Rules(self), limits)


@pytest.fixture(scope="module")
def dsn(stores) -> Iterator[str]:
    home, connections = stores
    port = urlsplit(connections.transformer_dsn).port
    dsn = postgres_url("postgres", credentials.read(home).postgres.superuser, port, "postgres")
    with closing(psycopg2.connect(dsn)) as database, database, database.cursor() as cursor:
        cursor.execute(TABLE)
    yield dsn
    with closing(psycopg2.connect(dsn)) as database, database, database.cursor() as cursor:
        cursor.execute("drop schema proposed cascade")


def profiled(dsn: str, table: str = "readings") -> Profile:
    with closing(psycopg2.connect(dsn)) as database, database.cursor() as cursor:

        def ask(statement: str) -> list[tuple]:
            cursor.execute(statement)
            return cursor.fetchall()

        return profile(ask, SCHEMA, table, days=7)


def test_a_proposed_suite_holds_on_the_days_that_it_was_proposed_from(dsn):
    seen = profiled(dsn)
    suite = Proposed(SCHEMA, "readings", seen.date_column, seen.key, "", text=proposal(seen))

    with closing(Engine(dsn)) as engine:
        result = engine.gate(suite, Limits()).run(date(2024, 3, 10))
    broken = [found.expectation_config.meta["rule"] for found in result.results if not found.success]

    assert seen.key == ("meter_id", "reading_at")
    assert (len(seen.days), seen.days[-1], seen.row_count) == (7, date(2024, 3, 10), 7 * 3 * 24)
    # NaN is in no range: that the days hold some is what a proposal should bring up.
    assert broken == ["kwh-in-range"]


def test_a_proposal_says_what_was_seen(dsn):
    text = proposal(profiled(dsn))

    assert 'rules.one_of("status", ("O\'K \\"q\\"", "late")),' in text
    assert 'rules.between("kwh", -3, 30, severity="warning"),  # seen: -2.5 … 20.5' in text
    assert 'rules.between("loaded_pct", 0, 100, severity="warning")' in text
    assert "# note is always null here" in text


@pytest.mark.parametrize(
    ("table", "said"), [("empty", "is empty"), ("timeless", "no column of type date"), ("absent", "there is no table")]
)
def test_without_days_nothing_is_proposed(dsn, table, said):
    with pytest.raises(ProposalError, match=said):
        profiled(dsn, table)
