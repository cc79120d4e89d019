"""Evidence and scores of a day as tables: weeks of traits and the newest explanations in, rows out.

What belongs here: what is read for them. What does not: evidence and scores (ml/theft), when they are made (assets/theft.py).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.day_types import day_types
from energy_assets.days import DayWindow
from energy_assets.keys import TRAITS
from energy_assets.resources.fleet import looked_up, texts_of
from energy_assets.resources.gates import day_states
from energy_assets.settings import settings
from ml.theft.evidence import Evidence, evidence
from ml.theft.explain import NOBODY, WAYS, Explanation
from ml.theft.lookbacks import CARRIED_DAYS, LEAST_METERS, LOOKBACK_DAYS, PURCHASE_DAYS, TRAIT_SPANS
from ml.theft.purchases import carried_over
from ml.theft.reasons import reasons_of, without_purchase
from ml.theft.scores import UNBOUGHT_SHARE, scores
from ml.theft.season import LEAST_SEASON_DAYS
from ml.theft.state import RECENT_DAYS
from ml.theft.table import EVIDENCE, SCORES, Purchases, evidence_of, evidence_table, first_day, scores_table
from ml.validation.outages import NO_TRANSFORMER

if TYPE_CHECKING:
    from energy_assets.resources.theft_models import InService
    from energy_assets.resources.traits import TraitDays
    from energy_assets.resources.warehouse import Warehouse

METERS, PURCHASES, EXPLANATIONS, DAILY = "stg_meters", "stg_token_purchases", "loss_explanations", "int_readings_daily"
LEAST_PURCHASE_DAYS = 28
LEAST_USED_WH = 20_000
REGISTER = """
    select meter_id, transformer_id, customer_class, is_prepaid from staging.stg_meters
    where reading_date = %(day)s::date order by meter_id
"""
EXPLAINED = """
    select meter_id, energy_wh, energy_low_wh, energy_high_wh, way, coefficient, since_date, gain, gain_share, has_drifting_clock
    from ml.loss_explanations where explained_date = %(day)s::date and meter_id <> '' order by meter_id
"""
PREPAID = """
    with prepaid as (
        select meter_id, (row_number() over (order by meter_id collate "C"))::integer - 1 as number
        from staging.stg_meters where reading_date = %(day)s::date and is_prepaid
    )
"""
"""Meters have numbers: texts of weeks of rows are slow to move."""
USED = f"""
    {PREPAID}
    select prepaid.meter_id, number, used_wh::double precision, coalesce(bought_wh, 0)::double precision as bought_wh
    from prepaid
    join (
        select meter_id, sum(total_wh) as used_wh from intermediate.int_readings_daily
        where reading_date = any(%(days)s::date[]) group by meter_id
    ) as used using (meter_id)
    left join (
        select meter_id, sum(energy_wh) as bought_wh from staging.stg_token_purchases
        where purchase_date = any(%(days)s::date[]) group by meter_id
    ) as bought using (meter_id)
    order by number
"""
USED_AND_BOUGHT = f"""
    {PREPAID}
    select reading_date as day, number, total_wh as missing_wh from intermediate.int_readings_daily join prepaid using (meter_id)
    where reading_date = any(%(days)s::date[])
    union all
    select purchase_date, number, -energy_wh from staging.stg_token_purchases join prepaid using (meter_id)
    where purchase_date = any(%(days)s::date[])
"""
"""What was used, and what was bought as less than nothing."""
SEASON = """
    select meter_id, sum(round((24 * traits[1])::numeric))::double precision / count(*) as year_ago_wh
    from intermediate.int_day_traits where reading_date = any(%(days)s::date[])
    group by meter_id having count(*) >= %(least)s order by meter_id
"""
"""Whole Wh are summed: sums of fractions would depend on their order. The first trait is the mean power."""
EVIDENCE_OF = "select * from ml.theft_evidence where score_date = %(day)s::date order by meter_id"
MOST_SUSPICIOUS = """
    select meter_id, theft_score, reason_en from ml.theft_scores
    where score_date = %s and theft_score is not null order by theft_score desc, meter_id limit %s
"""
MOST_SHOWN = 10
MOST_AT_ONCE = 10_000
MANY_IN_A_PART = 10
"""A transformer with more than this part of MOST_AT_ONCE meters is a register's placeholder."""
WEEK = 7
YEAR_AGO = TRAIT_SPANS[1]
Held = set[tuple[str, date]]
"""Tables and days whose gate is open and that have rows."""


def what_may_be_read(warehouse: Warehouse, window: DayWindow) -> Held:
    """What evidence of the days of `window` may read, asked for once a run: it does not change while that goes on."""
    states = day_states(
        warehouse, [METERS, PURCHASES, EXPLANATIONS, DAILY], window.with_lookback(CARRIED_DAYS + PURCHASE_DAYS - 1)
    )
    states |= day_states(warehouse, [TRAITS], window.looked_back_on(*YEAR_AGO))
    return {key for key, state in states.items() if state.is_readable and state.row_count}


