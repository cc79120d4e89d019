"""The sheet itself: what is known, in words and pictures, as one HTML file or one page of PDF.

What belongs here: which facts stand where. What does not: reading them (read.py), charts, and the page's look (templates/).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.case_sheet.charts import daily_chart, loss_chart, mean_chart
from energy_assets.case_sheet.facts import (
    CaseFacts,
    DailyCourse,
    Explained,
    Kind,
    MeanWeek,
    Neighbour,
    Score,
    Sheet,
    Subject,
)
from energy_assets.case_sheet.pdf import pdf_of
from energy_assets.case_sheet.read import RECENT_DAYS, read_sheet
from energy_assets.case_sheet.words import Words, check_codes
from energy_assets.landing.contract import OUTCOMES
from energy_assets.words import Language

if TYPE_CHECKING:
    import jinja2

    from energy_assets.resources.warehouse import Warehouse

TEMPLATE = "sheet.html.j2"
COORDINATE_DIGITS = 5
MOST_LISTED, MOST_NAMED = 10, 110
"""Of a transformer's meters so many have a line each, and those up to the second number their names."""


@dataclass(frozen=True)
class Picture:
    """A chart with what is said of it: for paper and large screens, and narrower for phones where one size does not fit both."""

    title: str
    told: str
    svg: str
    narrow_svg: str | None = None


@dataclass(frozen=True)
class Fact:
    """A labelled value; `note` is said smaller, `link` an address."""

    label: str
    value: str
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Listed:
    """A line of the list of meters."""

    meter_id: str
    customer_class: str
    score: str
    told: str


def write_sheet(
    warehouse: Warehouse, subject: Subject, day: date, language: Language, out: Path, facts: CaseFacts | None = None
) -> Path:
    """Write the sheet of `subject` as of `day` to `out`: as PDF where its name ends with .pdf, else as HTML. Returns `out`.

    Raises HomeError where the day may not be read, OperationError where a PDF cannot be made here.
    """
    html = html_of(read_sheet(warehouse, subject, day, facts), language)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".pdf":
        out.write_bytes(pdf_of(html))
    else:
        out.write_text(html, encoding="utf-8")
    return out


def default_name(subject: Subject, day: date, ending: str) -> str:
    """A file's name: of identifiers only what any file system takes."""
    return f"sheet-{re.sub(r'[^A-Za-z0-9._-]+', '_', subject.identifier)}-{day}.{ending}"


def html_of(sheet: Sheet, language: Language) -> str:
    """The sheet as one HTML document that needs nothing else: no script, no other file, no network."""
    words = Words(language)
    return _template().render(
        words=words,
        language=language,
        name=f"{words(sheet.subject.kind.value)} {sheet.subject.identifier}",
        day=words.day(sheet.day),
        headline=_headline(sheet, words),
        facts=_facts(sheet, words),
        reasons=_reasons(sheet, words),
        numbers=_numbers(sheet, words),
        first=_first_picture(sheet, words),
        pictures=_pictures(sheet, words),
        missing=_missing(sheet, words),
        list_title=words("neighbours" if sheet.subject.kind is Kind.METER else "its_meters"),
        listed=[_listed(neighbour, words) for neighbour in sheet.neighbours[:MOST_LISTED]],
        named=[neighbour.meter_id for neighbour in sheet.neighbours[MOST_LISTED:MOST_NAMED]],
        list_note=_list_note(sheet, words),
        is_of_transformer=sheet.subject.kind is Kind.TRANSFORMER,
        checks=_checks(sheet, words),
        outcomes=[words(outcome) for outcome in OUTCOMES],
    )


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("energy_assets.case_sheet"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)


def _headline(sheet: Sheet, words: Words) -> list[Fact]:
    """The few numbers that stand large: place, likelihood, worth."""
    found = []
    case, score = sheet.case, sheet.score
    if case and case.place is not None:
        found.append(Fact(words("place"), words.number(case.place)))
    elif score and score.score is not None:
        told = words("place_of_scored", place=words.number(score.place), scored=words.number(score.scored))
        found.append(Fact(words("place_of_fleet"), told))
    if score and score.score is not None:
        found.append(Fact(words("score"), words.number(score.score, 2)))
    probability = case.probability if case and case.probability is not None else score.probability if score else None
    if probability is not None:
        basis = "" if case and case.probability is not None else words("probability_basis")
        found.append(Fact(words("probability"), words.percent(probability), basis))
    if case and case.value is not None:
        cost = words.money(case.visit_cost, case.currency) if case.visit_cost is not None else ""
        note = words("visit_cost", cost=cost) if cost else ""
        found.append(Fact(words("value"), words.money(case.value, case.currency), note))
    return found


