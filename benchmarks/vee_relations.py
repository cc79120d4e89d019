"""Rules that need registers, transformers, outages and purchases, on the simulated city, against its truth.

What belongs here: what each rule is held against, and counting. What does not: the city as arrays (city_arrays.py, city_truth.py),
defects that it does not have (vee_put_in.py), rules (ml/validation). The protocol and its sizes stand in VEE.md, above the results.

Masks are bool [days, subjects], subjects being meters or transformers: whether the rule hits on the morning after the day, and
whether the truth has the defect on it. A case is a run of days with the defect.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.city_arrays import CityArrays, Morning, dark, mornings, read_city
from benchmarks.city_truth import Truth, read_truth
from benchmarks.vee_put_in import EVERY, PutIn, defects_of_day, moved_outages
from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS
from energy_assets.simulation import simulate
from energy_assets.simulation.calendar import MINUTES
from energy_assets.simulation.defects import DefectRates
from ml.validation import fleet_checks, register_checks
from ml.validation.outages import runs
from ml.validation.rules import Rule, rules

METERS, TRANSFORMERS, DAYS = 1200, 48, 90
FIRST_DAY = date(2024, 1, 1)
SEED = 20_260_101
RATES = DefectRates(unit_mistakes=0, negatives=0)
"""What staging refuses is judged with the deterministic rules, in SQL."""
OUTAGE_HOURS = ((0.5, 2.0), (2.0, 6.0), (6.0, np.inf))
OUTAGES = "outage_from_siblings"
NAMED = "`wrong_transformer`, and names the one that feeds it"
FALSE = "no defect of this rule: "
"""Before what a rule may mistake for what it looks for: to hit there is wrong, and those days are not among the clean ones."""

HEADING = (
    "| rule | held against | size | cases | hit | days until hit: median, most | clean subject-days | of them hit |",
    "|---|---|---|---|---|---|---|---|",
)

Masks = dict[str, np.ndarray]


def relational() -> Iterator[str]:
    """A row of the table for each rule, what it is held against, and size."""
    with tempfile.TemporaryDirectory(prefix="energy-bench-") as directory:
        out = Path(directory)
        simulate(METERS, DAYS, SEED, out, FIRST_DAY, transformers=TRANSFORMERS, horizon_days=DAYS, rates=RATES)
        city = read_city(out, FIRST_DAY, DAYS)
        truth = read_truth(out / "truth", city)
    wrong, unclear = held_against(city, truth)
    is_clean = {rule: ~np.any([*of.values(), unclear[rule]], axis=0) for rule, of in wrong.items()}
    hits, known, put_in = judge(city, truth, is_clean)
    for rule, of in wrong.items():
        counted = clean_columns(is_clean[rule] & known[rule], hits[rule])
        for what, is_wrong in of.items():
            is_hit = hits.get(f"{rule}: {what}", hits[rule])
            name, _, size = what.partition("; ")
            yield f"| `{rule}` | {name} | {size} | {case_columns(is_wrong, known[rule], is_hit)} | {counted} |"
        for (what, size), (count, caught) in put_in[rule].items():
            yield f"| `{rule}` | put in: {what} | {size} | {share_columns(count, caught)} | | {counted} |"


def held_against(city: CityArrays, truth: Truth) -> tuple[dict[str, Masks], Masks]:
    """By rule: what is wrong on the days that it tells of, by what it is; and what is neither wrong in that way nor clean.

    A rule of registers tells in the morning of the day that ended with it: there what is wrong stands a day later.
    """
    nobody = np.zeros(truth.is_theft.shape, dtype=bool)
    silent = truth.defects["comms_gap"] | truth.defects["late"]
    every_slot = np.arange(city.days)[:, None]
    is_wholly_off = city.is_wholly_off[every_slot, city.transformer]
    has_outage = is_wholly_off.any(axis=2)
    is_fed = (is_wholly_off & (truth.live[:, truth.transformer] > 0)).any(axis=2)
    hours_off = (truth.live <= 0).sum(axis=2) * MINUTES / 60
    outages = {
        f"interruptions; {_range(low, high, 'h')}": (hours_off >= low) & (hours_off < high)
        for low, high in OUTAGE_HOURS
    }
    outages["interruptions never reported"] = truth.is_unreported & (hours_off > 0)
    is_odd = (
        truth.is_theft | truth.roles["wrong_transformer"] | truth.roles["clock_drift"] | truth.defects["frozen_value"]
    )
    has_odd = np.zeros(hours_off.shape, dtype=bool)
    day, meter = np.nonzero(is_odd)
    has_odd[day, city.transformer[day, meter]] = True
    outages["interruptions; all meters sound"] = (hours_off > 0) & ~has_odd
    outages["interruptions; a meter misplaced, fast, frozen or tampered with"] = (hours_off > 0) & has_odd
    drift, wrong_multiplier = truth.roles["clock_drift"], truth.roles["ct_multiplier_error"]
    replaced = next_day(truth.onsets["meter_replacement"])
    stuck = truth.defects["frozen_register"]
    wrong = {
        "sibling": {"gaps of communication and late days": silent},
        "inactive": {},
        "prolonged_estimation": {"gaps of communication; 7 days or more": long_runs(silent, 7)},
        OUTAGES: outages,
        "load_shedding_use": {
            "`wrong_transformer`, fed while the registered one is off": truth.roles["wrong_transformer"] & is_fed,
            "`clock_drift`": drift & has_outage,
            "frozen values": truth.defects["frozen_value"] & has_outage,
            "theft": truth.is_theft & has_outage,
        },
        "multiplier": {"`ct_multiplier_error`": next_day(wrong_multiplier)},
        "sum": {
            "registers that are stuck": stuck,
            "spikes": next_day(truth.defects["spike"]),
            "frozen values": next_day(truth.defects["frozen_value"]),
            "`clock_drift`": next_day(drift),
        },
        "register_reset": {"`meter_replacement`": replaced},
        "prepaid_without_purchases": {
            "theft at prepaid meters": truth.hides_energy & city.is_prepaid,
            f"{FALSE}`prepaid_token_gap`": truth.roles["prepaid_token_gap"],
            f"{FALSE}`vacancy`": truth.roles["vacancy"] & city.is_prepaid,
        },
        "wrong_transformer": {
            "`wrong_transformer`": truth.roles["wrong_transformer"],
            NAMED: truth.roles["wrong_transformer"],
            f"{FALSE}spikes within the four weeks": truth.standing & ~truth.roles["wrong_transformer"],
            f"{FALSE}`clock_drift`": drift,
            f"{FALSE}theft": truth.is_theft,
        },
    }
    unclear = dict.fromkeys(wrong, nobody)
    unclear[OUTAGES] = (truth.live < 1).any(axis=2)
    unclear["multiplier"] = stuck | replaced
    unclear["sum"] = replaced | next_day(wrong_multiplier)
    return wrong, unclear


def judge(city: CityArrays, truth: Truth, is_clean: Masks) -> tuple[Masks, Masks, dict[str, PutIn]]:
    """Every rule on every morning: (where it hits, where it could judge, what was put in and caught), by rule."""
    shipped = rules()
    hits = {rule: np.zeros_like(mask) for rule, mask in is_clean.items()}
    known = {rule: np.zeros_like(mask) for rule, mask in is_clean.items()}
    named = hits[f"wrong_transformer: {NAMED}"] = np.zeros_like(hits["sibling"])
    put_in: dict[str, PutIn] = {rule: {} for rule in is_clean}
    rng = np.random.default_rng(SEED)
    for morning in mornings(city):
        day = morning.day
        for rule, (is_hit, is_known) in of_meters(city, morning, shipped).items():
            hits[rule][day], known[rule][day] = is_hit, is_known
        found, was_off = dark(city, day, morning.wh, morning.was_seen), truth.live[day] <= 0
        # What is told of another time of the day is not caught.
        hits[OUTAGES][day] = np.where(was_off.any(axis=1), (found & was_off).any(axis=1), found.any(axis=1))
        known[OUTAGES][day] = True
        figure, better = fleet_checks.wrong_transformer(
            morning.recent.transpose(1, 0, 2), morning.transformer, morning.residual_wh, shipped["wrong_transformer"]
        )
        hits["wrong_transformer"][day], known["wrong_transformer"][day] = ~np.isnan(figure), True
        named[day] = ~np.isnan(figure) & (better == truth.transformer)
        clean_today = {rule: mask[day] & known[rule][day] for rule, mask in is_clean.items()}
        moved_outages(city, morning, clean_today, shipped, put_in)
        if day % EVERY == 0:
            pairs = register_pairs(city, morning)
            defects_of_day(city, morning, pairs, clean_today, shipped, put_in, rng)
    return hits, known, put_in


def of_meters(city: CityArrays, morning: Morning, shipped: dict[str, Rule]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(Whether it hits, whether it could judge), bool [meters] each, by rule."""
    day, wh, past, seen = morning.day, morning.wh, morning.past, morning.was_seen
    everybody = np.ones(len(wh), dtype=bool)
    has_delivered = (~np.isnan(morning.recent)).any(axis=2)
    share = fleet_checks.silent_siblings(has_delivered[-1], seen, morning.transformer, shipped["sibling"])
    is_wholly_off = city.is_wholly_off[day][morning.transformer]
    counted, summed = register_pairs(city, morning)
    usual = register_checks.multiplier(counted, summed, shipped["multiplier"])
    differs, limit = register_checks.sum_differs(counted, summed, shipped["sum"])
    since = day - ESTIMATE_LOOKBACK_DAYS
    bought = city.bought_wh[since : day + 1].sum(axis=0)
    prepaid = shipped["prepaid_without_purchases"]
    return {
        "sibling": (share >= shipped["sibling"]["share"], seen),
        "inactive": (fleet_checks.inactive(wh, everybody)[1], everybody),
        "prolonged_estimation": (
            seen & (fleet_checks.unread_days(has_delivered) >= shipped["prolonged_estimation"]["days"]),
            seen,
        ),
        "load_shedding_use": (
            fleet_checks.load_shedding_use(wh, is_wholly_off, shipped["load_shedding_use"])[1],
            is_wholly_off.any(axis=1),
        ),
        "multiplier": (~np.isnan(usual), ~np.isnan(summed)),
        "sum": ((differs > limit) & np.isnan(usual), ~np.isnan(summed)),
        "register_reset": (register_checks.register_reset(counted), everybody),
        "prepaid_without_purchases": (
            fleet_checks.prepaid_without_purchases(
                wh, past, bought, city.is_prepaid, ESTIMATE_LOOKBACK_DAYS + 1, prepaid
            )[1],
            city.is_prepaid,
        ),
    }


