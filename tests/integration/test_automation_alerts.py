"""A failed run reaches people by itself: the real sensor on a real red run, over real sockets."""

from __future__ import annotations

from unittest.mock import patch

import dagster as dg
import pytest
from graph import Graph, day, days
from pydantic import SecretStr
from support.receivers import MailServer, WebServer, serving

from energy_assets.automation import alerts
from energy_assets.automation.alerts import red_days_alert
from energy_assets.resources.why import explain
from energy_assets.settings import settings


def test_a_red_day_is_told_over_every_channel_and_in_the_log_whichever_of_them_fails(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = graph.land_and_run(days(1, 2), red=[day(2)])
    assert not result.success
    (why,) = explain(graph.warehouse, day(2))

    with serving(WebServer()) as web, serving(MailServer()) as mail:
        channels = {
            "alert_webhook_url": SecretStr(f"{web.url}/hook"),
            "smtp_url": SecretStr(f"smtp://127.0.0.1:{mail.port}"),
            "alert_email_to": "ada@example.org",
        }
        monkeypatch.setattr(alerts, "settings", lambda: settings().model_copy(update=channels))
        logged = tick(graph, result)
        web.answers = [404]
        logged_later = tick(graph, result)

    assert web.taken == [
        {"home": graph.home.name, "run_id": result.run_id, "days": ["2024-01-02"], "text": why.text()}
    ], "the red day alone, in the words of `energy-assets why`"
    assert [message["Subject"] for message in mail.taken] == [
        f"{graph.home.name}: 2024-01-02 meter_readings is red:"
    ] * 2
    assert logged == [why.text(), "webhook at 127.0.0.1: sent", "e-mail to ada@example.org: sent"]
    assert logged_later[0] == why.text()
    assert "HTTP Error 404" in logged_later[1] and "→ check ENERGY_ALERT_WEBHOOK_URL" in logged_later[1]
    assert logged_later[2] == "e-mail to ada@example.org: sent"


def tick(graph: Graph, result: dg.ExecuteInProcessResult) -> list[str]:
    """Let the failure sensor tell of the run; the lines that it logged."""
    context = dg.build_run_status_sensor_context(
        sensor_name=red_days_alert.name,
        dagster_instance=graph.instance,
        dagster_run=result.dagster_run,
        dagster_event=result.get_run_failure_event(),
        resources={"warehouse": graph.warehouse},
    ).for_run_failure()
    lines: list[str] = []
    record = lambda line: lines.append(line)  # noqa: E731
    with context, patch.object(context.log, "error", record), patch.object(context.log, "info", record):
        red_days_alert(context)
    return lines
