"""What gates said and what was delivered, copied to ClickHouse: behind red gates as well, what changed alone, and once."""

from __future__ import annotations

from datetime import date

import dagster as dg
from graph import Graph, day, days

from energy_assets.automation.records import records_sensor
from energy_assets.keys import SERVING
from energy_assets.resources.served_records import copy
from energy_assets.resources.serving import DATABASE
from energy_assets.resources.serving_ddl import scripts, tables_of


def asked(graph: Graph, query: str, **parameters: object) -> list[tuple]:
    with graph.serving.client() as client:
        return [tuple(row) for row in client.query(query, parameters=parameters).result_rows]


def states(graph: Graph, of: date) -> dict[str, str]:
    query = "SELECT table_name, state FROM energy_analytics.gate_states WHERE reading_date = {day:Date}"
    return dict(asked(graph, query, day=of))


def test_a_red_day_is_copied_with_its_finding_and_what_could_not_be_read(graph: Graph) -> None:
    assert not graph.land_and_run(days(1, 2), red=[day(2)]).success

    copied = copy(graph.warehouse, graph.serving)

    assert copied["gate_states"] == copied["deliveries"] == 2
    for of in days(1, 2):
        assert states(graph, of) == graph.states(of)
    assert states(graph, day(2))["meter_readings"] == "red"
    ((finding, layer),) = asked(graph, "SELECT finding, layer FROM energy_analytics.gate_states WHERE state = 'red'")
    assert "rejected" in finding and layer == "raw_data"
    ((results,),) = asked(graph, "SELECT count() FROM energy_analytics.validation_results")
    assert results == graph.warehouse.rows("select count(*) from quality.validation_results")[0][0] > 0
    quarantined = (
        "SELECT path, column_name, sum(row_count) FROM energy_analytics.rejected_rows GROUP BY 1, 2 ORDER BY 1"
    )
    assert asked(graph, quarantined) == graph.warehouse.rows(
        "select path, column_name, count(*) from raw_data.rejected_rows join raw_data.landing_files using (file_id)"
        " join raw_data.landing_paths using (sha256) group by 1, 2 order by 1"
    )
    rows = "SELECT reading_date, sum(row_count) FROM energy_analytics.deliveries WHERE source = 'meter_readings' GROUP BY 1 ORDER BY 1"
    assert asked(graph, rows) == graph.warehouse.rows(
        "select reading_date, row_count from raw_data.day_inputs where source = 'meter_readings' order by 1"
    )


def test_what_changed_is_copied_again_and_nothing_else(graph: Graph) -> None:
    graph.land_and_run(days(1, 2), red=[day(2)])
    copy(graph.warehouse, graph.serving)
    assert copy(graph.warehouse, graph.serving) == {}
    # As if the first copy had been an hour ago: what is younger than the overlap would be copied once more.
    for table, column in (("quality.day_versions", "written_at"), ("quality.validation_results", "judged_at")):
        graph.warehouse.rows(f"update {table} set {column} = {column} - interval '1 hour' returning 1")
    graph.warehouse.rows("update quality.records_served set fingerprint = 'of then' returning 1")

    graph.deliver(day(2))
    assert graph.land().success and graph.run(day(2)).success
    copied = copy(graph.warehouse, graph.serving)

    assert copied["gate_states"] == copied["validation_results"] == 1
    assert set(states(graph, day(2)).values()) == {"green"}
    assert states(graph, day(1)) == graph.states(day(1)), "days that did not change stay"
    assert asked(graph, "SELECT path, is_withdrawn FROM energy_analytics.rejected_rows WHERE row_count > 10") == [
        ("meter_readings/2024-01-02.csv", True)
    ]


def test_copies_that_somebody_emptied_are_made_anew(graph: Graph) -> None:
    graph.land_and_run(days(1, 1))
    copy(graph.warehouse, graph.serving)
    with graph.serving.client() as client:
        client.command("TRUNCATE TABLE energy_analytics.gate_states")

    copy(graph.warehouse, graph.serving)

    assert states(graph, day(1)) == graph.states(day(1))


def test_the_sensor_copies_without_a_run_and_says_which_tables(graph: Graph) -> None:
    graph.land_and_run(days(1, 1))

    first, second = (tick(graph), tick(graph))

    told = {event.asset_key.path[-1] for event in first.asset_events}
    assert told == {"gate_states", "validation_results", "deliveries", "rejected_rows"}
    assert not first.run_requests and second.skip_message


def tick(graph: Graph) -> dg.SensorExecutionData:
    resources = {"warehouse": graph.warehouse, "serving": graph.serving}
    with dg.build_sensor_context(
        instance=graph.instance, resources=resources, definitions=graph.definitions, sensor_name=records_sensor.name
    ) as context:
        return records_sensor.evaluate_tick(context)


def test_the_asset_copies_by_the_button(graph: Graph) -> None:
    graph.land_and_run(days(1, 1))
    keys = [
        dg.AssetKey([SERVING, table]) for table in ("gate_states", "validation_results", "deliveries", "rejected_rows")
    ]

    result = graph.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=graph.instance, asset_selection=keys
    )

    assert result.success
    assert states(graph, day(1)) == graph.states(day(1))


def test_every_view_answers_each_column_that_it_declares(graph: Graph) -> None:
    views = [table for table in tables_of(scripts()).values() if table.reads]
    assert views
    for view in views:
        asked(graph, f"SELECT {', '.join(column.name for column in view.columns)} FROM {DATABASE}.{view.name} LIMIT 1")
