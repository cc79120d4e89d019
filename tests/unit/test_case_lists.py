"""Lists of cases: grouped for the drive, and as files that a spreadsheet opens as they are meant."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

import pytest

from energy_assets.case_commands import number, print_cases, print_performance, state_of
from energy_assets.console import Language
from energy_assets.home import HomeError
from energy_assets.operations.case_files import COLUMNS, write_cases
from energy_assets.operations.cases import Case, CaseList, grouped, why_not
from energy_assets.operations.performance import Week

DAY = date(2024, 3, 5)


def case(name: str, transformer: str | None = "T1", **known: object) -> Case:
    blank = dict.fromkeys(Case.__dataclass_fields__)
    told = {
        "case_id": f"{name}-20240301", "subject_kind": "meter", "subject_id": name, "transformer_id": transformer, "latitude": Decimal("4.05"),
        "longitude": Decimal("9.7"), "origin": "evidence", "opened_on": date(2024, 3, 1), "state": "open", "state_since": date(2024, 3, 1),
        "visit_count": 0, "probability": Decimal("0.5"), "value": Decimal("12345.50"), "currency": "XAF", "selection": "ranked", "place": 1,
        "visit_cost": Decimal("6000"), "is_new": False, "reason_en": "fell", "reason_fr": "baisse",
    }  # fmt: skip
    return Case(**blank | told | known)


def test_those_behind_one_transformer_are_one_drive() -> None:
    listed = [case("A", "T1", place=1), case("B", "T2", place=2), case("C", None, place=3), case("D", "T1", place=4)]
    assert [one.subject_id for one in grouped(listed)] == ["A", "D", "B", "C"]
    known = CaseList(DAY, (*listed, case("E", place=None, selection=None), case("F", place=5, event="dismissed")))
    assert [one.subject_id for one in known.on_list()] == ["A", "D", "B", "C"]
    assert [one.subject_id for one in known.on_list(2)] == ["A", "B"]


def test_a_french_csv_has_decimal_commas_and_no_formulas(tmp_path: Path) -> None:
    listed = [case("=1+1", crew="@cmd", event="assigned"), case("B")]
    path = write_cases(listed, DAY, "csv", "fr", tmp_path / "list.csv")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "Excel takes it for UTF-8"
    with path.open(encoding="utf-8-sig", newline="") as handle:
        header, first, _ = csv.reader(handle, delimiter=";")
    row = dict(zip(header, first, strict=True))
    assert tuple(header) == COLUMNS
    assert (row["stop"], row["value"], row["latitude"], row["reason"]) == ("1", "12345,50", "4,05", "baisse")
    assert (row["subject_id"], row["crew"], row["state"]) == ("'=1+1", "'@cmd", "assigned"), "as it was decided since"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('=HYPERLINK("http://evil.example","x")', '\'=HYPERLINK("http://evil.example","x")'),
        ("+1", "'+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t'=1"),
        ("\n=1", "'\n'=1"),
        ("＝1", "'＝1"),
        ("a;=1+1", "a;'=1+1"),
        ("a,@x", "a,'@x"),
        ("a\n=1", "a\n'=1"),
        ("fell by -64 %, peers +2 %; a = b", "fell by -64 %, peers +2 %; a = b"),
        ("M-1", "M-1"),
    ],
)
def test_no_text_becomes_a_formula_whatever_separates_its_cells(tmp_path: Path, text: str, written: str) -> None:
    path = write_cases([case("A", reason_en=text)], DAY, "csv", "en", tmp_path / "list.csv")
    with path.open(encoding="utf-8-sig", newline="") as handle:
        _, row = csv.reader(handle)
    assert row[-1] == written


@pytest.mark.parametrize("name", ["[/]", "[red]M1[/red]", "[link=http://evil.example]M1[/link]", "[/x] [bold]", "M[1]"])
def test_a_name_is_no_markup_on_the_screen(capsys: pytest.CaptureFixture[str], name: str) -> None:
    known = CaseList(DAY, (case(name, transformer=name, reason_en=name, crew=name, event="assigned"),))
    print_cases(known, known.on_list(), Language.en)
    shown = capsys.readouterr().out
    assert shown.count(name) >= 4
    assert "\x1b" not in shown


def test_json_has_numbers_and_dates_and_excel_numbers(tmp_path: Path) -> None:
    path = write_cases([case("A"), case("=B")], DAY, "json", "en", tmp_path / "list.json")
    first = json.loads(path.read_text())[0]
    assert (first["value"], first["opened_on"], first["reason"]) == (12345.5, "2024-03-01", "fell")
    book = write_cases([case("A"), case("=B")], DAY, "xlsx", "en", tmp_path / "list.xlsx")
    with ZipFile(book) as parts:
        sheet, texts = parts.read("xl/worksheets/sheet1.xml").decode(), parts.read("xl/sharedStrings.xml").decode()
    assert "<v>12345.5</v>" in sheet
    assert "=B" in texts
    assert "<f>" not in sheet, "a text is no formula"
    with pytest.raises(HomeError, match=r"--out cases\.xlsx"):
        write_cases([case("A")], DAY, "xlsx", "en", None)


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (None, "no case: one opens where theft is at least 20% likely"),
        (case("A"), "is on the list, at place 1"),
        (case("A", state="cleared", suppressed_until=date(2024, 9, 1)), "ended as cleared on 2024-03-01; no new one before 2024-09-01"),
        (case("A", suppressed_until=date(2024, 3, 9), state="snoozed"), "rests until 2024-03-09: snoozed"),
        (case("A", value=Decimal(-500), place=None, selection=None), "not worth a visit: -500 XAF"),
        (case("A", value=None, place=None, selection=None), "nothing tells how much energy it hides"),
        (case("A", place=31, selection=None), "has place 31; 20 visits are made in a week"),
    ],
)  # fmt: skip
def test_why_a_meter_is_not_on_the_list_is_said_in_words(known: Case | None, told: str) -> None:
    assert told in why_not(known, 0.1)


def test_evidence_of_one_day_opens_nothing_yet() -> None:
    assert "20% must be reached on 3 of five days" in why_not(None, 0.5)


def test_the_screen_shows_what_was_decided_since(capsys: pytest.CaptureFixture[str]) -> None:
    assert state_of(case("A", event="assigned", crew="two")) == "open → assigned (two)"
    assert number(Decimal("1234.56"), Language.fr, 1) == "1\u202f234,6"
    lapsed = case("B", state="lapsed", previous_state="open", selection=None)
    known = CaseList(DAY, (case("A", is_new=True), lapsed))
    print_cases(known, known.on_list(), Language.en)
    shown = capsys.readouterr().out
    assert "2024-03-05: 1 to visit of 2 cases" in shown
    assert "new since the day before: A-20240301" in shown
    assert "lapsed since the day before: 1: B-20240301" in shown


def test_a_week_without_random_visits_has_no_lift(capsys: pytest.CaptureFixture[str]) -> None:
    week = Week(
        DAY, "ranked", 2, 1, 3, 3, 1, Decimal("0.33"), Decimal("0.1"), Decimal("0.7"), None, None, None, None, None, None, Decimal(50),
        Decimal("1234.5"), "XAF", 3, 1, Decimal("1.2"), Decimal("0.2"),
    )  # fmt: skip
    print_performance([week, replace(week, lift=Decimal(3), lift_low=Decimal(1), lift_high=Decimal(9))], Language.en)
    without, with_lift = capsys.readouterr().out.splitlines()[1:3]
    assert "1 of 3" in without
    assert "3.0  1.0 … 9.0" in with_lift
    assert "1.2 for 1" in with_lift
