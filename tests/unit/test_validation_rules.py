"""The rules as data: complete, overridden by name only, and the same wherever they are written down."""

from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from energy_assets.assets.models import MODEL_SETTINGS, rule_variables
from energy_assets.landing.contract import SOURCES
from energy_assets.resources.dbt import PROJECT_DIR
from energy_assets.settings import Settings
from ml.validation.document import DOCUMENT, refreshed
from ml.validation.rules import rules
from quality_suites.staging import QUALITY_CODES, REFUSED_CODES

FAMILIES = {
    *("consecutive_interval", "duplicate", "dynamic_comparison", "sibling", "replacement", "high_low", "inactive"),
    *("interval_size", "spike", "multiplier", "negative", "prolonged_estimation", "missing", "sum", "unit", "zero"),
    *("outage", "load_shedding", "clock_drift", "register_reset", "frozen_value", "prepaid", "wrong_transformer"),
}
"""Sixteen of the reference, seven of ours."""


def test_the_catalogue_is_not_stale() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert refreshed(text) == text, "run: python -m ml.validation.document"


def test_every_rule_belongs_to_a_family_and_needs_sources_that_there_are() -> None:
    for rule in rules().values():
        assert rule.family in FAMILIES, rule.name
        assert set(rule.needs) <= {source.name for source in SOURCES}, rule.name
        assert rule.description.endswith(".") and rule.why.endswith("."), rule.name


def test_what_staging_refuses_are_the_rules_that_reject() -> None:
    told = [rule for rule in rules().values() if rule.told_by == "staging"]
    assert {rule.name for rule in told} | {"valid"} == set(QUALITY_CODES)
    assert {rule.name for rule in told if rule.severity == "reject"} == set(REFUSED_CODES)


def test_dbt_by_hand_has_the_thresholds_of_the_rules_and_of_the_settings() -> None:
    held = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text("utf-8"))["vars"]
    known = Settings()
    expected = {name: getattr(known, name) for name in MODEL_SETTINGS} | rule_variables(known)
    assert {name: held.get(name) for name in expected} == expected


def test_thresholds_and_switches_are_overridden_by_name() -> None:
    changed = rules({"unit": {"least_kw": 60, "enabled": False}})["unit"]
    assert (changed["least_kw"], changed.enabled) == (60, False)
    assert changed["ratio"] == rules()["unit"]["ratio"]
    assert rules()["unit"].enabled, "what is declared stays as it is"


def test_a_rule_is_off_where_a_source_that_it_needs_was_never_delivered() -> None:
    rule = rules()["unit"]
    assert rule.is_on({"meter_readings", "weather"})
    assert not rule.is_on({"weather"})
    assert not rule.overridden({"enabled": False}).is_on({"meter_readings"})


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"units": {"least_kw": 60}}, "no rule is called units"),
        ({"unit": {"least_kwh": 60}}, "rule unit has no least_kwh: it has enabled, least_kw"),
        ({"unit": {"least_kw": -1}}, "least_kw of rule unit is a number of kW from 0 on"),
        ({"unit": {"enabled": 3.0}}, "enabled of rule unit is true or false"),
        ({"negative": {"enabled": False}}, "rule negative cannot be off"),
    ],
)
def test_an_override_of_what_there_is_not_is_refused_and_names_it(overrides: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rules(overrides)
    with pytest.raises(ValidationError, match=said):
        Settings(validation_rules=overrides)
