"""Lists of cases: grouped for the drive, and as files that a spreadsheet opens as they are meant."""

from __future__ import annotations

import ast
import csv
import json
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile

import pytest
import typer

from energy_assets import case_words
from energy_assets.case_commands import print_cases, print_dossier, print_history, print_performance, state_of, told_in
from energy_assets.case_words import COLUMNS, CaseError, CaseWords
from energy_assets.console import Language
from energy_assets.home import HomeError
from energy_assets.operations.case_files import write_cases
from energy_assets.operations.cases import Case, CaseList, History, grouped, why_not
from energy_assets.operations.performance import Week
from energy_assets.operations.theft import Dossier, Piece, Suspect
from energy_assets.settings import settings
from ml.theft.evidence import PIECES

REPOSITORY = Path(__file__).parents[2]
DAY = date(2024, 3, 5)
EN, FR = CaseWords("en"), CaseWords("fr")


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
    assert header == [french for _, french in COLUMNS.values()]
    assert (row["étape"], row["valeur d'une visite"], row["latitude"], row["pourquoi"]) == (
        "1",
        "12345,50",
        "4,05",
        "baisse",
    )
    assert (row["identifiant"], row["équipe"], row["état"]) == ("'=1+1", "'@cmd", "attribué"), "as it was decided since"
    assert (row["liste du"], row["ouvert le"], row["choisi"]) == ("05/03/2024", "01/03/2024", "par la liste")


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
    print_cases(known, known.on_list(), EN)
    shown = capsys.readouterr().out
    assert shown.count(name) >= 4
    assert "\x1b" not in shown


def test_json_has_numbers_and_dates_and_excel_numbers(tmp_path: Path) -> None:
    path = write_cases([case("A"), case("=B")], DAY, "json", "en", tmp_path / "list.json")
    first = json.loads(path.read_text())[0]
    assert list(first) == list(COLUMNS), "programs read its names, in either language"
    assert first["case_date"] == DAY.isoformat()
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
        (case("A", place=None, value=None, selection="random"), "is on the list, drawn at random"),
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
    assert state_of(case("A", event="assigned", crew="two"), EN) == "open → assigned (two)"
    assert state_of(case("A", event="assigned", crew="deux"), FR) == "ouvert → attribué (deux)"
    lapsed = case("B", state="lapsed", previous_state="open", selection=None)
    known = CaseList(DAY, (case("A", is_new=True), lapsed))
    print_cases(known, known.on_list(), EN)
    shown = capsys.readouterr().out
    assert "list of 2024-03-05: 1 to visit of 2 cases" in shown
    assert "new since the day before: A-20240301" in shown
    assert "lapsed since the day before: 1: B-20240301" in shown


def test_a_week_without_random_visits_has_no_lift(capsys: pytest.CaptureFixture[str]) -> None:
    week = Week(
        DAY, "ranked", 2, 1, 3, 3, 1, Decimal("0.33"), Decimal("0.1"), Decimal("0.7"), None, None, None, None, None, None, Decimal(50),
        Decimal("1234.5"), "XAF", 3, 1, Decimal("1.2"), Decimal("0.2"),
    )  # fmt: skip
    print_performance([week, replace(week, lift=Decimal(3), lift_low=Decimal(1), lift_high=Decimal(9))], EN)
    without, with_lift = capsys.readouterr().out.splitlines()[1:3]
    assert "1 of 3" in without
    assert "3.0  1.0 … 9.0" in with_lift
    assert "1.2 for 1" in with_lift


def test_numbers_and_days_are_written_as_the_language_does() -> None:
    assert (EN.number(Decimal("1234.56"), 1), FR.number(Decimal("1234.56"), 1)) == ("1,234.6", "1\u202f234,6")
    assert (EN.number(-0.01, 1), FR.number(Decimal("-0.01"), 1)) == ("0.0", "0,0")
    assert (EN.percent(Decimal("0.574")), FR.percent(0.5741, 1)) == ("57%", "57,4\u202f%")
    assert (EN.day(DAY), FR.day(DAY), FR.day(None), FR.number(None)) == ("2024-03-05", "05/03/2024", "–", "–")
    assert FR.days("depuis le 2024-03-05: M1-20240305, livre/2024-03-05.csv, sheet-M1-2024-03-05.pdf") == (
        "depuis le 05/03/2024: M1-20240305, livre/2024-03-05.csv, sheet-M1-2024-03-05.pdf"
    ), "names stay"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("table", case_words.ALL)
def test_every_text_of_the_commands_is_there_in_both_languages(table: str) -> None:
    for key, (english, french) in case_words.ALL[table].items():
        assert english and french, key
        assert placeholders(english) == placeholders(french), key
        if " " in english:
            assert english != french or not re.search("[a-z]{4}", re.sub("{[a-z]+}", "", english)), (
                f"{key} is not French"
            )


def test_every_piece_of_evidence_is_described_in_french() -> None:
    assert [piece.name for piece in PIECES if not piece.in_french or piece.in_french == piece.description] == []


def texts_asked_for() -> set[str]:
    """The keys that the commands and what they call ask of the texts, by the code."""
    found: set[str] = set()
    for name in (
        "case_commands",
        "operations/cases",
        "operations/theft",
        "operations/decisions",
        "operations/case_files",
        "operations/case_sheets",
        "case_sheet/read",
    ):
        text = (REPOSITORY / "energy_assets" / f"{name}.py").read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("[a-z_]+", node.value):
                found.add(node.value)
    return found


