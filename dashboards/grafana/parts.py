"""What the pages are put together from: a page's frame, panels, questions to each store.

What belongs here: the look that all pages share. What does not: what a page shows (one module a page).
"""

from __future__ import annotations

from typing import Any, TypeVar

from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    QueryVariable,
    TextBoxVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery as PromQuery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef("prometheus", "energy-prometheus")
POSTGRES = DataSourceRef("grafana-postgresql-datasource", "energy-postgres")
CLICKHOUSE = DataSourceRef("grafana-clickhouse-datasource", "energy-clickhouse")
"""As provisioning/datasources names them."""

RUNBOOK = "docs/runbook.md"
GREEN, YELLOW, RED = "green", "yellow", "red"
WIDTH = 24

Chart = TypeVar("Chart", Stat, BarGauge, TimeSeries, Table, Any)


class SqlQuery(Builder[Dataquery], Dataquery):
    """A statement to Postgres or ClickHouse, which the SDK has no query of: a table, whatever the panel makes of it.

    Without Grafana's macros: the very text is what tests run against the stores.
    """

    def __init__(self, source: DataSourceRef, statement: str) -> None:
        self.source, self.statement = source, " ".join(statement.split())

    def build(self) -> SqlQuery:
        return self

    def to_json(self) -> dict[str, object]:
        query: dict[str, object] = {"datasource": self.source, "rawSql": self.statement, "refId": "A"}
        if self.source is POSTGRES:
            return query | {"editorMode": "code", "format": "table", "rawQuery": True}
        return query | {"editorType": "sql", "format": 1, "queryType": "table"}


def page(title: str, uid: str, description: str) -> Dashboard:
    """An empty page, with a choice of exporters and the address of the runbook."""
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["energy-assets"])
        .timezone("browser")
        .time("now-7d", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            QueryVariable("instance")
            .label("Exporter")
            .datasource(PROMETHEUS)
            .query("label_values(energy_assets_home_info, instance)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
            .multi(True)
        )
        .with_variable(TextBoxVariable("runbook").label("Address of docs/runbook.md").default_value(RUNBOOK))
        .link(
            DashboardLink("Energy Assets")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["energy-assets"])
            .icon("external link")
            .tooltip("The other pages")
            .include_vars(True)
            .keep_time(True)
        )
    )


def metric(name: str, **labels: str) -> str:
    """A metric of the chosen exporters: `metric("up", store="postgres")`; a value that begins with an operator keeps it."""
    parts = ['instance=~"$instance"', *(f"{label}{_matched(value)}" for label, value in labels.items())]
    return f"energy_assets_{name}{{{', '.join(parts)}}}"


def _matched(value: str) -> str:
    operator = next((known for known in ("!~", "!=", "=~") if value.startswith(known)), "")
    return f'{operator or "="}"{value.removeprefix(operator)}"'


def now(expression: str, legend: str = "__auto") -> PromQuery:
    """The newest value of each series."""
    return PromQuery().datasource(PROMETHEUS).expr(expression).instant().legend_format(legend).ref_id("A")


def rows(expression: str) -> PromQuery:
    """The newest value of each series as rows of a table."""
    return now(expression).format(PromQueryFormat.TABLE)


def course(expression: str, legend: str = "__auto", ref: str = "A") -> PromQuery:
    """Each series over the page's time."""
    return PromQuery().datasource(PROMETHEUS).expr(expression).range().legend_format(legend).ref_id(ref)


def stat(title: str, says: str, runbook: str, query: PromQuery, *, width: int = 4, unit: str = "short") -> Stat:
    chart = Stat().graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE).with_target(query)
    return framed(chart, title, says, runbook, width, 4).datasource(PROMETHEUS).unit(unit).reduce_options(_last())


def bars(title: str, says: str, runbook: str, query: PromQuery, *, width: int = 8, unit: str = "short") -> BarGauge:
    chart = BarGauge().display_mode(BarGaugeDisplayMode.BASIC).orientation(VizOrientation.HORIZONTAL).min(0)
    chart = chart.with_target(query).reduce_options(_last())
    return framed(chart, title, says, runbook, width, 7).datasource(PROMETHEUS).unit(unit)


def lines(
    title: str,
    says: str,
    runbook: str,
    *queries: PromQuery,
    width: int = 8,
    unit: str = "short",
    least: float | None = 0,
) -> TimeSeries:
    chart = TimeSeries().legend(legend()).fill_opacity(10).span_nulls(False)
    for query in queries:
        chart = chart.with_target(query)
    if least is not None:
        chart = chart.min(least)
    return framed(chart, title, says, runbook, width, 8).datasource(PROMETHEUS).unit(unit)


def legend() -> VizLegendOptions:
    return VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)


def table(
    title: str, says: str, runbook: str, query: PromQuery | SqlQuery, *, width: int = 12, value: str = ""
) -> Table:
    """A table; of a question to Prometheus the labels that say where it comes from are left out, and its value is called `value`."""
    chart = Table().with_target(query)
    source = query.source if isinstance(query, SqlQuery) else PROMETHEUS
    if source is PROMETHEUS:
        left_out = dict.fromkeys(("Time", "__name__", "instance", "job"), True)
        options = {"excludeByName": left_out, "renameByName": {"Value": value}}
        chart = chart.with_transformation(DataTransformerConfig(id_val="organize", options=options))
    return framed(chart, title, says, runbook, width, 8).datasource(source)


def graded(chart: Chart, *steps: tuple[float | None, str]) -> Chart:
    """Colours from each value on, the first from the least on."""
    return chart.thresholds(
        ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in steps])
    )


def bad_from(chart: Chart, value: float) -> Chart:
    """Green below `value`, red from there on."""
    return graded(chart, (None, GREEN), (value, RED))


def framed(chart: Chart, title: str, says: str, runbook: str, width: int, height: int) -> Chart:
    """With title, what is seen and what it is good for, and the runbook's section."""
    return (
        chart.title(title)
        .description(f"{says}\n\nWhat to do: {RUNBOOK}#{runbook}")
        .span(width)
        .height(height)
        .links(
            [DashboardLink("What to do").type(DashboardLinkType.LINK).url(f"${{runbook}}#{runbook}").target_blank(True)]
        )
    )


def _last() -> ReduceDataOptions:
    return ReduceDataOptions().calcs(["lastNotNull"])