def register_pairs(city: CityArrays, morning: Morning) -> tuple[np.ndarray, np.ndarray]:
    """(What the register counted of the day before, what its intervals add up to), in Wh before any multiplier, [meters] each."""
    day = morning.day
    starts = [city.slot_starts(day - 1), city.slot_starts(day)]
    from_at, to_at = (np.full(len(morning.wh), of[0]) for of in starts)
    days = zip((morning.past[-1], morning.wh), starts, strict=True)
    summed = register_checks.summed_wh(days, from_at, to_at, interval_minutes=MINUTES)
    return city.register_wh[day] - city.register_wh[day - 1], summed / city.ct_multiplier[day]


def case_columns(is_wrong: np.ndarray, known: np.ndarray, is_hit: np.ndarray) -> str:
    """How many cases could be judged, how many were caught, and on which of their days that were judged."""
    judged = slice(ESTIMATE_LOOKBACK_DAYS, None)
    count, until = 0, []
    for subject, first, last in zip(*runs(is_wrong[judged].T), strict=True):
        if known[judged][first:last, subject].any():
            count += 1
            caught = np.flatnonzero(is_hit[judged][first:last, subject])
            until += [caught[0] + 1] if len(caught) else []
    days = f"{np.median(until):g}, {max(until)}" if until else ""
    return f"{share_columns(count, len(until))} | {days}"


def share_columns(count: int, caught: int) -> str:
    return f"{count:,} | {caught:,} ({100 * caught / count:.3g} %)" if count else "0 | –"


def clean_columns(is_clean: np.ndarray, is_hit: np.ndarray) -> str:
    count = int(is_clean.sum())
    return f"{count:,} | {100 * (is_clean & is_hit).sum() / max(count, 1):.3g} %"


def next_day(mask: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros_like(mask[:1]), mask[:-1]])


def long_runs(mask: np.ndarray, least: int) -> np.ndarray:
    """Runs of at least so many days."""
    kept = np.zeros_like(mask)
    for subject, first, last in zip(*runs(mask.T), strict=True):
        kept[first:last, subject] = last - first >= least
    return kept


def _range(low: float, high: float, unit: str) -> str:
    return f"{low:g} {unit} and more" if np.isinf(high) else f"{low:g} to {high:g} {unit}"
