"""Addresses of the pages about a home: gates on Dagster's page, Data Docs, dbt docs.

What belongs here: where a page is, for browsers and for files. What does not: serving (operations/docs_server.py), building.

Dagster's page is seen while `energy-assets ui` runs, which serves the docs too: what is recorded for it names their address, also
when nothing serves it yet. A terminal gets the address while it answers, else the file.
"""

from __future__ import annotations

import urllib.request
from datetime import date

from energy_assets.embedded import ports
from energy_assets.embedded.ports import LOOPBACK
from energy_assets.home import Home

DATA_DOCS, DBT_DOCS = "data-docs", "dbt-docs"
SERVED_HOME = "/served-home"
"""Answers the path of the home: another home's docs, or a stranger, may have the port now."""
ANSWER_SECONDS = 0.5


def docs_address(home: Home) -> str:
    """Where the home's docs are served, or will be: the port is chosen once and remembered."""
    return f"http://{LOOPBACK}:{ports.assigned(home, 'docs')}"


def gate_url(page: str, table: str) -> str:
    """What a table's gate said last, on Dagster's page at the address `page`."""
    return f"{page}/assets/quality/{table}_checkpoint?view=checks"


def verdict_url(home: Home, table: str, day: date) -> str:
    """The page of a day's verdict."""
    return f"{docs_address(home)}/{DATA_DOCS}/{verdict_page(table, day)}"


def data_docs_url(home: Home) -> str:
    return f"{docs_address(home)}/{DATA_DOCS}/"


def model_url(home: Home, unique_id: str) -> str:
    """The page of a dbt model, by dbt's own name for it, model.PROJECT.NAME."""
    return f"{docs_address(home)}/{DBT_DOCS}/#!/model/{unique_id}"


def verdict_page(table: str, day: date) -> str:
    """Where Data Docs have the page of a verdict, whatever the verdict and whenever it was given."""
    return f"days/{table}/{day:%Y-%m-%d}.html"


def reachable_verdict(home: Home, table: str, day: date) -> str | None:
    """The page of a day's verdict, as a person can open it now; None where Data Docs do not show the day."""
    file = home.data_docs / verdict_page(table, day)
    if not file.is_file():
        return None
    return verdict_url(home, table, day) if is_served(home) else file.as_uri()


def reachable_data_docs(home: Home) -> str | None:
    """The index of Data Docs, as a person can open it now; None where they were not built."""
    if not home.data_docs_index.is_file():
        return None
    return data_docs_url(home) if is_served(home) else home.data_docs_index.as_uri()


def reachable_dbt_docs(home: Home) -> str | None:
    """dbt docs, as a person can open them now; None where they were not built."""
    if not home.dbt_docs_index.is_file():
        return None
    return f"{docs_address(home)}/{DBT_DOCS}/" if is_served(home) else home.dbt_docs_index.as_uri()


def is_served(home: Home) -> bool:
    """Whether the home's docs answer now."""
    if "docs" not in ports.remembered(home):
        return False
    try:
        # Our own loopback address, past any proxy that the environment names.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{docs_address(home)}{SERVED_HOME}", timeout=ANSWER_SECONDS) as answer:
            return answer.read().decode() == str(home.path)
    except OSError:
        return False
