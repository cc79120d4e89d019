"""Context profiles: one setting chooses the thresholds, a single setting still wins, and every number has a source."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from energy_assets.checkpoints.checkpoint import limits
from energy_assets.context_profiles import GENERIC, profiles, thresholds
from energy_assets.settings import Settings
from quality_suites import Limits


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ENERGY_{name.upper()}", raising=False)


def test_a_profile_sets_its_thresholds(monkeypatch):
    monkeypatch.setenv("ENERGY_PROFILE", "cameroon")

    assert Settings().expected_completeness == thresholds("cameroon")["expected_completeness"] != Limits().completeness
    assert Settings().max_interval_kwh == thresholds(GENERIC)["max_interval_kwh"]


def test_a_single_setting_outranks_the_profile(monkeypatch):
    monkeypatch.setenv("ENERGY_PROFILE", "senegal")
    monkeypatch.setenv("ENERGY_EXPECTED_COMPLETENESS", "0.5")

    assert Settings().expected_completeness == 0.5
    assert Settings().row_count_drift == thresholds("senegal")["row_count_drift"]


def test_an_unknown_profile_is_refused_with_those_that_there_are(monkeypatch):
    monkeypatch.setenv("ENERGY_PROFILE", "atlantis")

    with pytest.raises(ValidationError, match="no context profile: there are generic, cameroon, senegal"):
        Settings()


def test_suites_alone_have_the_generic_thresholds():
    known = limits(Settings(), "UTC")

    assert Limits(timezone=known.timezone) == known


@pytest.mark.parametrize("profile", profiles())
def test_every_threshold_is_a_setting_and_has_a_source(profile):
    assert set(profiles()[profile]) <= set(Settings.model_fields)
    assert all(len(threshold.source) > 10 for threshold in profiles()[profile].values())