def test_no_text_is_translated_that_no_command_says() -> None:
    assert set(case_words.TEXTS) <= texts_asked_for()


def sentences(code: str) -> list[str]:
    """What is printed as it stands in the code: texts of printing calls, but for what another call is given."""

    def texts(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif not isinstance(node, ast.Call):
            for inner in ast.iter_child_nodes(node):
                yield from texts(inner)

    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    printing = [call for call in calls if ast.unparse(call.func) in ("out.print", "say", "fail", "HomeError")]
    said = [text for call in printing for argument in call.args for text in texts(argument)]
    return [text for text in said if re.search("[A-Za-z]{2}", text)]


def test_the_commands_print_no_sentence_of_their_own() -> None:
    """All that they say is looked up, so that it is there in French too."""
    code = (REPOSITORY / "energy_assets" / "case_commands.py").read_text("utf-8")
    assert sentences("out.print(f'nothing to {what}', markup=False)") == ["nothing to "]
    assert sentences(code) == []


def test_a_french_analyst_reads_no_english(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [
        case("A", onset_date=date(2024, 2, 4), reason_fr="-64 % depuis le 2024-02-04; à zéro", bill_effect_per_month=Decimal("1234.5")),
        case("B", place=None, selection="random", is_new=True),
        case("C", state="lapsed", previous_state="open", selection=None),
    ]  # fmt: skip
    known = CaseList(DAY, tuple(listed))
    print_cases(known, known.on_list(), FR)
    week = Week(DAY, "random", 2, 1, 3, 3, 1, *[Decimal("0.33")] * 3, *[None] * 3, Decimal(3), Decimal(1), Decimal(9), Decimal(50),
        Decimal("1234.5"), "XAF", 3, 1, Decimal("1.2"), None)  # fmt: skip
    print_performance([week], FR)
    day = (DAY, "open", 1, Decimal("0.5"), Decimal("12345.50"), DAY, None)
    events = (
        (DAY, "assigned", "Équipe 2", None, None, "awa", None),
        (DAY, "theft", None, None, "pont", None, Decimal("120.5")),
    )
    print_history(History(listed[0], (day,), events), FR)
    suspect = Suspect("A", "T1", 0.7, 0.5, "prior", DAY, 1.4, 1.0, 2.0, "fell", "baisse", "scored", "m", 2, 1200)
    evidence = (Piece("zero_share", "peers", "Share of intervals at zero", "Part d'intervalles à zéro", 0.5, 0.95),)
    print_dossier(Dossier(DAY, suspect, 28, evidence, DAY, (("A", 1.4, "missing"), ("", -0.2, None))), FR)
    shown = capsys.readouterr().out
    told = [
        "liste du 05/03/2024 : 2 à visiter sur 3 dossiers", "04/02/2024", "-64 % depuis le 04/02/2024 ; à zéro", "1\u202f23", "ouvert", "au hasard",
        "nouveaux depuis la veille : B-20240301", "éteint depuis la veille : 1 : C-20240301", "semaine au", "1 sur 3", "1,2 pour 1", "justesse",
        "A-20240301  compteur A  derrière T1", "vaut 12\u202f346 XAF", "en repos jusqu'au 05/03/2024", "attribué, à Équipe 2, par awa",
        "fraude, 120,5 kWh récupérés, « pont »", "score 0,700, rang 2 sur 1\u202f200 · fraude probable à 50,0\u202f%", "cache      1,4 kWh par jour",
        "pertes T1  A explique 1,4 kWh par jour, par ce qui manque", "indices", "plus à l'écart que 95,0\u202f%  Part d'intervalles à zéro",
    ]  # fmt: skip
    assert [words for words in told if words not in shown] == []
    english = {
        "case",
        "likely",
        "since",
        "worth",
        "open",
        "random",
        "new",
        "day",
        "week",
        "visits",
        "theft",
        "right",
        "behind",
        "place",
        "explains",
    }
    assert english & set(re.findall(r"[a-z]+", shown)) == set()


def test_what_cannot_be_done_is_said_in_the_readers_language() -> None:
    refused = CaseError("ended_already", case="A-20240301", state="cleared", day=DAY)
    assert str(refused) == "A-20240301 ended as cleared on 2024-03-05: energy-assets case reopen A-20240301 first"
    assert (
        refused.told("fr")
        == "A-20240301 est clos (blanchi) depuis le 05/03/2024 : d'abord energy-assets case reopen A-20240301"
    )
    held = CaseError("cases_held_back", day=DAY, state="red", iso=DAY.isoformat())
    assert (
        held.told("fr")
        == "les dossiers du 05/03/2024 sont retenus (rouge) : energy-assets why 2024-03-05 mart_theft_cases"
    )


@pytest.mark.parametrize(("asked", "spoken"), [(None, "fr"), (Language.en, "en")])
def test_energy_language_speaks_where_no_command_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, asked: Language | None, spoken: str
) -> None:
    monkeypatch.setenv("ENERGY_LANGUAGE", "fr")
    settings.cache_clear()
    try:
        with told_in(asked) as words:
            assert words.language == spoken
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_an_error_is_headed_in_the_readers_language(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), told_in(Language.fr):
        raise CaseError("no_cases")
    assert capsys.readouterr().err.startswith("erreur aucun jour n'a encore de dossiers")
