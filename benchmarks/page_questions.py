"""What pages ask, taken from a real browser on a real Superset: the requests of each page, and the SQL that Superset makes of them.

What belongs here: looking over a page's shoulder, and Superset's interface. What does not: timing (pages.py), rows (page_tables.py).
A page is opened as a reader opens it: with no filter, with the newest month as its period, and with one transformer chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from playwright.sync_api import Browser, Page, Request, expect

from benchmarks.browser import launched
from energy_assets.dashboards.bundle import Document, filters, places
from energy_assets.operations.dashboards.service import USER

VIEW = {"width": 1400, "height": 3000}
"""Charts below the fold are asked for when they are seen: all are above it."""
DATA = "/api/v1/chart/data"
EXPIRED = 401
EVERYTHING, MONTH, TRANSFORMER, CASE = "no filter", "newest month", "one transformer", "one case"
COURSE = "Reported against expected, in kWh a day"
PATIENCE = 120_000
"""Milliseconds for a page to be drawn."""


@dataclass(frozen=True)
class Question:
    """One request of a page. `body` is what the browser sent, `sql` what Superset asks ClickHouse for it."""

    page: str
    name: str
    variant: str
    body: Mapping[str, Any] = field(repr=False)
    sql: tuple[str, ...] = ()

    @property
    def is_filter(self) -> bool:
        return self.name.startswith("values of ")


class SupersetClient:
    """Superset's interface, as its administrator. Safe to use from several threads."""

    def __init__(self, address: str, password: str) -> None:
        self.address, self._password = address, password
        self._pool = urllib3.PoolManager(maxsize=16)
        self._token = ""
        self._log_in()

    def run(self, question: Question) -> None:
        """Have Superset answer past its cache, to the last byte."""
        self._ask("POST", DATA, {**question.body, "force": True})

    def with_sql(self, question: Question) -> Question:
        answer = self._ask("POST", DATA, {**question.body, "result_type": "query", "force": True})
        return replace(question, sql=tuple(one["query"] for one in answer["result"] if one.get("query")))

    def charts(self) -> dict[int, str]:
        """Title of each chart, by its number here."""
        answer = self._ask("GET", "/api/v1/chart/?q=(page_size:200)")
        return {one["id"]: one["slice_name"] for one in answer["result"]}

    def _log_in(self) -> None:
        known = {"username": USER, "password": self._password, "provider": "db", "refresh": False}
        answer = self._send("POST", "/api/v1/security/login", known)
        self._token = json.loads(answer.data)["access_token"]

    def _ask(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        answer = self._send(method, path, data)
        if answer.status == EXPIRED:
            # A token lives for a quarter of an hour, and a run for longer.
            self._log_in()
            answer = self._send(method, path, data)
        if answer.status != 200:
            told = answer.data[:1000].decode(errors="replace")
            raise RuntimeError(f"Superset answered {answer.status} to {method} {path}: {told}")
        return json.loads(answer.data)

    def _send(self, method: str, path: str, data: Mapping[str, Any] | None) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return self._pool.request(method, self.address + path, body=json.dumps(data) if data else None, headers=headers)


def questions(
    superset: SupersetClient, password: str, pages: Sequence[Document], *, month: str, transformer: str, case: str
) -> list[Question]:
    """Everything that `pages` ask: charts and filters, in the three ways of looking; a case's course once more, as a click on it asks."""
    chosen = {
        MONTH: ("NATIVE_FILTER-period", f"(extraFormData:(time_range:'{month}'),filterState:(value:'{month}')", month),
        TRANSFORMER: (
            "NATIVE_FILTER-transformer",
            f"(extraFormData:(filters:!((col:transformer_id,op:IN,val:!({transformer})))),filterState:(value:!({transformer}))",
            transformer,
        ),
    }
    found: list[Question] = []
    titles = superset.charts()
    with launched() as browser:
        view = _logged_in(browser, superset.address, password)
        for page in pages:
            found += _asked(view, superset, page, titles, EVERYTHING)
            known = {entry["id"] for entry in filters(page)}
            for variant, (filter_id, state, mark) in chosen.items():
                if filter_id in known:
                    query = f"?native_filters=({filter_id}:{state},id:{filter_id},ownState:()))"
                    found += _asked(view, superset, page, titles, variant, query, mark)
    return [superset.with_sql(question) for question in [*found, *_of_a_case(found, case)]]


def _asked(
    view: Page,
    superset: SupersetClient,
    page: Document,
    titles: Mapping[int, str],
    variant: str,
    query: str = "",
    mark: str = "",
) -> list[Question]:
    """Requests of the page that a filter reached (`mark` is in them), each once, charts in the order of the page."""
    requests: list[Request] = []

    def watch(request: Request) -> None:
        if DATA in request.url and request.method == "POST":
            requests.append(request)

    view.on("request", watch)
    view.goto(f"{superset.address}/superset/dashboard/{page.content['slug']}/{query}")
    charts = sum(1 for _ in places(page))
    expect(view.locator('[data-test="slice-container"]')).to_have_count(charts, timeout=PATIENCE)
    expect(view.locator('[data-test="loading-indicator"]')).to_have_count(0, timeout=PATIENCE)
    view.wait_for_load_state("networkidle")
    view.remove_listener("request", watch)
    asked: dict[str, Question] = {}
    for body in (json.loads(request.post_data or "{}") for request in requests):
        if mark in json.dumps([_without_address(one) for one in body["queries"]]):
            name = _name(body, titles, page)
            asked[name] = Question(page.key, name, variant, body)
    return list(asked.values())


def _without_address(query: Mapping[str, Any]) -> dict[str, Any]:
    """A query without the page's address, in which every filter stands, whether it reaches the chart or not."""
    return {key: value for key, value in query.items() if key != "url_params"}


def _name(body: Mapping[str, Any], titles: Mapping[int, str], page: Document) -> str:
    told = body["form_data"]
    if native := told.get("native_filter_id"):
        names = {entry["id"]: entry["name"] for entry in filters(page)}
        return f"values of {names[native]}"
    return titles[told["slice_id"]]


def _of_a_case(found: Sequence[Question], case: str) -> Iterator[Question]:
    """What a click on a case in the list asks of the charts whose table knows cases."""
    for question in found:
        if question.variant == EVERYTHING and question.name == COURSE:
            queries = [
                {**one, "filters": [*one["filters"], {"col": "case_id", "op": "IN", "val": [case]}]}
                for one in question.body["queries"]
            ]
            yield replace(question, variant=CASE, body={**question.body, "queries": queries})


def _logged_in(browser: Browser, address: str, password: str) -> Page:
    view = browser.new_page(viewport=VIEW)
    view.goto(f"{address}/login/")
    view.locator("input#username").fill(USER)
    view.locator("input#password").fill(password)
    view.keyboard.press("Enter")
    expect(view.locator("input#username")).to_have_count(0, timeout=PATIENCE)
    view.wait_for_load_state("networkidle")
    return view