def _facts(sheet: Sheet, words: Words) -> list[Fact]:
    """Where the subject is, and the case it belongs to."""
    place, case = sheet.whereabouts, sheet.case
    found = []
    if case:
        opened = words("opened", day=words.day(case.opened_on)) if case.opened_on else ""
        found.append(Fact(words("case"), case.case_id, opened))
        if case.state:
            found.append(Fact(words("state"), words.state(case.state)))
    if sheet.subject.kind is Kind.METER:
        kinds = [
            words("prepaid") if place.is_prepaid else "",
            words.phases(place.phases) if place.phases else "",
            words("multiplier", multiplier=words.number(place.ct_multiplier, 0 if place.ct_multiplier % 1 == 0 else 2))
            if place.ct_multiplier is not None and place.ct_multiplier != 1
            else "",
        ]
        known_class = words.customer_class(place.customer_class) if place.customer_class else words("not_known")
        found.append(Fact(words("class"), known_class, ", ".join(kind for kind in kinds if kind)))
        feeder = words("of_feeder", feeder=place.feeder_id) if place.feeder_id else ""
        found.append(Fact(words("transformer"), place.transformer_id or words("not_known"), feeder))
    elif place.feeder_id:
        found.append(Fact(words("feeder"), place.feeder_id))
    if place.rating_kva:
        found.append(Fact(words("rating"), words("kva", kva=words.number(place.rating_kva))))
    if place.connected_meters is not None:
        found.append(Fact(words("connected"), words.number(place.connected_meters)))
    if place.latitude is not None and place.longitude is not None:
        at = [f"{value:.{COORDINATE_DIGITS}f}" for value in (place.latitude, place.longitude)]
        # Some telephones drop a pin only at a place that is asked for.
        link = f"geo:{at[0]},{at[1]}?q={at[0]},{at[1]}"
        found.append(Fact(words("coordinates"), f"{at[0]}, {at[1]}", link=link))
    if case:
        found += _worth(case, words)
    return found


def _worth(case: CaseFacts, words: Words) -> list[Fact]:
    """What is recoverable, and what it does to the customer's bill."""
    bill = ""
    if case.bill_effect_per_month is not None:
        bill = words("a_month", amount=words.money(case.bill_effect_per_month, case.currency))
    if case.recoverable_kwh is not None:
        note = words("on_the_bill", amount=bill) if bill else ""
        return [Fact(words("recoverable"), words("kwh", kwh=words.kwh(case.recoverable_kwh)), note)]
    return [Fact(words("bill_effect"), bill)] if bill else []


def _reasons(sheet: Sheet, words: Words) -> list[str]:
    if sheet.subject.kind is Kind.TRANSFORMER:
        return _reasons_of_transformer(sheet, words)
    score = sheet.score
    if score is None:
        found = [words("no_scores")]
    elif score.score is None:
        found = [words("not_scored", days=words.number(score.known_days or 0))]
    else:
        found = words.reasons(score.reasons, score.told_en, score.told_fr) or [words("no_reason")]
    if sheet.is_misplaced:
        found.append(words("misplaced", transformer=sheet.whereabouts.transformer_id))
    if sheet.has_drifting_clock:
        found.append(words("drifting_clock"))
    return found


def _reasons_of_transformer(sheet: Sheet, words: Words) -> list[str]:
    loss = sheet.loss
    if loss is None:
        return [words("no_loss")]
    found = []
    lately = slice(-RECENT_DAYS, None)
    lost, came_in = loss.loss_kwh[lately], loss.energy_in_kwh[lately]
    known = lost == lost
    if known.any() and came_in[known].sum() > 0 and lost[known].sum() > 0:
        share = words.number(100 * lost[known].sum() / came_in[known].sum(), 1)
        found.append(words("loss_share", kwh=words.kwh(float(lost[known].mean())), share=share))
    if loss.elsewhere_kwh is not None:
        found.append(_told_of_elsewhere(loss.elsewhere_kwh, words))
    explaining = [one.explained_kwh for one in sheet.neighbours if one.explained_kwh is not None]
    if explaining:
        found.append(words("meters_explain", kwh=words.kwh(sum(explaining)), count=words.number(len(explaining))))
    if loss.explained:
        found.append(_told_of_nobody(loss.explained, words))
    if loss.implausible_days:
        found.append(_told_of_implausible(loss.implausible_days, words))
    return found or [words("no_reason")]


def _told_of_nobody(explained: Explained, words: Words) -> str:
    of = explained.estimate
    low, high = (of.kwh if value is None else value for value in (of.low_kwh, of.high_kwh))
    numbers = {"kwh": words.kwh(of.kwh), "low": words.kwh(low), "high": words.kwh(high)}
    return words("nobodys_loss" if low > 0 else "nothing_left", day=words.day(explained.until), **numbers)


def _told_of_implausible(days: int, words: Words) -> str:
    return words("implausible_once") if days == 1 else words("implausible", days=words.number(days))


def _told_of_elsewhere(kwh: float, words: Words) -> str:
    return words("drawn_from_here" if kwh > 0 else "drawn_elsewhere", kwh=words.kwh(abs(kwh)))


