"""Pages, alert rules, runbook and the table of metrics fit each other, and are what the code makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from dashboards.grafana.write import texts
from energy_assets.cli import app
from energy_assets.monitoring.collector import PARTS, all_metrics
from energy_assets.monitoring.document import DOCUMENT, refreshed

REPOSITORY = Path(__file__).parents[2]
RUNBOOK = REPOSITORY / "docs" / "runbook.md"
PROMETHEUS = REPOSITORY / "dashboards" / "prometheus"
PROVISIONING = REPOSITORY / "dashboards" / "grafana" / "provisioning"
PAGES = [path for path, _ in texts()]
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"] for rule in group["rules"]]
CASES = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text())["tests"]
OTHERS = {"process_resident_memory_bytes", "up"}
"""Metrics that Prometheus and its client library tell by themselves."""


def panels(page: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(page.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def sections() -> set[str]:
    """Anchors of the runbook's sections."""
    return {
        title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)
    }


def named(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:energy_assets|process)_[a-z_]+\b", expression))


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    yield from (
        target["expr"] for page in PAGES for panel in panels(page) for target in panel["targets"] if "expr" in target
    )


def test_the_pages_are_what_the_code_makes() -> None:
    for path, text in texts():
        assert path.read_text("utf-8") == text, "run: python -m dashboards.grafana"


def test_the_table_of_metrics_is_current() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert refreshed(text) == text, "run: python -m energy_assets.monitoring.document"


def test_metrics_are_named_as_prometheus_asks_for() -> None:
    metrics = all_metrics()
    assert len({metric.name for metric in metrics}) == len(metrics) > 30
    for metric in metrics:
        assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", metric.name) and metric.help.endswith("."), metric
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric
        assert not {"job", "instance", "le", "quantile"} & set(metric.labels), "such labels are Prometheus' own"
    assert len({part.name for part in PARTS}) == len(PARTS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_panel_says_what_is_seen_and_what_to_do(page: Path) -> None:
    known = sections()
    uids = {source["uid"] for source in sources()}
    for panel in panels(page):
        assert panel["title"] and len(panel["description"]) > 20 and panel["targets"]
        anchor = panel["links"][0]["url"].removeprefix("${runbook}#")
        assert anchor in known, f"{panel['title']}: the runbook has no section {anchor}"
        assert {target["datasource"]["uid"] for target in panel["targets"]} <= uids
        assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"], f"{panel['title']} has no unit"
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_panels_fill_rows_and_lie_on_none_other(page: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(page.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


def test_statements_name_metrics_that_are_told() -> None:
    known = {metric.full_name for metric in all_metrics()} | OTHERS
    for expression in expressions():
        assert named(expression) <= known, expression
        assert named(expression) or "up{" in expression, expression


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_section_a_case_that_fires_and_one_that_does_not(rule: dict[str, Any]) -> None:
    name, notes = rule["alert"], rule["annotations"]
    assert notes["runbook_url"] == f"docs/runbook.md#{name.lower()}" and name.lower() in sections()
    assert rule["for"] and rule["labels"]["severity"] in ("warning", "critical") and notes["summary"]
    section = RUNBOOK.read_text("utf-8").split(f"## {name}\n")[1].split("\n## ")[0]
    assert all(f"**{word}**" in section for word in ("Means", "Look", "Do"))
    tried = [case["exp_alerts"] for test in CASES for case in test["alert_rule_test"] if case["alertname"] == name]
    assert any(tried) and not all(tried)


def test_no_section_of_the_runbook_is_of_an_alert_that_there_is_not() -> None:
    assert sections() == {rule["alert"].lower() for rule in RULES}


def test_commands_that_alerts_and_runbook_name_exist() -> None:
    known = set(typer.main.get_command(app).commands)
    text = RUNBOOK.read_text("utf-8") + DOCUMENT.read_text("utf-8") + (PROMETHEUS / "rules.yml").read_text("utf-8")
    told = {word for word in re.findall(r"energy-assets ([a-z][a-z-]*)", text)}
    assert {"why", "up", "resume", "metrics"} <= told <= known


def test_links_inside_the_runbook_lead_somewhere() -> None:
    assert set(re.findall(r"\]\(#([a-z]+)\)", RUNBOOK.read_text("utf-8"))) <= sections()


def sources() -> list[dict[str, Any]]:
    return yaml.safe_load((PROVISIONING / "datasources" / "energy_assets.yaml").read_text())["datasources"]


def test_no_secret_and_no_address_of_a_store_is_provisioned_with_a_default() -> None:
    for source in sources():
        for value in source.get("secureJsonData", {}).values():
            assert re.fullmatch(r"\$\{[A-Z_]+\}", value), f"{source['name']}: a secret comes from the environment"
        assert str(source.get("url") or source["jsonData"]["host"]).startswith("${")
    variables = set(re.findall(r"\$\{([A-Z_]+)\}", "".join(path.read_text() for path in PROVISIONING.rglob("*.yaml"))))
    page = DOCUMENT.read_text("utf-8")
    assert variables and all(f"`{name}`" in page for name in variables), "docs/monitoring.md says where to find each"


def test_what_grafana_shows_as_bi_is_what_bi_may_read() -> None:
    users = {source["type"]: source.get("user") or source["jsonData"].get("username") for source in sources()}
    assert users == {
        "prometheus": None,
        "grafana-postgresql-datasource": "${ENERGY_POSTGRES_BI_USER}",
        "grafana-clickhouse-datasource": "${ENERGY_CLICKHOUSE_BI_USER}",
    }
