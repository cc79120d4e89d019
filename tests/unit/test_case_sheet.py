"""The sheet of a case: what stands on it, in which language, and that it needs nothing but itself."""

from __future__ import annotations

import re
import string
import sys
import zlib
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from energy_assets.case_sheet import words as vocabulary
from energy_assets.case_sheet.charts import daily_chart, loss_chart, mean_chart
from energy_assets.case_sheet.facts import (
    CaseFacts,
    DailyCourse,
    Estimate,
    Explained,
    Kind,
    LossCourse,
    MeanDay,
    MeanWeek,
    Neighbour,
    Score,
    Sheet,
    Subject,
    Whereabouts,
)
from energy_assets.case_sheet.pdf import pdf_of
from energy_assets.case_sheet.read import expectation, mean_week, off_hours, peers_course
from energy_assets.case_sheet.sheet import MOST_LISTED, default_name, html_of
from energy_assets.case_sheet.words import CHECKS, CHECKS_OF, TEXTS, Words, check_codes
from energy_assets.operations.errors import OperationError
from energy_assets.words import CLASSES, STATES
from ml.theft.reasons import WAY_WORDS
from ml.theft.reasons import WORDS as REASONS

DAY = date(2024, 2, 29)
ONSET = date(2024, 1, 15)
DAYS = [DAY - timedelta(days=59 - number) for number in range(60)]
EN, FR = Words("en"), Words("fr")
VOID = {"meta", "br", "img", "link", "input"}
SVG = "{http://www.w3.org/2000/svg}"
LOADING = ("src", "srcset", "data", "action", "poster", "background")


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, and the text of each kind of element. Fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.styles = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.text = self.text.replace("\xa0", " ")
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.styles += data
        else:
            self.text += data


def score(**changes: object) -> Score:
    known = Score(
        score=0.973,
        probability=0.04,
        place=3,
        scored=1200,
        onset=ONSET,
        hidden=Estimate(33.42, 31.1, 34.8),
        reasons=(
            {"code": "explains_loss", "kwh": 33.4, "share": 95, "transformer": "T<3>", "way": "share"}
            | {"way_en": WAY_WORDS["share"][0], "way_fr": WAY_WORDS["share"][1]},
            {"code": "level_fell", "change": -54, "peers": 1, "since": ONSET.isoformat()},
        ),
        told_en="",
        told_fr="",
        known_days=28,
    )
    return replace(known, **changes)


def daily(**changes: object) -> DailyCourse:
    reported = np.where([day < ONSET for day in DAYS], 40.0, 18.5)
    reported[[5, 40]] = np.nan
    known = DailyCourse(
        days=DAYS,
        reported_kwh=reported,
        is_estimated=np.arange(60) == 20,
        expected_kwh=np.full(60, 40.0),
        off_hours=np.where(np.arange(60) % 9 == 0, 6.0, 0.0),
        onset=ONSET,
        peers=27,
        are_siblings=True,
    )
    return replace(known, **changes)


def mean() -> MeanDay:
    course = 1 + np.sin(np.arange(48) / 48 * np.pi)
    return MeanDay(30, course, course / 2, course * 1.1, 14, 28)


def loss(**changes: object) -> LossCourse:
    lost = np.where([day < ONSET for day in DAYS], 1.0, 30.0)
    explained = Explained(ONSET, date(2024, 2, 26), Estimate(33.4, 31.1, 34.8))
    known = LossCourse(DAYS, lost, lost - 2, lost + 2, np.full(60, 120.0), np.zeros(60), 0, explained)
    return replace(known, **changes)


def neighbour(name: str, value: float, **changes: object) -> Neighbour:
    return replace(Neighbour(name, "household", score(score=value), None, 4.2), **changes)


def sheet(**changes: object) -> Sheet:
    known = Sheet(
        subject=Subject(Kind.METER, "<b>$1$</b>"),
        day=DAY,
        case=None,
        whereabouts=Whereabouts("household", "T<3>", "F1", 4.07725, 9.70469, True, 3, 60.0),
        score=score(),
        daily=daily(),
        mean=mean(),
        loss=loss(),
        neighbours=[neighbour("M&2", 0.7)],
        other_meters=23,
    )
    return replace(known, **changes)


def of_transformer(meters: int = 30, **changes: object) -> Sheet:
    others = [neighbour(f"M{number:03}", 0.1, score=None) for number in range(meters)]
    subject = Subject(Kind.TRANSFORMER, "T<3>")
    place = Whereabouts(transformer_id="T<3>", feeder_id="F1", rating_kva=50.0, connected_meters=meters)
    known = sheet(
        subject=subject, whereabouts=place, score=None, daily=None, mean=None, neighbours=others, other_meters=0
    )
    return replace(known, **changes)


