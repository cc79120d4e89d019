"""Let Dagster's page answer itself, and no page of others that is open in the same browser.

What belongs here: which requests are of the page. What does not: starting it (ui.py, service.py).

It has no login, and listens on loopback unless ENERGY_LISTEN_ADDRESS says otherwise: whoever may use this machine may use it. A browser, though, also sends what foreign pages ask
for: an image whose address is `/graphql?query=mutation…` would launch or delete runs (Dagster 1.13 takes mutations by GET), and a name that
its owner lets point to 127.0.0.1 would read the answers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from energy_assets.settings import settings

OWN = ("same-origin", "none")
"""What a browser says of requests of the page itself, and of those that a person made by typing an address."""


class OwnPageOnly:
    """Refuses requests that name another host, and those to do or ask something that come from another page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not is_own(scope):
            answer = PlainTextResponse(
                "this page answers itself alone: open it at http://127.0.0.1, or name its host in ENERGY_SERVED_AS\n",
                status_code=403,
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_own(scope: Scope) -> bool:
    """Whether a request is of the page, of a person, or of a program that is no browser."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in settings().served_hosts:
        return False
    is_visit = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and "graphql" not in scope["path"]
    if is_visit:
        return True
    origin = headers.get("origin")
    return (origin is None or urlsplit(origin).netloc == host) and headers.get("sec-fetch-site", "none") in OWN


def guard() -> None:
    """Put this before whatever Dagster's web server of this process does."""
    from dagster_webserver.webserver import DagsterWebserver

    own = DagsterWebserver.build_middleware
    DagsterWebserver.build_middleware = lambda server: [Middleware(OwnPageOnly), *own(server)]  # type: ignore[method-assign,assignment]
