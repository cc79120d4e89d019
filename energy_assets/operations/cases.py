"""The theft cases of a day: the list that is worth the drive, what changed, why a subject is not on it, and a case's history.

What belongs here: reading mart_theft_cases, and beside the newest day what was decided since. What does not: how a case goes on
(dbt_project/models/marts), writing decisions down (decisions.py), printing (case_commands.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from energy_assets.case_words import CaseError, CaseWords
from energy_assets.resources.gates import READABLE_STATES, newest_readable_day
from energy_assets.settings import settings

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

STATE_OF_DAY = "select state from quality.day_states where table_name = 'mart_theft_cases' and reading_date = %s"
CASES = """
    with since as (
        select distinct on (subject_kind, subject_id) *
        from (
            select subject_kind, subject_id, decided_on as happened_on, lower(event) as event, crew, until_on, false as is_visit
            from raw_data.current_case_events where %(newest)s and decided_on >= %(day)s
            union all
            select 'meter', meter_id, inspected_on, lower(outcome), null, null, true
            from raw_data.current_inspections where %(newest)s and inspected_on >= %(day)s
        ) as events
        order by subject_kind, subject_id, happened_on desc, is_visit desc
    )
    select
        cases.case_id, cases.subject_kind, cases.subject_id, cases.transformer_id, cases.customer_class, cases.latitude, cases.longitude,
        cases.origin, cases.opened_on, cases.state, cases.state_since, coalesce(since.crew, cases.crew), cases.suppressed_until,
        cases.last_visited_on, cases.visit_count, cases.recovered_kwh, cases.probability, cases.probability_basis, cases.onset_date,
        cases.stolen_kwh_per_day, cases.stolen_kwh_low, cases.stolen_kwh_high, cases.recoverable_kwh, cases.currency,
        cases.bill_effect_per_month, cases.visit_cost, cases.value, cases.place, cases.selection, cases.is_new, cases.previous_state,
        cases.previous_place, cases.reason_en, cases.reason_fr, since.event, since.happened_on, since.until_on
    from marts.mart_theft_cases as cases
    left join since using (subject_kind, subject_id)
    where cases.case_date = %(day)s
    order by cases.place nulls last, cases.case_id
"""
DAYS_OF = """
    select case_date, state, place, probability, value, suppressed_until, crew from marts.mart_theft_cases
    where case_id = %s order by case_date
"""
EVENTS_OF = """
    select decided_on, lower(event), crew, until_on, reason, decided_by, recovered_kwh from raw_data.current_case_events
    where subject_kind = %(kind)s and subject_id = %(id)s and decided_on >= %(opened)s
    union all
    select inspected_on, lower(outcome), null, null, notes, null, recovered_kwh from raw_data.current_inspections
    where %(kind)s = 'meter' and meter_id = %(id)s and inspected_on >= %(opened)s
    order by 1
"""
LATEST_OF = "select max(case_date) from marts.mart_theft_cases where case_id = %s"
ON_LIST = ("open", "assigned")
RANDOM = "random"
ENGLISH = CaseWords("en")


@dataclass(frozen=True)
class Case:
    """A case as of a day, and what was decided or found since (`event`, on `happened_on`). Energy in kWh, money in `currency`."""

    case_id: str
    subject_kind: str
    subject_id: str
    transformer_id: str | None
    customer_class: str | None
    latitude: Decimal | None
    longitude: Decimal | None
    origin: str
    opened_on: date
    state: str
    state_since: date
    crew: str | None
    suppressed_until: date | None
    last_visited_on: date | None
    visit_count: int
    recovered_kwh: Decimal | None
    probability: Decimal | None
    probability_basis: str | None
    onset_date: date | None
    stolen_kwh_per_day: Decimal | None
    stolen_kwh_low: Decimal | None
    stolen_kwh_high: Decimal | None
    recoverable_kwh: Decimal | None
    currency: str | None
    bill_effect_per_month: Decimal | None
    visit_cost: Decimal | None
    value: Decimal | None
    place: int | None
    selection: str | None
    is_new: bool
    previous_state: str | None
    previous_place: int | None
    reason_en: str
    reason_fr: str
    event: str | None
    happened_on: date | None
    until_on: date | None

    @property
    def is_on_list(self) -> bool:
        """Whether a visit is worth its cost and within those of a week, and nothing that was decided since speaks against it."""
        return self.selection is not None and (self.event is None or self.event in ON_LIST)

    @property
    def state_now(self) -> str:
        """The state, as what was decided since has changed it."""
        return self.event if self.event in ON_LIST else self.state

    @property
    def has_ended(self) -> bool:
        return self.state not in (*ON_LIST, "snoozed")


@dataclass(frozen=True)
class CaseList:
    """The cases of `day`, by place."""

    day: date
    cases: tuple[Case, ...]

    def on_list(self, most: int | None = None) -> tuple[Case, ...]:
        """What is to be visited: the `most` worthwhile, random visits last; grouped by transformer, in the order of each one's first."""
        chosen = [case for case in self.cases if case.is_on_list]
        return grouped(chosen[:most] if most else chosen)

    @property
    def opened(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.is_new)

    @property
    def changed(self) -> tuple[Case, ...]:
        """Cases whose state is not that of the day before."""
        return tuple(case for case in self.cases if case.previous_state and case.previous_state != case.state)


