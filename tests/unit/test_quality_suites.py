"""The suites as declared: complete, unambiguous, and free to import."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

import quality_suites.ml as theft_gates
from ml.theft.evidence import NAMES
from ml.theft.explain import WAYS
from ml.theft.scores import STATUSES
from ml.theft.state import RECENT_DAYS
from quality_suites import SUITES, Limits
from quality_suites.document import DOCUMENT, refreshed
from quality_suites.reasons import reason
from quality_suites.sql import fill, identifier, literal

SEVERITIES = {"critical", "warning", "info"}


def test_importing_the_suites_imports_no_great_expectations():
    probe = "import sys, quality_suites.validator; print([m for m in ('great_expectations', 'sqlalchemy', 'dagster') if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", probe], text=True).strip() == "[]"


def test_the_words_and_statistics_of_theft_are_those_that_are_written():
    assert theft_gates.WAYS == WAYS
    assert theft_gates.STATISTICS == NAMES
    assert theft_gates.THEFT_STATUSES == STATUSES
    assert theft_gates.KNOWN_DAYS == RECENT_DAYS


@pytest.mark.parametrize("table", SUITES)
def test_every_expectation_has_a_name_of_its_own_and_a_severity(table):
    expectations = SUITES[table].expectations(Limits())
    names = [expectation.meta["rule"] for expectation in expectations]

    assert len(set(names)) == len(names)
    assert {expectation.severity.value for expectation in expectations} <= SEVERITIES
    assert names[0] == "schema"


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"rejected_share": 1.5}, "rejected_share is a share"),
        ({"completeness": -0.1}, "completeness is a share"),
        ({"max_interval_kwh": 0}, "max_interval_kwh must be above 0"),
        ({"max_interval_kwh": float("nan")}, "max_interval_kwh must be above 0"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limits, said):
    with pytest.raises(ValueError, match=said):
        Limits(**limits)


def test_values_become_literals_that_cannot_end_early():
    assert literal("o'clock") == "'o''clock'"
    assert literal(("a", "b")) == "('a', 'b')"
    assert literal(date(2024, 1, 2)) == "date '2024-01-02'"
    assert identifier('a"b') == '"a""b"'


@pytest.mark.parametrize("value", [float("inf"), float("nan"), None, True, ()])
def test_a_value_without_a_literal_is_refused(value):
    with pytest.raises(ValueError, match="SQL literal"):
        literal(value)


def test_filling_leaves_placeholders_that_come_later():
    assert fill("{limit} on {day}", {"limit": "5"}) == "5 on {day}"


def test_the_page_about_the_suites_is_not_stale():
    text = DOCUMENT.read_text("utf-8")

    assert refreshed(text) == text, "run: python -m quality_suites.document"


@pytest.mark.parametrize("table", SUITES)
def test_somebody_says_why_each_expectation_must_hold(table):
    assert all(reason(expectation.meta["rule"]) for expectation in SUITES[table].expectations(Limits()))


def test_an_expectation_without_a_reason_is_an_error():
    with pytest.raises(LookupError, match="nobody says why moon-is-full must hold"):
        reason("moon-is-full")
