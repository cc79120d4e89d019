"""Pages and metrics answer this machine: what a foreign page makes a browser ask is refused."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from energy_assets.monitoring import server as exporter
from energy_assets.operations.dashboards import service as superset
from energy_assets.operations.own_page import OwnPageOnly

PAGE = "http://127.0.0.1:3000"


@pytest.fixture
def client() -> TestClient:
    async def answer(_: object) -> PlainTextResponse:
        return PlainTextResponse("done")

    async def told(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("done")
        await socket.close()

    routes = [WebSocketRoute("/graphql", told), Route("/{path:path}", answer, methods=["GET", "POST"])]
    app = Starlette(routes=routes)
    app.add_middleware(OwnPageOnly)
    return TestClient(app, base_url=PAGE)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/runs", {}),
        ("GET", "/runs", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}),
        ("POST", "/graphql", {"origin": PAGE, "sec-fetch-site": "same-origin"}),
        ("POST", "/graphql", {}),
        ("GET", "/graphql", {"sec-fetch-site": "none"}),
        ("GET", "/server_info", {"host": "localhost:3000"}),
    ],
)
def test_the_page_a_person_and_a_program_are_answered(client, method, path, headers) -> None:
    assert client.request(method, path, headers=headers).text == "done"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/runs", {"host": "evil.example:3000"}),
        ("GET", "/runs", {"host": "127.0.0.1.evil.example"}),
        ("GET", "/runs", {"host": ""}),
        ("GET", "/graphql?query=mutation{x}", {"sec-fetch-site": "cross-site"}),
        ("GET", "/graphql?query=mutation{x}", {"sec-fetch-site": "same-site"}),
        ("POST", "/graphql", {"origin": "http://evil.example"}),
        ("POST", "/graphql", {"origin": "http://127.0.0.1:3001"}),
        ("POST", "/graphql", {"origin": "null"}),
        ("POST", "/report_asset_materialization/x", {"sec-fetch-site": "cross-site"}),
    ],
)
def test_a_foreign_page_is_refused(client, method, path, headers) -> None:
    assert client.request(method, path, headers=headers).status_code == 403


def test_news_are_for_the_page_alone(client) -> None:
    with client.websocket_connect("/graphql", headers={"origin": PAGE, "host": "127.0.0.1:3000"}) as socket:
        assert socket.receive_text() == "done"
    foreign = {"origin": "http://evil.example", "host": "127.0.0.1:3000"}
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/graphql", headers=foreign):
        pass


def test_dagsters_web_server_is_guarded(monkeypatch) -> None:
    from dagster_webserver.webserver import DagsterWebserver

    from energy_assets.operations import own_page

    monkeypatch.setattr(DagsterWebserver, "build_middleware", DagsterWebserver.build_middleware)
    own_page.guard()
    assert DagsterWebserver.build_middleware(object())[0].cls is OwnPageOnly


def test_superset_listens_on_loopback_alone() -> None:
    assert "127.0.0.1:8088" in superset.server_command(8088)


@pytest.fixture
def port(monkeypatch) -> Iterator[int]:
    monkeypatch.setattr(exporter._Handler, "timeout", 0.5)
    registry = CollectorRegistry()
    Gauge("a_gauge", "A number", registry=registry).set(1)
    server = exporter.http_server(0, registry)
    assert server.server_address[0] == "127.0.0.1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:9100", 200), ("evil.example", 403), ("127.0.0.1.evil.example:9100", 403)],
)
def test_metrics_are_for_who_calls_this_machine_by_its_name(port, host, status) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics", headers={"Host": host})
    answer = connection.getresponse()
    assert answer.status == status
    assert (b"a_gauge 1.0" in answer.read()) == (status == 200)
    connection.close()


def test_a_slow_scrape_is_cut_off_while_others_are_answered(port) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        test_metrics_are_for_who_calls_this_machine_by_its_name(port, "127.0.0.1", 200)
        started = time.monotonic()
        slow.settimeout(20)
        assert slow.recv(1000) == b""
        assert time.monotonic() - started < 15