def evidence_rows(warehouse: Warehouse, day: date, traits: TraitDays, held: Held) -> pa.Table:
    """Evidence as of `day`, as EVIDENCE; no rows where fewer than LEAST_METERS have traits in the lookback. `held` is what_may_be_read.

    A large fleet is looked at in parts of about MOST_AT_ONCE meters, each a sample of all of it, so that what the fleet did is seen in
    every part; meters of one transformer stay together.
    """
    span = DayWindow.of(day).with_lookback(LOOKBACK_DAYS - 1)
    ids = traits.meters(span)
    if len(ids) < LEAST_METERS:
        return EVIDENCE.empty_table()
    transformer, customer_class = _register(warehouse, day, ids, is_held=(METERS, day) in held)
    mondays = [of for of in DayWindow.of(day).with_lookback(WEEK - 1) if (EXPLANATIONS, of) in held]
    monday = mondays[-1] if mondays else None
    explanation = _explanation(warehouse, monday, ids, first_day(day)) if monday else None
    purchases = _purchases(warehouse, day, ids, held)
    year_ago = _year_ago(warehouse, day, ids, held)
    types = np.array(day_types(span, settings().holidays))
    number = transformer_numbers(transformer)

    def of_part(part: np.ndarray) -> pa.Table:
        known = traits.of(span, ids[part])
        explained = explanation.of(part) if explanation else None
        found = evidence(
            known, types, customer_class[part], explained, transformer=number[part], year_ago_wh=year_ago[part]
        )
        return evidence_table(found, day, ids[part], transformer[part], monday, purchases.of(part))

    # One after the other: two at once took 0.9 of the time and 0.5 GB more.
    return pa.concat_tables(map(of_part, parts_of(number)))


def transformer_numbers(transformer: np.ndarray) -> np.ndarray:
    """A number for each transformer, NO_TRANSFORMER where none is known: int [meters]."""
    return np.where(transformer == "", NO_TRANSFORMER, np.unique(transformer, return_inverse=True)[1])