def _numbers(sheet: Sheet, words: Words) -> list[Fact]:
    """Since when, and how much a day."""
    score = sheet.score
    if score is None or score.score is None:
        return []
    explained = sheet.loss.explained if sheet.loss else None
    if score.onset:
        since = words.day(score.onset)
    else:
        since = words("throughout" if explained and explained.since is None else "no_onset")
    found = [Fact(words("since"), since)] if score.reasons else []
    if score.hidden:
        hidden = score.hidden
        note = ""
        if hidden.low_kwh is not None and hidden.high_kwh is not None:
            note = words("interval", low=words.kwh(hidden.low_kwh), high=words.kwh(hidden.high_kwh))
        found.append(Fact(words("hidden"), words("kwh_a_day", kwh=words.kwh(hidden.kwh)), note))
    return found


def _first_picture(sheet: Sheet, words: Words) -> Picture | None:
    """What fills the width: of a meter its energy, of a transformer its loss."""
    if sheet.subject.kind is Kind.TRANSFORMER:
        if sheet.loss is None:
            return None
        wide, narrow = (loss_chart(sheet.loss, words, Kind.TRANSFORMER, is_narrow=one) for one in (False, True))
        return Picture(words("loss_title", transformer=sheet.subject.identifier), "", wide, narrow)
    if sheet.daily is None:
        return None
    wide, narrow = (daily_chart(sheet.daily, words, is_narrow=one) for one in (False, True))
    return Picture(words("daily_title"), _told_of_expectation(sheet.daily, words), wide, narrow)


def _told_of_expectation(daily: DailyCourse, words: Words) -> str:
    if not daily.has_expectation:
        peers = "none"
    elif not daily.peers:
        peers = "alone"
    else:
        peers = "siblings" if daily.are_siblings else "class"
    if daily.onset is None:
        return words(f"daily_told_no_onset_{peers}", peers=words.number(daily.peers))
    return words(f"daily_told_{peers}", onset=words.day(daily.onset), peers=words.number(daily.peers))


def _pictures(sheet: Sheet, words: Words) -> list[Picture]:
    """What stands side by side."""
    if sheet.subject.kind is Kind.TRANSFORMER:
        return []
    found = []
    if sheet.mean:
        title = words("mean_week_title" if isinstance(sheet.mean, MeanWeek) else "mean_day_title")
        found.append(Picture(title, "", mean_chart(sheet.mean, words, sheet.whereabouts.customer_class)))
    if sheet.loss:
        title = words("loss_title", transformer=sheet.whereabouts.transformer_id)
        told = "" if sheet.loss.elsewhere_kwh is None else _told_of_elsewhere(sheet.loss.elsewhere_kwh, words)
        found.append(
            Picture(
                title, told, loss_chart(sheet.loss, words, Kind.METER, onset=sheet.daily.onset if sheet.daily else None)
            )
        )
    return found


def _missing(sheet: Sheet, words: Words) -> list[str]:
    """What there is no picture of, and why."""
    if sheet.subject.kind is Kind.TRANSFORMER:
        return []
    found = []
    if sheet.daily is None:
        found.append(words("no_daily"))
    elif sheet.mean is None:
        found.append(words("no_mean"))
    if sheet.loss is None:
        found.append(words("no_loss"))
    return found


def _listed(neighbour: Neighbour, words: Words) -> Listed:
    score = neighbour.score
    if neighbour.is_misplaced:
        told = [words("fed_elsewhere")]
    elif neighbour.explained_kwh is not None:
        told = [f"{words('explains')} {words('kwh_a_day', kwh=words.kwh(neighbour.explained_kwh))}"]
    else:
        told = list(_told_of(score, words)[:1]) if score else []
    if not told and neighbour.recent_kwh is not None:
        told = [f"{words('reports')} {words('kwh_a_day', kwh=words.kwh(neighbour.recent_kwh))}"]
    return Listed(
        meter_id=neighbour.meter_id,
        customer_class=words.customer_class(neighbour.customer_class) if neighbour.customer_class else "",
        score=words.number(score.score, 2) if score and score.score is not None else "",
        told=told[0] if told else "",
    )


def _told_of(score: Score, words: Words) -> Sequence[str]:
    return words.reasons(score.reasons, score.told_en, score.told_fr)


def _list_note(sheet: Sheet, words: Words) -> str:
    count = sheet.other_meters or max(0, len(sheet.neighbours) - MOST_NAMED)
    if sheet.subject.kind is Kind.METER and not sheet.whereabouts.transformer_id:
        return words("no_transformer")
    if not sheet.neighbours:
        return words("no_neighbours", count=words.number(count)) if count > 0 else words("alone")
    if count <= 0:
        return ""
    return words("others_one") if count == 1 else words("others", count=words.number(count))


def _checks(sheet: Sheet, words: Words) -> list[str]:
    if sheet.subject.kind is Kind.TRANSFORMER:
        return words.checks_of_transformer()
    codes = check_codes(sheet.score.reasons) if sheet.score else []
    if sheet.is_misplaced:
        codes.insert(0, "misplaced")
    if sheet.has_drifting_clock:
        codes.append("drifting_clock")
    return words.checks(codes)
