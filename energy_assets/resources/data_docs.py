"""Data Docs of a home: Great Expectations' own pages of the newest verdicts, the last runs' and the closed gates.

What belongs here: which days are shown, and swapping the finished site in. What does not: pages (quality_suites/data_docs.py),
when they are built (operations/runs.py after a command's runs, automation/data_docs.py after all others).

The site is small because it is made whole, with nothing in it that is no longer shown; it is quick because a page of a verdict
that stands is taken over from the site before. So a run over a day costs its own pages and the index.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.home import Home
from energy_assets.keys import GATED
from energy_assets.links import verdict_page
from energy_assets.resources.limits import limits
from energy_assets.settings import settings

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse
    from quality_suites.data_docs import Verdict

logger = logging.getLogger(__name__)

NEWEST_DAYS = 7
"""Days that are shown with every table, whatever their state; and so many of those that were judged last, however old."""
CLOSED_GATES = 30
"""Newest tables' days that are red, accepted or not judged in their present version, shown however old they are."""
BUILT = ".built.json"
"""In the site: what it was built from."""

SHOWN = """
    with states as (select * from quality.day_states where table_name = any(%(tables)s)),
    shown_days as (
        (select distinct reading_date from states order by reading_date desc limit %(newest)s)
        union
        (select reading_date from quality.validation_results where table_name = any(%(tables)s)
         group by reading_date order by max(judged_at) desc limit %(newest)s)
        union
        select reading_date from states where reading_date = any(%(asked)s)
    ),
    shown as (
        select table_name, reading_date, state from states where reading_date in (select reading_date from shown_days)
        union
        (select table_name, reading_date, state from states where state <> 'green' order by reading_date desc limit %(closed)s)
    )
    select table_name, reading_date, state, run_id, judged_at,
        expectation, expectation_id, column_name, severity, success, observed, unexpected_count, element_count, sample, message
    from quality.validation_results
    join shown using (table_name, reading_date)
    order by reading_date, table_name, success, expectation_id
"""
CHANGES = """
    select (select concat(max(version), ' ', count(*)) from quality.day_versions),
        (select concat(max(judged_at), ' ', count(*)) from quality.validation_results),
        (select concat(max(accepted_at), ' ', count(*)) from quality.overrides)
"""


def build(warehouse: Warehouse, *, anew: bool = False, asked: tuple[date, ...] = ()) -> Path | None:
    """Build the site and put it in the place of the old one; gives its index. None where no day was judged yet.

    Nothing is done where nothing changed since it was built. `anew` takes no page over; `asked` are days to show besides,
    until the next build.
    """
    from quality_suites.data_docs import build_site

    home = Home.at(warehouse.home)
    known_limits = limits(settings(), home.calendar().timezone)
    with alone(home):
        # Looked at before the verdicts: what is judged meanwhile is built next time.
        mark = changes(warehouse)
        if not anew and not asked and _built(home).get("from") == mark:  # another builder was quicker
            return home.data_docs_index
        verdicts = list(recorded(warehouse, asked))
        if not verdicts:
            return None
        draft = home.data_docs.with_name(".data_docs.draft")
        old = home.data_docs.with_name(".data_docs.old")
        for left in (draft, old):
            shutil.rmtree(left, ignore_errors=True)
        draft.mkdir()
        earlier = None if anew else home.data_docs
        build_site(verdicts, draft, known_limits, signpost=verdict_page, earlier=earlier)
        (draft / BUILT).write_text(json.dumps({"from": mark}), encoding="utf-8")
        if home.data_docs.exists():
            home.data_docs.rename(old)
        draft.rename(home.data_docs)
        shutil.rmtree(old, ignore_errors=True)
    return home.data_docs_index


def is_current(warehouse: Warehouse) -> bool:
    """Whether nothing was judged, rewritten or accepted since the site was built."""
    return _built(Home.at(warehouse.home)).get("from") == changes(warehouse)


def build_after_runs(warehouse: Warehouse, say: Callable[[str], None]) -> None:
    """Build the site for whoever just ran days. A site that cannot be built costs no run: it is said loudly and logged."""
    try:
        build(warehouse)
    except Exception as error:
        logger.exception("Data Docs were not built")
        say(
            f"Data Docs were not built, the days are not concerned: {type(error).__name__}: {error}\n"
            "→ energy-assets data-docs tries again; the verdicts are also in `energy-assets why DAY`"
        )


def changes(warehouse: Warehouse) -> str:
    """Another text whenever a day was written, judged or accepted, or the limits are others."""
    found = warehouse.rows(CHANGES)[0]
    timezone = Home.at(warehouse.home).calendar().timezone
    return hashlib.sha256(repr((found, limits(settings(), timezone))).encode()).hexdigest()


def recorded(warehouse: Warehouse, asked: tuple[date, ...] = ()) -> Iterator[Verdict]:
    """What was recorded of the days that are shown, a verdict a table and day; what failed comes first."""
    from quality_suites.data_docs import Verdict
    from quality_suites.validator import Outcome

    rows = warehouse.rows(
        SHOWN, {"newest": NEWEST_DAYS, "closed": CLOSED_GATES, "tables": list(GATED), "asked": list(asked)}
    )
    for (table, day), found in groupby(rows, key=itemgetter(0, 1)):
        outcomes = list(found)
        state, run_id, _ = outcomes[0][2:5]
        yield Verdict(
            table=table,
            day=day,
            state=state,
            run_id=run_id,
            judged_at=max(row[4] for row in outcomes),
            outcomes=[Outcome(*row[5:13], tuple(row[13]), row[14]) for row in outcomes],  # type: ignore[call-arg]  # as many as are selected
        )


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """One builder at a time: two would mix their pages. The next one waits."""
    with home.data_docs.with_name(".data_docs.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _built(home: Home) -> dict[str, str]:
    """What the site that stands was built from; empty where there is none, or an older version's."""
    try:
        return json.loads((home.data_docs / BUILT).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
