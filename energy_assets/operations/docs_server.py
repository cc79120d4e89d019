"""Serve a home's Data Docs and dbt docs to browsers of this machine: files, read-only.

What belongs here: the two folders, and what a page that is not there says. What does not: building them (resources/data_docs.py,
operations/dbt_docs.py), who starts and stops this (ui.py).

A server of its own, on a port of its own: whatever one of its pages might be made to do, it must not act on Dagster's page, and a browser
keeps pages of different ports apart. Data Docs, which quote delivered rows, may run no script and load nothing from elsewhere.

Run by `energy-assets ui`: python -m energy_assets.operations.docs_server HOME PORT
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from energy_assets.home import Home
from energy_assets.links import DATA_DOCS, DBT_DOCS, SERVED_HOME
from energy_assets.logs import configure
from energy_assets.settings import settings

PAGE = (
    '<!DOCTYPE html><meta charset="utf-8"><title>{title}</title><body style="font: 16px sans-serif; margin: 3em">{body}'
)


STATIC_ONLY = "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'"
"""What a browser may do with a page of Data Docs."""


class Pages(StaticFiles):
    """The files below a folder, which may not be there yet; `absent` words what a missing page says, in HTML. `policy` is what browsers may do."""

    def __init__(self, folder: Path, absent: Callable[[str], str], policy: str | None = None) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._absent, self._policy = absent, policy

    async def check_config(self) -> None:
        """Starlette's own refuses to serve a folder that is not there yet."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            response = HTMLResponse(PAGE.format(title="No such page", body=self._absent(path)), status_code=404)
        # Sites are built anew under the same names: a browser asks each time, and is told where nothing changed.
        response.headers["Cache-Control"] = "no-cache"
        if self._policy:
            response.headers["Content-Security-Policy"] = self._policy
        return response


def application(home: Home) -> Starlette:
    """The server of `home`. It answers requests that name this machine alone, whatever a foreign page makes a browser send."""

    async def front(_: Request) -> Response:
        body = (
            f'<h1>{escape(home.name)}</h1><p><a href="/{DATA_DOCS}/">Data Docs</a>: what each gate said of each day'
            f'<p><a href="/{DBT_DOCS}/">dbt docs</a>: models, columns, tests, SQL'
        )
        return HTMLResponse(PAGE.format(title=escape(home.name), body=body))

    async def served_home(_: Request) -> Response:
        return PlainTextResponse(str(home.path))

    return Starlette(
        routes=[
            Route("/", front),
            Route(SERVED_HOME, served_home),
            Mount(f"/{DATA_DOCS}", Pages(home.data_docs, no_verdict, STATIC_ONLY)),
            Mount(f"/{DBT_DOCS}", Pages(home.dbt_docs, no_dbt_docs)),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(settings().served_hosts))],
    )


def no_verdict(path: str) -> str:
    """`path` is what was asked for, below the site: perhaps days/TABLE/DAY.html."""
    asked = Path(path)
    if asked.suffix != ".html" or len(asked.parts) != 3 or asked.parts[0] != "days":
        return "<p>Data Docs have no such page, or were not built yet: they are after the first run over days."
    day, table = escape(asked.stem), escape(asked.parts[1])
    return (
        f"<p>Data Docs do not show {table} of {day}: they hold the newest days, those judged last and the closed gates."
        f"<p>Where the day was judged just now, its page comes within a minute. An older day: "
        f"<pre>energy-assets data-docs --day {day}\nenergy-assets why {day} {table}</pre>"
    )


def no_dbt_docs(path: str) -> str:
    if path != ".":
        return "<p>dbt docs are one page."
    return (
        '<meta http-equiv="refresh" content="3">'
        "<p>dbt docs are being built: this page looks again by itself. Where nothing comes: <pre>energy-assets dbt-docs</pre>"
    )


def main(home: str, port: str) -> None:
    configure(Home.at(home), settings().log_level)
    uvicorn.run(
        application(Home.at(home)),
        host=settings().listen_address,
        port=int(port),
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
