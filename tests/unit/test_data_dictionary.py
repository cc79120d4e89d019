"""The data dictionary says what the tables are, of every table and every column."""

from __future__ import annotations

import pytest

from energy_assets.definitions import build_defs
from energy_assets.keys import DASHBOARDS, QUALITY
from energy_assets.operations.dictionary import DOCUMENT, REMEDY, Entry, entries, page
from energy_assets.resources.postgres_tables import postgres_tables
from energy_assets.resources.serving_ddl import declared_tables, scripts


def test_the_page_is_not_stale() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), f"run: {REMEDY}"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: f"{entry.schema}.{entry.table}")
def test_a_table_says_what_one_row_is_and_every_column_what_it_holds(entry: Entry) -> None:
    assert "one row per" in entry.description.lower(), f"say what one row is: {entry.description}"
    names = [column.name for column in entry.columns]
    assert names
    assert {*entry.key, entry.date_column} - {None} <= set(names)
    undescribed = [column.name for column in entry.columns if not (column.description.strip() and column.type)]
    assert not undescribed, f"{entry.schema}.{entry.table}: describe {', '.join(undescribed)} where it is declared"


def test_no_table_is_missing() -> None:
    """Neither one that an asset writes nor one that a script declares; gates write to quality.validation_results."""
    written = {
        ".".join(key.path)
        for key in build_defs().resolve_asset_graph().executable_asset_keys
        if not (key.path[0] == QUALITY and key.path[-1].endswith("_checkpoint")) and key.path[0] != DASHBOARDS
    }
    served = {
        f"energy_analytics.{name}" for name in declared_tables(s for script in scripts() for s in script.statements)
    }
    known = {f"{entry.schema}.{entry.table}" for entry in entries()}
    assert known == written | served | set(postgres_tables())
