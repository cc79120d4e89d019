"""Lists of cases as files: CSV, Excel and JSON, a row for each case, with coordinates for the route.

What belongs here: their columns and formats. What does not: which cases (cases.py).
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO

from energy_assets.home import HomeError
from energy_assets.operations.cases import Case

FRENCH = "fr"
COLUMNS = (
    "stop", "case_id", "subject_kind", "subject_id", "transformer_id", "customer_class", "latitude", "longitude", "place", "selection",
    "state", "crew", "opened_on", "probability", "onset_date", "stolen_kwh_per_day", "recoverable_kwh", "bill_effect_per_month", "value",
    "currency", "reason",
)  # fmt: skip
"""`stop` counts the rows: those behind the same transformer follow each other."""
FORMULA = re.compile("(^|[;,\t\r\n])(?=[\t\r\n]*[=+@＝＋－＠-])")
"""Where a spreadsheet would begin a formula: at a cell's start, and behind what another language's spreadsheet takes for the end of one."""
WIDE = {"reason": 70, "case_id": 22}


def write_cases(cases: Sequence[Case], day: date, format: str, language: str, path: Path | None) -> Path | None:
    """Write the cases to `path`, or to standard output where there is none; the path.

    Raises HomeError for an Excel file without a path. In French, CSV has semicolons and decimal commas, as Excel there expects.
    """
    rows = [_row(stop, case, language) for stop, case in enumerate(cases, start=1)]
    if format == "xlsx":
        if path is None:
            raise HomeError("an Excel file needs a place: --out cases.xlsx")
        _write_excel(rows, day, path)
    elif path is None:
        _write_text(rows, format, language, sys.stdout)
    else:
        # Excel takes a CSV file for UTF-8 only where it says so.
        with path.open("w", newline="", encoding="utf-8-sig" if format == "csv" else "utf-8") as handle:
            _write_text(rows, format, language, handle)
    return path


def _row(stop: int, case: Case, language: str) -> dict[str, object]:
    told = {"stop": stop, "state": case.state_now, "reason": case.reason_fr if language == FRENCH else case.reason_en}
    return {name: told[name] if name in told else getattr(case, name) for name in COLUMNS}


def _write_text(rows: Sequence[dict[str, object]], format: str, language: str, handle: IO[str]) -> None:
    if format == "json":
        json.dump(rows, handle, default=_plain, ensure_ascii=False, indent=2)
        handle.write("\n")
        return
    writer = csv.writer(handle, delimiter=";" if language == FRENCH else ",")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value, language) for value in row.values()] for row in rows)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _cell(value: object, language: str) -> object:
    """A cell of CSV: numbers by language, and no text that a spreadsheet would take for a formula."""
    if isinstance(value, (Decimal, float)):
        text = f"{value:f}" if isinstance(value, Decimal) else repr(value)
        return text.replace(".", ",") if language == FRENCH else text
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def _write_excel(rows: Sequence[dict[str, object]], day: date, path: Path) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(f"cases {day}")
        bold, dated = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.freeze_panes(1, 2)
        sheet.autofilter(0, 0, max(len(rows), 1), len(COLUMNS) - 1)
        for number, name in enumerate(COLUMNS):
            sheet.write(0, number, name, bold)
            sheet.set_column(number, number, WIDE.get(name, max(len(name) + 2, 10)))
        for line, row in enumerate(rows, start=1):
            for number, value in enumerate(row.values()):
                if isinstance(value, date):
                    sheet.write_datetime(line, number, value, dated)
                else:
                    sheet.write(line, number, float(value) if isinstance(value, Decimal) else value)
