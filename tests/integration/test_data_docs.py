"""Data Docs are Great Expectations' own pages of what was recorded, as many as are shown and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta

import psycopg2
import pytest

from energy_assets.home import Home
from energy_assets.operations.data_docs import NEWEST_DAYS, build
from energy_assets.resources.schema import apply_schema
from energy_assets.resources.warehouse import Warehouse

FIRST, DAYS = date(1999, 1, 1), 20
TABLE = "stg_meter_readings"
RUN = "data-docs-test"
JUDGED = """
insert into quality.day_versions (table_name, reading_date, version, row_count, run_id) values (%(table)s, %(day)s, 1, 96, %(run)s);
insert into quality.validation_results
    (reading_date, table_name, version, expectation_id, expectation, column_name, severity, success, sample, message, run_id)
values
    (%(day)s, %(table)s, 1, 'accepted_wh-in-range', 'expect_no_rows_where', 'accepted_wh', 'critical', %(held)s,
     '{"meter_id=<M1>, accepted_wh=-7"}', '1 of 96 rows with accepted_wh outside 0 to 1,000,000 (limit 0)', %(run)s),
    (%(day)s, %(table)s, 1, 'of-an-older-suite', 'expect_no_rows_where', null, 'warning', false, '{}', 'a finding', %(run)s)
"""
FORGOTTEN = "delete from quality.validation_results where run_id = %(run)s; delete from quality.day_versions where run_id = %(run)s"


@pytest.fixture
def judged(stores) -> Iterator[tuple[Home, Warehouse]]:
    """Twenty judged days of one table, the first of them red. No other test of this process has so old ones, or a verdict."""
    home, connections = stores
    with (
        closing(psycopg2.connect(connections.transformer_dsn)) as database,
        closing(psycopg2.connect(connections.loader_dsn)) as loader,
    ):
        apply_schema(loader, database)
        with database, database.cursor() as cursor:
            for day in (FIRST + timedelta(days=n) for n in range(DAYS)):
                cursor.execute(JUDGED, {"table": TABLE, "day": day, "run": RUN, "held": day != FIRST})
        yield home, Warehouse(home=str(home.path))
        with database, database.cursor() as cursor:
            cursor.execute(FORGOTTEN, {"run": RUN})


def test_the_newest_days_and_the_red_ones_have_a_page_and_older_ones_lose_theirs(judged):
    home, warehouse = judged
    home.data_docs.mkdir(exist_ok=True)
    (home.data_docs / "page-of-long-ago.html").touch()

    index = build(home, warehouse)
    pages = {page.stem: page.read_text() for page in home.data_docs.glob("validations/**/*.html")}
    red = pages[f"{TABLE}-{FIRST}"]

    assert sorted(pages) == [f"{TABLE}-{FIRST}"] + [
        f"{TABLE}-{FIRST + timedelta(days=n)}" for n in range(DAYS - NEWEST_DAYS, DAYS)
    ]
    assert not (home.data_docs / "page-of-long-ago.html").exists()
    assert "1 of 96 rows with accepted_wh outside 0 to 1,000,000 (limit 0)" in red
    assert "no rows with accepted_wh outside 0 to 1,000,000" in red
    assert "no longer part of the suite" in red
    assert "Failed" in red and "Succeeded" in pages[f"{TABLE}-{FIRST + timedelta(days=DAYS - 1)}"]
    assert f"{FIRST} red {TABLE}</a>" in index.read_text()


def test_delivered_text_is_no_markup_on_the_pages(judged):
    home, warehouse = judged
    build(home, warehouse)

    (red,) = home.data_docs.glob(f"validations/**/{TABLE}-{FIRST}.html")

    assert "meter_id=<M1>" not in red.read_text()
    assert "meter_id=&lt;M1&gt;" in red.read_text()