CASE = CaseFacts("C-17", date(2024, 2, 20), "assigned", 3, 0.62, 412.0, 11800.0, 74100.0, 6000.0, "XAF")
SHEETS = {
    "meter": sheet(),
    "case": sheet(case=CASE),
    "transformer": of_transformer(case=CASE),
    "without a register": sheet(whereabouts=Whereabouts(), loss=None, neighbours=[], other_meters=0, score=None),
    "no onset": sheet(daily=daily(onset=None), score=score(onset=None)),
    "no expectation": sheet(daily=daily(expected_kwh=np.full(60, np.nan), peers=0)),
    "nothing to expect": sheet(daily=daily(onset=None, expected_kwh=np.full(60, np.nan), peers=0)),
    "daily readings": sheet(mean=MeanWeek(np.full(7, 40.0), np.full(7, 18.0), 14, 28)),
    "not scored": sheet(score=score(score=None, probability=None, known_days=3)),
    "no readings": sheet(daily=None, mean=None),
    "an unbalanced transformer": of_transformer(loss=None),
}


@cache
def page_of(name: str, language: str) -> Page:
    return Page(html_of(SHEETS[name], language))


@pytest.mark.parametrize(("name", "language"), [(name, "en") for name in SHEETS] + [("case", "fr")])
def test_a_sheet_is_one_page_of_html_that_asks_for_nothing(name: str, language: str) -> None:
    page = page_of(name, language)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form"}
    for _, attributes in page.elements:
        assert not set(attributes) & set(LOADING)
        address = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert address.startswith(("#", "geo:"))
    everything = page.styles + " ".join(str(value) for _, attributes in page.elements for value in attributes.values())
    assert "@import" not in everything
    assert all(at.startswith("#") for at in re.findall(r"url\(([^)]*)\)", everything))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "what refers into a chart that is not shown draws nothing"
    assert "nan" not in page.text.lower().replace("maintenance", "")


def test_identifiers_are_text_and_nothing_else() -> None:
    page = page_of("meter", "en")
    assert "b" not in {tag for tag, _ in page.elements}
    assert page.text.count("<b>$1$</b>") == 2, "in the title and in the heading"
    assert "Non-technical loss of T<3>" in page.text
    assert "M&2" in page.text
    assert default_name(Subject(Kind.METER, "a/<b>"), DAY, "pdf") == "sheet-a_b_-2024-02-29.pdf"


def test_numbers_and_dates_are_written_in_the_language() -> None:
    english, french = (page_of("case", language).text for language in ("en", "fr"))
    assert "explains 33.4 kWh a day of T<3>'s loss (95 %), at all hours" in english
    assert "explique 33,4 kWh par jour des pertes de T<3> (95 %), à toute heure" in french
    assert "−54 % since 15 Jan 2024, peers 1 %" in english
    assert "−54 % depuis le 15 janv. 2024, voisins 1 %" in french
    assert "74,100 FCFA" in english
    assert "74\u202f100 FCFA" in french
    assert "31,1" in french
    assert "A score is a reason to look, not a proof." in english
    assert "Un score est une raison d'aller voir, pas une preuve." in french
    assert "assigned" in english
    assert "attribué" in french


def test_a_telephone_finds_the_place() -> None:
    page = page_of("meter", "en")
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["geo:4.07725,9.70469?q=4.07725,9.70469"]


def test_what_is_not_known_is_said() -> None:
    assert "Not scored: 3 of the last 28 days are known" in page_of("not scored", "en").text
    without = page_of("without a register", "en").text
    assert "A fleet of fewer than ten meters has none." in without
    assert "The register names no transformer." in without
    assert "what is lost there is not known" in without
    assert "Too few days before 15 Jan 2024 are known" in page_of("no expectation", "en").text
    assert "No readings of these weeks may be read." in page_of("no readings", "en").text


def test_a_transformers_sheet_names_each_of_its_meters() -> None:
    page = Page(html_of(of_transformer(40), "en"))
    assert all(page.text.count(f"M{number:03}") == 1 for number in range(40))
    assert page.text.count("reports 4.2 kWh a day") == MOST_LISTED
    assert "33.4 kWh a day of its loss follow no meter (31.1 to 34.8 kWh, 90 %)" in page.text
    assert "hooks, cables without a meter" in page.text
    little = Explained(None, DAY, Estimate(-0.2, -0.5, 0.1))
    assert "nothing to speak of" in Page(html_of(of_transformer(loss=loss(explained=little)), "en")).text