@dataclass(frozen=True)
class History:
    """A case through its days. `days` are those on which state or rest changed: (day, state, place, probability, value, rests until, crew);
    `events` what was decided and found: (day, what, crew, until, words, by whom, recovered kWh)."""

    case: Case
    days: tuple[tuple[Any, ...], ...]
    events: tuple[tuple[Any, ...], ...]


def grouped(cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases with those behind the same transformer beside each other: one drive."""
    order: dict[str, int] = {}
    for case in cases:
        order.setdefault(case.transformer_id or case.subject_id, len(order))
    return tuple(sorted(cases, key=lambda case: order[case.transformer_id or case.subject_id]))


def newest_day(warehouse: Warehouse) -> date:
    """The newest day whose cases may be read. Raises HomeError where there is none."""
    day = newest_readable_day(warehouse, "mart_theft_cases", with_rows=False)
    if day is None:
        raise CaseError("no_cases")
    return day


def case_list(warehouse: Warehouse, day: date | None = None) -> CaseList:
    """The cases of a day, by default of the newest. Raises HomeError where the day has none that may be read, with what to do."""
    newest = newest_day(warehouse)
    of = day or newest
    if of != newest:
        state = warehouse.rows(STATE_OF_DAY, (of,))
        if not state:
            raise CaseError("day_without_cases", day=of, newest=newest, iso=newest.isoformat())
        if state[0][0] not in READABLE_STATES:
            raise CaseError("cases_held_back", day=of, state=state[0][0], iso=of.isoformat())
    return CaseList(of, tuple(Case(*row) for row in warehouse.rows(CASES, {"day": of, "newest": of == newest})))


def found(known: CaseList, name: str) -> Case:
    """The case that is called so, or whose subject is. Raises HomeError where there is none, with what to do."""
    for case in known.cases:
        if name in (case.case_id, case.subject_id):
            return case
    raise CaseError("no_such_case", day=known.day, name=name)


def history(warehouse: Warehouse, name: str) -> History:
    """All that happened to a case, also to one that ended. Raises HomeError where there was none of that name."""
    latest = warehouse.rows(LATEST_OF, (name,))[0][0]
    case = found(case_list(warehouse, latest), name)
    days, before = [], None
    for row in warehouse.rows(DAYS_OF, (case.case_id,)):
        now = (row[1], row[5], row[6])
        if now != before:
            days.append(row)
        before = now
    events = warehouse.rows(EVENTS_OF, {"kind": case.subject_kind, "id": case.subject_id, "opened": case.opened_on})
    return History(case, tuple(days), tuple(events))


def standing(
    warehouse: Warehouse, subject_id: str, day: date, probability: float | None, words: CaseWords = ENGLISH
) -> str:
    """What became of a subject on the list of `day`, in words."""
    try:
        known = case_list(warehouse, day)
    except CaseError as error:
        return error.told(words.language)
    return why_not(next((case for case in known.cases if case.subject_id == subject_id), None), probability, words)


def why_not(case: Case | None, probability: float | None, words: CaseWords = ENGLISH) -> str:
    """Why a meter is not on the list: without a case, with one that rests or has ended, or with one that is not worth it."""
    if case is None:
        least = settings().case_probability
        if probability is None or probability < least:
            return words("unlikely", least=words.percent(least))
        return words("not_yet", least=words.percent(least), days=settings().case_days)
    name = case.case_id
    if case.has_ended:
        key, until = ("ended", case.suppressed_until) if case.suppressed_until else ("ended_today", None)
        told = words(
            key, case=name, state=words.state(case.state), day=words.day(case.state_since), until=words.day(until)
        )
        return told + (words("but_later") if case.last_visited_on else "")
    if case.suppressed_until:
        return words("rests", case=name, until=words.day(case.suppressed_until), state=words.state(case.state))
    if case.selection == RANDOM:
        return words("drawn", case=name)
    if case.value is not None and case.value <= 0:
        cost = words.number(case.visit_cost)
        return words("not_worth", case=name, value=words.money(case.value, case.currency), cost=cost)
    if case.place is None:
        return words("not_known_how_much", case=name)
    if case.selection is None:
        return words("beyond_capacity", case=name, place=case.place, visits=settings().weekly_visits)
    return words("on_list", case=name, place=case.place)
