"""Sheets of cases: a case's facts beside what its sheet reads of the subject.

What belongs here: from a name, or a list of cases, to files. What does not: reading and drawing (case_sheet/), cases (cases.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.case_sheet.facts import CaseFacts, Kind, Subject
from energy_assets.case_sheet.read import newest_day, subject_of
from energy_assets.case_sheet.sheet import default_name, write_sheet
from energy_assets.case_words import CaseError
from energy_assets.home import HomeError
from energy_assets.operations.cases import Case, case_list
from energy_assets.words import Language

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse


def sheet_of(
    warehouse: Warehouse, name: str, day: date | None, language: Language, ending: str, target: Path | None
) -> Path:
    """The sheet of a case, a meter or a transformer, by default of the newest day; its path.

    Raises HomeError where nothing is called so, or the target's name ends otherwise than the format.
    """
    of = day or newest_day(warehouse)
    case = _case(warehouse, name, of)
    subject = _subject(case) if case else subject_of(warehouse, name, of)
    path = target or Path(default_name(subject, of, ending))
    if (path.suffix.lower() == ".pdf") != (ending == "pdf"):
        raise CaseError("ends_otherwise", path=path, ending=ending)
    return write_sheet(warehouse, subject, of, language, path, facts_of(case) if case else None)


def sheets_of(
    warehouse: Warehouse, cases: Sequence[Case], day: date, language: Language, ending: str, folder: Path
) -> Iterator[Path]:
    """A sheet for each case, numbered in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for stop, case in enumerate(cases, start=1):
        subject = _subject(case)
        path = folder / f"{stop:03}-{default_name(subject, day, ending).removeprefix('sheet-')}"
        yield write_sheet(warehouse, subject, day, language, path, facts_of(case))


def facts_of(case: Case) -> CaseFacts:
    """What the sheet's head says of the case."""

    def number(value: object) -> float | None:
        return None if value is None else float(value)  # type: ignore[arg-type]

    return CaseFacts(
        case.case_id,
        opened_on=case.opened_on,
        state=case.state,
        place=case.place,
        probability=number(case.probability),
        recoverable_kwh=number(case.recoverable_kwh),
        bill_effect_per_month=number(case.bill_effect_per_month),
        value=number(case.value),
        visit_cost=number(case.visit_cost),
        currency=case.currency,
    )


def _case(warehouse: Warehouse, name: str, day: date) -> Case | None:
    try:
        known = case_list(warehouse, day)
    except HomeError:
        return None
    return next((case for case in known.cases if name in (case.case_id, case.subject_id)), None)


def _subject(case: Case) -> Subject:
    return Subject(Kind(case.subject_kind), case.subject_id)
