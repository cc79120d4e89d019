"""Great Expectations' own site, Data Docs, made of recorded verdicts.

What belongs here: turning recorded verdicts into Great Expectations' results and having its site builder write pages.
What does not: which days are shown, where the site lies, reading what was recorded (energy_assets/operations/data_docs.py).

Pages are plain files that need neither network nor scripts (local_pages.py): the table of the index, which Great Expectations leaves to a
script, is written here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
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

from quality_suites import SUITES, Limits, local_pages
from quality_suites.validator import Outcome

SITE = "Verdicts on each day"
WORDS = ".words"
"""In a site: the fingerprint of what its pages say besides their verdicts."""
NO_PAGE = "no page"
SIGNS = {
    "green": '<span class="green">✓</span>',
    "accepted": '<span class="green">(✓)</span>',
    "red": '<span class="red">✗</span>',
}


class DataDocsError(Exception):
    """The site could not be built; the message says what is missing."""


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


def build_site(
    verdicts: Sequence[Verdict],
    directory: Path,
    limits: Limits,
    *,
    signpost: Callable[[str, date], str],
    earlier: Path | None = None,
) -> Path:
    """Write the site of `verdicts` into the empty `directory`: an index, and a page for each verdict. Gives the index.

    A page's own name holds the verdict and its time: `signpost` names a page that leads to it, by table and day.
    Pages that the site `earlier` has of the same verdicts, in the same words, are taken over from it.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]  # it reads a dictionary
    stated = {table: _stated(table, limits) for table in SUITES}
    words = _fingerprint(stated)
    reusable = earlier if earlier and _read(earlier / WORDS) == words else None
    pages: dict[Path, Verdict] = {}
    fresh: list[ValidationResultIdentifier] = []
    for verdict in verdicts:
        key = _key(verdict)
        *folders, name = key.to_tuple()  # type: ignore[no-untyped-call]
        page = Path("validations", *folders, f"{name}.html")
        pages[page] = verdict
        if reusable and (reusable / page).is_file():
            (directory / page).parent.mkdir(parents=True)
            os.link(reusable / page, directory / page)
            # The index shows no expectation.
            context.validation_results_store.set(key, _result(verdict, key, shown=[]))
        else:
            fresh.append(key)
            shown = [_shown(outcome, stated.get(verdict.table, {})) for outcome in verdict.outcomes]
            context.validation_results_store.set(key, _result(verdict, key, shown=shown))
    builder = SiteBuilder(
        context,
        store_backend={"class_name": "TupleFilesystemStoreBackend", "base_directory": str(directory)},
        site_name=SITE,
        show_how_to_buttons=False,
        # Its own sign for "no such section". Suites are described in docs/quality.md; as Great Expectations shows them,
        # they are SQL.
        site_section_builders={"profiling": "None", "expectations": "None"},
    )
    # It takes no identifier for every identifier; an unknown one is none.
    builder.build(resource_identifiers=fresh or [NO_PAGE])
    # Its builder logs what it could not render, and goes on.
    if missing := [page for page in pages if not (directory / page).is_file()]:
        raise DataDocsError(
            f"Great Expectations did not write {len(missing)} of {len(pages)} pages, the first {missing[0]}; its log says why"
        )
    for page, verdict in pages.items():
        if not (reusable and (reusable / page).is_file()):
            local_pages.make_local(
                directory / page, directory, f"{escape(verdict.table)} {verdict.day} {verdict.state}"
            )
        _write_signpost(directory, Path(signpost(verdict.table, verdict.day)), page)
    (directory / WORDS).write_text(words, "utf-8")
    local_pages.write_style(directory)
    index = directory / "index.html"
    local_pages.make_local(index, directory, SITE, table=_table_of(pages))
    return index


def _write_signpost(site: Path, signpost: Path, page: Path) -> None:
    """A page of `site` that leads on to `page`."""
    target = quote("../" * len(signpost.parent.parts) + page.as_posix())
    (site / signpost).parent.mkdir(parents=True, exist_ok=True)
    (site / signpost).write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={target}">'
        f'<a href="{target}">{escape(page.stem)}</a>\n',
        "utf-8",
    )


def _fingerprint(stated: dict[str, dict[str, str]]) -> str:
    """Changes with what the pages say besides the verdict: the suites' words, Great Expectations' templates, and what becomes of these."""
    told = [gx.__version__, stated, local_pages.fingerprint()]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _read(file: Path) -> str | None:
    return file.read_text("utf-8") if file.is_file() else None


def _table_of(pages: Mapping[Path, Verdict]) -> str:
    """Every verdict with its page, the newest day first."""
    rows = []
    for page, verdict in sorted(pages.items(), key=lambda entry: (-entry[1].day.toordinal(), entry[1].table)):
        held, total = sum(outcome.success for outcome in verdict.outcomes), len(verdict.outcomes)
        sign = SIGNS.get(verdict.state, SIGNS["red"])
        link = f'<a href="{quote(page.as_posix())}">{verdict.day} {verdict.state} {escape(verdict.table)}</a>'
        rows.append(
            f"<tr><td>{sign}</td><td>{link}</td><td>{held} of {total}</td><td>{verdict.judged_at:%Y-%m-%d %H:%M}</td></tr>"
        )
    head = "<tr><th></th><th>Day, state, table</th><th>Expectations that held</th><th>Judged at (UTC)</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _key(verdict: Verdict) -> ValidationResultIdentifier:
    run = RunIdentifier(run_name=f"{verdict.day:%Y-%m-%d} {verdict.state}", run_time=verdict.judged_at)
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(verdict.table), run, f"{verdict.table}-{verdict.day}")


def _result(
    verdict: Verdict, key: ValidationResultIdentifier, *, shown: list[ExpectationValidationResult]
) -> ExpectationSuiteValidationResult:
    held = sum(outcome.success for outcome in verdict.outcomes)
    total = len(verdict.outcomes)
    return ExpectationSuiteValidationResult(
        # As the gate has it: warnings do not make a day red, and an accepted day is open.
        success=verdict.state in ("green", "accepted"),
        results=shown,
        suite_name=verdict.table,
        statistics={
            "evaluated_expectations": total,
            "successful_expectations": held,
            "unsuccessful_expectations": total - held,
            "success_percent": 100 * held / total if total else None,
        },
        meta={
            "run_id": key.run_id,
            "great_expectations_version": gx.__version__,
            "active_batch_definition": {"data_asset_name": verdict.table},
            "dagster_run": verdict.run_id,
        },
    )


def _shown(outcome: Outcome, stated: dict[str, str]) -> ExpectationValidationResult:
    words = f"{outcome.expectation_id}: {stated.get(outcome.expectation_id, 'no longer part of the suite')}"
    return ExpectationValidationResult(
        success=outcome.success,
        expectation_config=ExpectationConfiguration(
            type="expect_as_recorded",
            kwargs={"column": outcome.column} if outcome.column else {},
            description=words,
            severity=outcome.severity,  # type: ignore[arg-type]  # as it was recorded
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
    """What each expectation asks for, by its name."""
    return {expectation.rule_id: expectation.stated() for expectation in SUITES[table].expectations(limits)}
