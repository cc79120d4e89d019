"""A day that turned red is found in the home's log by day and table, with the reason, whatever ran it."""

from __future__ import annotations

import json

from graph import Graph, day, days
from support import commands

from energy_assets import logs


def test_a_red_day_is_found_in_the_log_by_its_day_and_table(graph: Graph) -> None:
    graph.deliver(days(1, 2), red=[day(2)])
    (graph.home.logs / logs.FILE).unlink(missing_ok=True)

    commands.run(graph.home, "resume", code=3)

    text = (graph.home.logs / logs.FILE).read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    (red,) = (line for line in lines if line.get("day") == "2024-01-02" and line.get("table") == "meter_readings")
    assert (red["level"], red["check"], red["passed"]) == ("error", "gate", False)
    assert red["asset"] == "quality/meter_readings_checkpoint"
    assert "rows rejected" in red["message"]
    (failure,) = (line for line in lines if line.get("dagster_event") == "STEP_FAILURE")
    assert failure["run_id"] == red["run_id"]
    assert failure["days"] == ["2024-01-01", "2024-01-02"]
    assert "→ energy-assets why 2024-01-02" in failure["message"]
    assert "exception" not in failure, "a verdict is no defect"
    said = [line["message"] for line in lines if line["logger"] == "energy_assets.cli"]
    assert said[0] == "energy-assets resume" and said[-1] == "ended with exit code 3"
    assert {line["level"] for line in lines} == {"info", "warning", "error"}
    passwords = [line.split('"')[1] for line in graph.home.credentials_file.read_text().splitlines() if '"' in line]
    assert passwords and not any(password in text for password in passwords)