def parts_of(transformer: np.ndarray, most_meters: int = MOST_AT_ONCE) -> list[np.ndarray]:
    """The meters of each part, in their order: every so manieth transformer, and every so manieth meter without one, or behind one that has so many
    that a part of them are siblings enough."""
    parts = -(-len(transformer) // most_meters)
    _, number, count = np.unique(transformer, return_inverse=True, return_counts=True)
    is_apart = (transformer == NO_TRANSFORMER) | (count[number] > most_meters / MANY_IN_A_PART)
    of = np.where(is_apart, np.arange(len(transformer)), number) % parts
    return [meters for part in range(parts) if len(meters := np.flatnonzero(of == part))]


def score_rows(warehouse: Warehouse, day: date, in_service: InService | None = None) -> pa.Table:
    """Scores of the meters that have evidence on `day`, as SCORES; by the ranker of its week, or by the unsupervised score where there is none."""
    table = day_evidence(warehouse, day)
    if not table.num_rows:
        return SCORES.empty_table()
    found = evidence_of(table, day)
    used, unbought = purchases_of(table, found)
    learnt, version = (in_service.ranker, in_service.version) if in_service else (None, None)
    scored = scores(found, expected_rate=settings().expected_theft_rate, unbought_share=unbought, learnt=learnt)
    bypassed = without_purchase(used, unbought, PURCHASE_DAYS, np.nan_to_num(unbought) >= UNBOUGHT_SHARE)
    reasons = reasons_of(found, first_day(day), texts_of(table["transformer_id"]), [bypassed])
    return scores_table(scored, reasons, table, day, ~np.isnan(found["balance_gain"]), version)


def day_evidence(warehouse: Warehouse, day: date) -> pa.Table:
    """Evidence of `day` as it is kept, as EVIDENCE in the order of meters."""
    return warehouse.table(EVIDENCE_OF, {"day": day}).combine_chunks().select(EVIDENCE.names)


def purchases_of(table: pa.Table, found: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """(Use in Wh, share of it that was never bought) of prepaid meters that go on using energy, NaN for others."""
    used, bought, carried = (
        pc.fill_null(pc.cast(table[name], pa.float64()), np.nan).to_numpy()
        for name in ("used_wh", "bought_wh", "carried_wh")
    )
    bought = bought + np.nan_to_num(carried)  # evidence of before it was known what is left over has none
    with np.errstate(invalid="ignore", divide="ignore"):
        goes_on = found.reported_wh * RECENT_DAYS >= LEAST_USED_WH
        return used, np.where(goes_on & (used >= LEAST_USED_WH), np.clip(1 - bought / used, 0.0, 1.0), np.nan)


def most_suspicious(warehouse: Warehouse, day: date) -> list[tuple[str, float, str]]:
    """Meters with the highest scores of a day, with why."""
    return warehouse.rows(MOST_SUSPICIOUS, (day, MOST_SHOWN))


def _register(warehouse: Warehouse, day: date, ids: np.ndarray, *, is_held: bool) -> tuple[np.ndarray, np.ndarray]:
    """(Transformer, empty where not known; number of the class) of each meter on the day."""
    if not is_held:
        return np.full(len(ids), ""), np.zeros(len(ids), dtype=int)
    table = warehouse.table(REGISTER, {"day": day})
    known = texts_of(table["meter_id"])
    transformer = looked_up(ids, known, texts_of(table["transformer_id"]), "")
    classes = looked_up(ids, known, texts_of(table["customer_class"]), "unknown")
    return transformer, np.unique(classes, return_inverse=True)[1]


def _explanation(warehouse: Warehouse, monday: date, ids: np.ndarray, first: date) -> Explanation | None:
    """The explanations of a Monday for the meters `ids`; days count from `first`."""
    table = warehouse.table(EXPLAINED, {"day": monday}).combine_chunks()
    known = texts_of(table["meter_id"])
    if not len(known):
        return None

    def of(name: str, otherwise: float) -> np.ndarray:
        return looked_up(ids, known, pc.fill_null(pc.cast(table[name], pa.float64()), otherwise).to_numpy(), otherwise)

    numbers = {name: number for number, name in enumerate(WAYS)} | {"": NOBODY}
    ways = np.array([numbers[one] for one in texts_of(table["way"])])
    since = pc.fill_null(pc.cast(table["since_date"], pa.int32()), 0).to_numpy().astype(int)
    since = np.where(since > 0, np.maximum(since - (first - date(1970, 1, 1)).days, 1), 0)
    nothing = np.zeros(0)
    return Explanation(
        gain=of("gain", np.nan),
        gain_share=of("gain_share", np.nan),
        stolen_wh=of("energy_wh", 0.0),
        stolen_low_wh=of("energy_low_wh", 0.0),
        stolen_high_wh=of("energy_high_wh", 0.0),
        way=looked_up(ids, known, ways, NOBODY),
        share=of("coefficient", np.nan),
        since=looked_up(ids, known, since, 0),
        has_drifting_clock=of("has_drifting_clock", 0.0) > 0,
        unexplained_wh=nothing,
        unexplained_low_wh=nothing,
        unexplained_high_wh=nothing,
    )


def _year_ago(warehouse: Warehouse, day: date, ids: np.ndarray, held: Held) -> np.ndarray:
    """Energy a day in the four weeks to a year before, in Wh, as season_wh has it; NaN where not known. Nothing is asked where no such day is held."""
    days = [of for of in DayWindow.of(day).looked_back_on(*YEAR_AGO) if (TRAITS, of) in held]
    if len(days) < LEAST_SEASON_DAYS:
        return np.full(len(ids), np.nan)
    table = warehouse.table(SEASON, {"days": days, "least": LEAST_SEASON_DAYS})
    return looked_up(ids, texts_of(table["meter_id"]), table["year_ago_wh"].to_numpy(), np.nan)


def _purchases(warehouse: Warehouse, day: date, ids: np.ndarray, held: Held) -> Purchases:
    """Over the days of which both use and purchases are known; NaN where they are too few or the meter is not prepaid."""

    def known(window: DayWindow) -> list[date]:
        return [of for of in window if {(PURCHASES, of), (DAILY, of)} <= held]

    judged = known(DayWindow.of(day).looked_back_on(0, PURCHASE_DAYS - 1))
    before = known(DayWindow.of(day).looked_back_on(PURCHASE_DAYS, PURCHASE_DAYS + CARRIED_DAYS - 1))
    if len(judged) < LEAST_PURCHASE_DAYS or (METERS, day) not in held:
        return Purchases.unknown(len(ids))
    table = warehouse.table(USED, {"days": judged, "day": day}).combine_chunks()
    carried = _carried(warehouse, before, day, table["number"].to_numpy())
    meters = texts_of(table["meter_id"])
    used, bought = (looked_up(ids, meters, table[name].to_numpy(), np.nan) for name in ("used_wh", "bought_wh"))
    return Purchases(used, bought, looked_up(ids, meters, carried, np.nan))


def _carried(warehouse: Warehouse, days: list[date], day: date, numbers: np.ndarray) -> np.ndarray:
    """What purchases of `days` left over of the meters of these numbers, float64 in their order."""
    missing = np.zeros((len(days), int(numbers.max(initial=-1)) + 1), dtype=np.int64)
    if len(days):
        row_of = {(of - date(1970, 1, 1)).days: row for row, of in enumerate(days)}
        row = np.zeros(max(row_of) + 1, dtype=int)
        row[list(row_of)] = list(row_of.values())
        with warehouse.stream(USED_AND_BOUGHT, {"days": days, "day": day}) as batches:
            for batch in batches:
                number = batch["number"].to_numpy()
                is_asked = number < missing.shape[1]
                at = row[batch["day"].cast(pa.int32()).to_numpy()[is_asked]], number[is_asked]
                np.add.at(missing, at, batch["missing_wh"].to_numpy()[is_asked])
    return carried_over(missing)[numbers].astype(np.float64)
