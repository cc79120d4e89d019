"""Lists of cases as files: CSV, Excel and JSON, a row for each case, with coordinates for the route.

What belongs here: their formats. What does not: which cases (cases.py), what columns are called (case_words.py).

In French, CSV and Excel are for a person: headings and codes are words. JSON is for programs, and has the names of the data in either language.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO

from energy_assets.case_words import COLUMNS, CaseError, CaseWords
from energy_assets.operations.cases import Case
from energy_assets.words import Language

FORMULA = re.compile("(^|[;,\t\r\n])(?=[\t\r\n]*[=+@＝＋－＠-])")
"""Where a spreadsheet would begin a formula: at a cell's start, and behind what another language's spreadsheet takes for the end of one."""
WIDE = {"reason": 70, "case_id": 22}


def write_cases(cases: Sequence[Case], day: date, format: str, language: Language, path: Path | None) -> Path | None:
    """Write the cases to `path`, or to standard output where there is none; the path.

    Raises HomeError for an Excel file without a path. In French, CSV has semicolons and decimal commas, as Excel there expects.
    """
    words = CaseWords(language)
    rows = [_row(stop, case, day, words) for stop, case in enumerate(cases, start=1)]
    if format == "xlsx":
        if path is None:
            raise CaseError("excel_needs_a_place")
        _write_excel(rows, day, words, path)
    elif path is None:
        _write_text(rows, format, words, sys.stdout)
    else:
        # Excel takes a CSV file for UTF-8 only where it says so.
        with path.open("w", newline="", encoding="utf-8-sig" if format == "csv" else "utf-8") as handle:
            _write_text(rows, format, words, handle)
    return path


def _row(stop: int, case: Case, day: date, words: CaseWords) -> dict[str, object]:
    told = {
        "stop": stop,
        "case_date": day,
        "state": case.state_now,
        "reason": words.reason(case.reason_en, case.reason_fr),
    }
    return {name: told[name] if name in told else getattr(case, name) for name in COLUMNS}


def _in_words(row: dict[str, object], words: CaseWords) -> dict[str, object]:
    """The row as a person reads it in French; in English codes are words already."""
    said: dict[str, Callable[[str], str]] = {
        "subject_kind": words.kind,
        "customer_class": words.customer_class,
        "selection": words.selection,
        "state": words.state,
    }
    if words.language == "en":
        return row
    return {name: said[name](str(value)) if value and name in said else value for name, value in row.items()}


def _write_text(rows: Sequence[dict[str, object]], format: str, words: CaseWords, handle: IO[str]) -> None:
    if format == "json":
        json.dump(rows, handle, default=_plain, ensure_ascii=False, indent=2)
        handle.write("\n")
        return
    writer = csv.writer(handle, delimiter=";" if words.language == "fr" else ",")
    writer.writerow([words.column(name) for name in COLUMNS])
    writer.writerows([_cell(value, words) for value in _in_words(row, words).values()] for row in rows)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _cell(value: object, words: CaseWords) -> object:
    """A cell of CSV: numbers and days by language, and no text that a spreadsheet would take for a formula."""
    if isinstance(value, (Decimal, float)):
        text = f"{value:f}" if isinstance(value, Decimal) else repr(value)
        return text.replace(".", ",") if words.language == "fr" else text
    if isinstance(value, date):
        return words.day(value)
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def _write_excel(rows: Sequence[dict[str, object]], day: date, words: CaseWords, path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(words("sheet_of_list", day=day))
        bold = book.add_format({"bold": True})
        dated = book.add_format({"num_format": "dd/mm/yyyy" if words.language == "fr" else "yyyy-mm-dd"})
        sheet.freeze_panes(1, 3)
        sheet.autofilter(0, 0, max(len(rows), 1), len(COLUMNS) - 1)
        for number, name in enumerate(COLUMNS):
            heading = words.column(name)
            sheet.write(0, number, heading, bold)
            sheet.set_column(number, number, WIDE.get(name, max(len(heading) + 2, 10)))
        for line, row in enumerate(rows, start=1):
            for number, value in enumerate(_in_words(row, words).values()):
                if isinstance(value, date):
                    sheet.write_datetime(line, number, value, dated)
                else:
                    sheet.write(line, number, float(value) if isinstance(value, Decimal) else value)
