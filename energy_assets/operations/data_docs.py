"""Data Docs of a home: the newest verdicts and the red ones, as Great Expectations' own pages.

What belongs here: which days are shown, and swapping the finished site in. What does not: pages (quality_suites/data_docs.py).

Built at the end of the demo and on demand, not in a day's run: the site is rebuilt whole, for its index names every page, at
about 20 ms a page, 1 to 3 s in all, where judging a day takes 0.2 s; and a red day ends its run before a last step. Rebuilding
it whole is also what keeps it small: what is no longer shown is gone.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.home import Home
from energy_assets.keys import GATED
from energy_assets.settings import settings

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse
    from quality_suites.data_docs import Verdict

NEWEST_DAYS = 7
"""Days that are shown with every table, whatever their state."""
CLOSED_GATES = 30
"""Newest tables' days that are red, accepted or not judged in their present version, shown however old they are."""

SHOWN = """
    with states as (select * from quality.day_states where table_name = any(%(tables)s)),
    shown as (
        select table_name, reading_date, state from states
        where reading_date in (select distinct reading_date from states order by reading_date desc limit %(newest)s)
        union
        (select table_name, reading_date, state from states where state <> 'green' order by reading_date desc limit %(closed)s)
    )
    select table_name, reading_date, state, run_id, judged_at,
        expectation, expectation_id, column_name, severity, success, observed, unexpected_count, element_count, sample, message
    from quality.validation_results
    join shown using (table_name, reading_date)
    order by reading_date, table_name, success, expectation_id
"""


def build(home: Home, warehouse: Warehouse) -> Path | None:
    """Build the site and put it in the place of the old one; gives its index. None where no day was judged yet."""
    from energy_assets.checkpoints.checkpoint import limits
    from quality_suites.data_docs import build_site

    verdicts = list(recorded(warehouse))
    if not verdicts:
        return None
    with alone(home):
        draft = home.data_docs.with_name(".data_docs.draft")
        old = home.data_docs.with_name(".data_docs.old")
        for left in (draft, old):
            shutil.rmtree(left, ignore_errors=True)
        draft.mkdir()
        build_site(verdicts, draft, limits(settings()))
        if home.data_docs.exists():
            home.data_docs.rename(old)
        draft.rename(home.data_docs)
        shutil.rmtree(old, ignore_errors=True)
    return home.data_docs_index


def recorded(warehouse: Warehouse) -> Iterator[Verdict]:
    """What was recorded of the days that are shown, a verdict a table and day; what failed comes first."""
    from quality_suites.data_docs import Verdict
    from quality_suites.validator import Outcome

    rows = warehouse.rows(SHOWN, {"newest": NEWEST_DAYS, "closed": CLOSED_GATES, "tables": list(GATED)})
    for (table, day), found in groupby(rows, key=itemgetter(0, 1)):
        outcomes = list(found)
        state, run_id, _ = outcomes[0][2:5]
        yield Verdict(
            table=table,
            day=day,
            state=state,
            run_id=run_id,
            judged_at=max(row[4] for row in outcomes),
            outcomes=[Outcome(*row[5:13], tuple(row[13]), row[14]) for row in outcomes],
        )


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """One builder at a time: two would mix their pages. The next one waits."""
    with home.data_docs.with_name(".data_docs.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