def texts_of(svg: str) -> list[str]:
    """Texts that a chart shows."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314


@pytest.mark.parametrize(("words", "told"), [(EN, "since 15 Jan 2024"), (FR, "depuis le 15 janv. 2024")])
def test_a_chart_tells_what_it_shows_and_only_that(words: Words, told: str) -> None:
    shown = [text.replace("\xa0", " ") for text in texts_of(daily_chart(daily(), words))]
    keys = ("reported", "expected", "missing_energy", "outage", "no_readings", "partly_estimated", "kwh_per_day")
    assert {told, *map(words, keys)} <= set(shown)

    full = daily(reported_kwh=np.full(60, 40.0), is_estimated=np.zeros(60, bool), off_hours=np.zeros(60), onset=None)
    calm = texts_of(daily_chart(full, words, is_narrow=True))
    assert not set(calm) & set(map(words, keys[1:6]))
    assert words("peers_course") in calm


def test_a_day_without_readings_is_a_gap_in_the_line() -> None:
    def strokes(reported: np.ndarray) -> int:
        svg = daily_chart(daily(reported_kwh=reported, expected_kwh=np.full(60, np.nan), onset=None), EN)
        line = max(re.findall(r'<path d="([^"]*)"[^>]*stroke: #000000', svg), key=len)
        return line.count("M ")

    full = np.full(60, 40.0)
    holed = full.copy()
    holed[[20, 40]] = np.nan
    assert strokes(full) == 1
    assert strokes(holed) == 3


def test_axes_have_units_and_numbers_of_the_language() -> None:
    shown = texts_of(mean_chart(mean(), FR, "household"))
    assert {"kW", "heure", "avant (14 jours)", "4 dernières semaines", "ménage, à son niveau", "0,5"} <= set(shown)
    assert "0.5" in texts_of(mean_chart(mean(), EN, "household"))
    week = texts_of(mean_chart(MeanWeek(np.full(7, 40.0), np.full(7, 18.0), 14, 28), FR, None))
    assert {"lun.", "dim.", "kWh par jour"} <= set(week)
    assert FR("this_meter") in texts_of(loss_chart(loss(), FR, Kind.METER))
    assert FR("nobody") in texts_of(loss_chart(loss(), FR, Kind.TRANSFORMER, is_narrow=False))
    assert FR("nobody") not in texts_of(loss_chart(loss(explained=None), FR, Kind.TRANSFORMER))


def test_the_bar_of_what_a_meter_explains_is_within_the_chart_where_the_loss_is_negative() -> None:
    svg = loss_chart(
        loss(loss_kwh=np.full(60, -20.0), low_kwh=np.full(60, -22.0), high_kwh=np.full(60, -18.0)), EN, Kind.METER
    )
    labels = [
        float(text.replace("−", "-").replace(",", "")) for text in texts_of(svg) if re.fullmatch(r"[−\d,.]+", text)
    ]
    assert min(labels) < 0
    assert max(labels) >= 30


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("table", [TEXTS, CHECKS, STATES, CLASSES], ids=["texts", "checks", "states", "classes"])
def test_every_text_says_the_same_in_both_languages(table: dict[str, tuple[str, str]]) -> None:
    for english, french in table.values():
        assert english
        assert french
        assert placeholders(english) == placeholders(french)


def test_every_reason_says_where_to_look() -> None:
    codes = {*REASONS, *(f"explains_loss.{way}" for way in WAY_WORDS)} - {"explains_loss"}
    assert codes <= set(CHECKS_OF)
    assert {check for checks in CHECKS_OF.values() for check in checks} <= set(CHECKS)
    told = EN.checks(check_codes(score().reasons))
    assert told[0] == CHECKS["seal"][0]
    assert told[1] == CHECKS["clamp"][0]
    assert told[-1] == CHECKS["display"][0]
    assert len(told) <= vocabulary.MOST_CHECKS


def test_a_reason_of_a_newer_version_is_told_as_it_was_found() -> None:
    unknown = score(reasons=({"code": "of_tomorrow"},), told_en="something new; and more", told_fr="du nouveau")
    assert EN.reasons(unknown.reasons, unknown.told_en, unknown.told_fr) == ["something new", "and more"]
    assert FR.reasons(unknown.reasons, unknown.told_en, unknown.told_fr) == ["du nouveau"]


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [(0.04, "0.0", "0,0"), (-0.04, "0.0", "0,0"), (-12.34, "−12.3", "−12,3"), (12345.6, "12,346", "12\u202f346")],
)
def test_energy_has_a_tenth_while_it_is_small(value: float, english: str, french: str) -> None:
    assert (EN.kwh(value), FR.kwh(value)) == (english, french)


def base(days: int, until: int) -> np.ndarray:
    return np.arange(days) < until


def test_an_expectation_is_the_own_level_before_on_the_peers_course() -> None:
    course = np.linspace(1, 2, 30)
    energy = np.outer([1.0, 2.0, 5.0, 10.0, 100.0, 3.0], course)
    energy[3, 20:] = 0.0  # one of them steals as well
    peers, used = peers_course(energy, base(30, 14))
    assert used == 6
    assert peers == pytest.approx(course / course[:14].mean())

    reported = 4.0 * course
    reported[14:] *= 0.3
    assert expectation(reported, peers, base(30, 14)) == pytest.approx(4.0 * course)


@pytest.mark.parametrize("count", [0, 4])
def test_few_peers_are_no_peers_and_a_level_alone_needs_an_onset(count: int) -> None:
    assert peers_course(np.ones((count, 30)), base(30, 14)) == (None, 0)
    reported = np.full(30, 4.0)
    assert expectation(reported, None, base(30, 14)) == pytest.approx(reported)
    assert np.isnan(expectation(reported, None, base(30, 30))).all()
    assert np.isnan(expectation(reported, None, base(30, 6))).all(), "six days are no level"


def test_a_peer_that_was_hardly_read_before_is_not_asked() -> None:
    energy = np.ones((6, 30))
    energy[0, :10] = np.nan
    assert peers_course(energy, base(30, 14))[1] == 5


def test_outages_that_overlap_count_once() -> None:
    hour = 3600
    dark = [
        (DAYS[1], 2 * hour, 6 * hour),
        (DAYS[1], 4 * hour, 8 * hour),
        (DAYS[1], 5 * hour, 6 * hour),
        (DAYS[2], 0, 24 * hour),
    ]
    assert off_hours(dark, DAYS[:4]).tolist() == [0.0, 6.0, 24.0, 0.0]


def test_a_week_of_daily_readings_leaves_outages_out_where_it_can() -> None:
    reported = np.where([day < ONSET for day in DAYS], 40.0, 20.0)
    off = np.zeros(60)
    off[-1], reported[-1] = 12.0, 1.0
    week = mean_week(daily(reported_kwh=reported, off_hours=off), DAY - timedelta(days=27))
    assert week.before_kwh == pytest.approx(np.full(7, 40.0))
    assert week.recent_kwh == pytest.approx(np.full(7, 20.0))


def content_of(pdf: bytes) -> bytes:
    """The file with what it holds packed."""
    unpacked = [pdf]
    for packed in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        with suppress(zlib.error):
            unpacked.append(zlib.decompress(packed))
    return b"\n".join(unpacked)


LONG = {
    "code": "explains_loss", "kwh": 33.4, "share": 95, "transformer": "TRANSFORMER-0003", "way": "missing",
    "way_en": WAY_WORDS["missing"][0], "way_fr": WAY_WORDS["missing"][1],
}  # fmt: skip
FULL = sheet(
    case=CASE,
    score=score(reasons=(LONG, *score().reasons, LONG)),
    neighbours=[neighbour(f"METER-00000{number}", 0.9, explained_kwh=12.3) for number in range(5)],
    loss=loss(elsewhere_kwh=-12.0),
    is_misplaced=True,
    has_drifting_clock=True,
)


@pytest.mark.parametrize(
    ("of", "language"),
    [(FULL, "fr"), (of_transformer(100, case=CASE), "fr"), (SHEETS["without a register"], "en")],
    ids=["full", "transformer", "little"],
)
def test_a_pdf_is_one_page_of_text_and_lines(of: Sheet, language: str) -> None:
    pytest.importorskip("plutoprint")
    pdf = pdf_of(html_of(of, language))
    assert pdf.startswith(b"%PDF")
    content = content_of(pdf)
    assert len(re.findall(rb"/Type\s*/Page\b", content)) == 1
    assert not re.search(rb"/Subtype\s*/Image", content), "a part of a chart became a picture"


def test_where_no_pdf_can_be_made_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plutoprint", None)
    with pytest.raises(OperationError, match="--format html"):
        pdf_of("<p>")
