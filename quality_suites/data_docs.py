"""Great Expectations' own site, Data Docs, made of recorded verdicts.

What belongs here: turning recorded verdicts into Great Expectations' results and having its site builder write pages.
What does not: which days are shown, where the site lies, reading what was recorded (energy_assets/operations/data_docs.py).

Pages are plain files. Their styles and scripts come from the addresses that Great Expectations chose: without a network the
pages are unstyled, and its index shows nothing. So the index ends with a list that needs no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult, RunIdentifier
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.render.renderer.site_builder import SiteBuilder

from quality_suites import SUITES, Limits
from quality_suites.validator import Outcome

SITE = "Verdicts on each day"


class ExpectAsRecorded(BatchExpectation):
    """What an expectation said of a day. It only shows: nothing is judged again."""

    column: str | None = None

    def _validate(self, *_: Any, **__: Any) -> dict[str, Any]:
        raise NotImplementedError("recorded verdicts are shown, never judged again")


@dataclass(frozen=True)
class Verdict:
    """What was recorded of one day of a table."""

    table: str
    day: date
    state: str
    run_id: str
    judged_at: datetime
    outcomes: Sequence[Outcome]


def build_site(verdicts: Sequence[Verdict], directory: Path, limits: Limits) -> Path:
    """Write the site of `verdicts` into the empty `directory`: an index, and a page for each verdict. Gives the index."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    stated: dict[str, dict[str, str]] = {}
    for verdict in verdicts:
        if verdict.table not in stated:
            stated[verdict.table] = _stated(verdict.table, limits)
        key, result = _result(verdict, stated[verdict.table])
        context.validation_results_store.set(key, result)
    builder = SiteBuilder(
        context,
        store_backend={"class_name": "TupleFilesystemStoreBackend", "base_directory": str(directory)},
        site_name=SITE,
        show_how_to_buttons=False,
        # Its own sign for "no such section". Suites are described in docs/quality.md; as Great Expectations shows them,
        # they are SQL.
        site_section_builders={"profiling": "None", "expectations": "None"},
    )
    builder.build()
    # Its builder logs what it could not render, and goes on.
    pages = sorted(page.relative_to(directory) for page in directory.glob("validations/**/*.html"))
    if len(pages) != len(verdicts):
        raise RuntimeError(
            f"Great Expectations wrote {len(pages)} of {len(verdicts)} pages below {directory}; its log says why"
        )
    return _with_plain_list(directory / "index.html", pages)


def _with_plain_list(index: Path, pages: Iterable[Path]) -> Path:
    """Pages lie in `validations/TABLE/DAY STATE/…`."""
    links = [(page.parts[2], page.parts[1], quote(page.as_posix())) for page in pages]
    items = "".join(
        f'<li><a href="{link}">{escape(day)} {escape(table)}</a></li>'
        for day, table, link in sorted(links, reverse=True)
    )
    page = index.read_text("utf-8")
    plain = f"<details><summary>All pages, without scripts</summary><ul>{items}</ul></details></body>"
    index.write_text(page.replace("</body>", plain), "utf-8")
    return index


def _result(
    verdict: Verdict, stated: dict[str, str]
) -> tuple[ValidationResultIdentifier, ExpectationSuiteValidationResult]:
    run = RunIdentifier(run_name=f"{verdict.day:%Y-%m-%d} {verdict.state}", run_time=verdict.judged_at)
    held = sum(outcome.success for outcome in verdict.outcomes)
    total = len(verdict.outcomes)
    result = ExpectationSuiteValidationResult(
        # As the gate has it: warnings do not make a day red, and an accepted day is open.
        success=verdict.state in ("green", "accepted"),
        results=[_shown(outcome, stated) for outcome in verdict.outcomes],
        suite_name=verdict.table,
        statistics={
            "evaluated_expectations": total,
            "successful_expectations": held,
            "unsuccessful_expectations": total - held,
            "success_percent": 100 * held / total if total else None,
        },
        meta={
            "run_id": run,
            "great_expectations_version": gx.__version__,
            "active_batch_definition": {"data_asset_name": verdict.table},
            "dagster_run": verdict.run_id,
        },
    )
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(verdict.table), run, f"{verdict.table}-{verdict.day}")
    return key, result


def _shown(outcome: Outcome, stated: dict[str, str]) -> ExpectationValidationResult:
    words = f"{outcome.expectation_id}: {stated.get(outcome.expectation_id, 'no longer part of the suite')}"
    return ExpectationValidationResult(
        success=outcome.success,
        expectation_config=ExpectationConfiguration(
            type="expect_as_recorded",
            kwargs={"column": outcome.column} if outcome.column else {},
            description=words,
            severity=outcome.severity,
        ),
        # Great Expectations writes them as they are, and samples hold what was delivered: it must not become markup.
        # The message has the counts; with a count of its own Great Expectations would write another sentence about it.
        result={
            "observed_value": escape(outcome.message),
            "unexpected_count": 0,
            "partial_unexpected_list": [escape(row) for row in outcome.sample],
        },
    )


def _stated(table: str, limits: Limits) -> dict[str, str]:
    """What each expectation asks for, by its name; nothing for a table that is no longer gated."""
    if table not in SUITES:
        return {}
    return {expectation.meta["rule"]: expectation.stated() for expectation in SUITES[table].expectations(limits)}
