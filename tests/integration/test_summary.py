"""The summary that a demo ends with counts what is there."""

from __future__ import annotations

from graph import Graph, day, days, served_rows

from energy_assets.assets.serving import SERVED
from energy_assets.operations.summary import summarize


def test_the_summary_counts_days_gates_and_served_rows(graph: Graph) -> None:
    graph.deliver(days(1, 3), red=[day(2)])
    graph.settle()

    summary = summarize(graph.warehouse, graph.serving)

    assert (summary.files, summary.window) == (3, days(1, 3))
    assert (summary.green_days, summary.red) == (2, {day(2): "meter_readings"})
    for served in SERVED:
        rows = served_rows(graph.serving, served.table, served.date_column)
        assert summary.served[served.table] == sum(rows.values()), served.table
