"""Defects that the simulated city does not have, or not in every size: put into a morning's arrays, and what rules say of them.

What belongs here: spoiling copies of clean arrays, and counting. What does not: the city's own defects (vee_relations.py).
Sizes are those of the protocol in VEE.md, fixed before anything was run.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.city_arrays import CityArrays, Morning
from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS
from energy_assets.simulation.calendar import MINUTES
from ml.validation import fleet_checks, register_checks
from ml.validation.rules import Rule

EVERY = 6
"""Days from one into which defects are put to the next: not a week, so that every day of it has its turn."""
SILENT_TOGETHER = (1, 2, 4, 8)
UNREAD_DAYS = (3, 6, 7, 14)
UNREGISTERED_SHARE, UNREGISTERED_DAYS = 0.05, (1, 7)
MOVED_HOURS = (0.5, 1, 2, 4)
FACTORS = (0.05, 2, 5, 7, 20, 100)
UNUSUAL_FACTORS = (2, 7)
LOST_SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5)
DAYS_WITHOUT_PURCHASES = (7, 14, 21, 28, 29)
MISPLACED, MISPLACED_KWH = 24, (0, 2, 4, 8, np.inf)

PutIn = dict[tuple[str, str], tuple[int, int]]
"""By what was put in and its size: how many, and how many of them were caught."""
Clean = dict[str, np.ndarray]
"""By rule, bool [meters]: what it could judge today and has nothing to find in."""
Rules = dict[str, Rule]


def note(found: PutIn, what: str, size: str, is_hit: np.ndarray) -> None:
    count, caught = found.get((what, size), (0, 0))
    found[what, size] = count + is_hit.size, caught + int(is_hit.sum())


def moved_outages(city: CityArrays, morning: Morning, clean: Clean, shipped: Rules, put_in: dict[str, PutIn]) -> None:
    """Outages reported later than they were."""
    for hours in MOVED_HOURS:
        slots = round(hours * 60 / MINUTES)
        moved = np.zeros_like(city.is_wholly_off[morning.day])
        moved[:, slots:] = city.is_wholly_off[morning.day][:, :-slots]
        is_off = moved[morning.transformer]
        is_hit = fleet_checks.load_shedding_use(morning.wh, is_off, shipped["load_shedding_use"])[1]
        chosen = clean["load_shedding_use"] & is_off.any(axis=1)
        note(put_in["load_shedding_use"], "outages reported too late", f"{hours:g} h", is_hit[chosen])


def defects_of_day(
    city: CityArrays,
    morning: Morning,
    pairs: tuple[np.ndarray, np.ndarray],
    clean: Clean,
    shipped: Rules,
    put_in: dict[str, PutIn],
    rng: np.random.Generator,
) -> None:
    """All but moved outages. `pairs` are what registers counted and what intervals add up to, in Wh, [meters] each."""
    silent_meters(morning, clean["sibling"], shipped["sibling"], put_in["sibling"], rng)
    unread_meters(
        morning, clean["prolonged_estimation"], shipped["prolonged_estimation"], put_in["prolonged_estimation"]
    )
    unregistered(morning, put_in["inactive"], rng)
    spoiled_registers(*pairs, clean, shipped, put_in)
    without_purchases(city, morning, clean, shipped, put_in["prepaid_without_purchases"])
    misplaced(morning, clean["wrong_transformer"], shipped["wrong_transformer"], put_in["wrong_transformer"], rng)


def silent_meters(morning: Morning, clean: np.ndarray, rule: Rule, found: PutIn, rng: np.random.Generator) -> None:
    """Some meters of each transformer send nothing all day."""
    delivered = (~np.isnan(morning.wh)).any(axis=1)
    for number in SILENT_TOGETHER:
        has_delivered = delivered.copy()
        chosen = []
        for transformer in np.unique(morning.transformer):
            may = np.flatnonzero(clean & delivered & (morning.transformer == transformer))
            if len(may) >= number:
                chosen.append(rng.choice(may, number, replace=False))
        silent = np.concatenate(chosen)
        has_delivered[silent] = False
        share = fleet_checks.silent_siblings(has_delivered, morning.was_seen, morning.transformer, rule)
        note(found, "meters of a transformer silent together", f"{number}", share[silent] >= rule["share"])


def unread_meters(morning: Morning, clean: np.ndarray, rule: Rule, found: PutIn) -> None:
    has_readings = (~np.isnan(morning.recent)).any(axis=2)
    for days in UNREAD_DAYS:
        chosen = clean & has_readings[-days - 1]
        has = has_readings.copy()
        has[-days:] = False
        note(found, "days without a reading", f"{days}", fleet_checks.unread_days(has)[chosen] >= rule["days"])


def unregistered(morning: Morning, found: PutIn, rng: np.random.Generator) -> None:
    """Meters that the register no longer holds; caught on any of the days since."""
    is_registered = rng.random(len(morning.wh)) >= UNREGISTERED_SHARE
    for days in UNREGISTERED_DAYS:
        hits = [fleet_checks.inactive(wh, is_registered)[1] for wh in morning.recent[-days:]]
        note(found, "meters taken out of the register", f"{days} d", np.any(hits, axis=0)[~is_registered])


def spoiled_registers(
    counted: np.ndarray, summed: np.ndarray, clean: Clean, shipped: Rules, put_in: dict[str, PutIn]
) -> None:
    chosen = clean["multiplier"] & clean["sum"] & clean["register_reset"]
    counted, summed = counted[chosen], summed[chosen]
    spoiled = {
        **{("intervals multiplied", f"{factor:g}"): summed * factor for factor in FACTORS},
        **{("intervals lost", f"{100 * share:g} %"): summed * (1 - share) for share in LOST_SHARES},
    }
    for (what, size), wrong in spoiled.items():
        usual = register_checks.multiplier(counted, wrong, shipped["multiplier"])
        differs, limit = register_checks.sum_differs(counted, wrong, shipped["sum"])
        if what == "intervals multiplied":
            note(put_in["multiplier"], what, size, ~np.isnan(usual))
        if what == "intervals lost":
            note(put_in["sum"], what, size, (differs > limit) & np.isnan(usual))
        elif float(size) in UNUSUAL_FACTORS:
            note(put_in["sum"], f"{what} by what is no usual ratio", size, (differs > limit) & np.isnan(usual))


def without_purchases(city: CityArrays, morning: Morning, clean: Clean, shipped: Rules, found: PutIn) -> None:
    """Tokens that are no longer bought while energy is counted on."""
    chosen = clean["prepaid_without_purchases"]
    for days in DAYS_WITHOUT_PURCHASES:
        bought = city.bought_wh[morning.day - ESTIMATE_LOOKBACK_DAYS : morning.day + 1 - days].sum(axis=0)
        is_hit = fleet_checks.prepaid_without_purchases(
            *(morning.wh, morning.past, bought, city.is_prepaid, ESTIMATE_LOOKBACK_DAYS + 1),
            shipped["prepaid_without_purchases"],
        )[1]
        note(found, "days since the last purchase", f"{days}", is_hit[chosen])


def misplaced(morning: Morning, clean: np.ndarray, rule: Rule, found: PutIn, rng: np.random.Generator) -> None:
    """Meters that the register has behind another transformer for all of the four weeks: their energy changes balances."""
    meters = rng.choice(np.flatnonzero(clean), MISPLACED, replace=False)
    true = morning.transformer[meters]
    transformers = len(morning.residual_wh)
    registered = (true + rng.integers(1, transformers, len(meters))) % transformers
    transformer, residual = morning.transformer.copy(), morning.residual_wh.copy()
    transformer[meters] = registered
    for meter, old, new in zip(meters, true, registered, strict=True):
        residual[old] += np.nan_to_num(morning.filled_wh[meter])
        residual[new] -= morning.filled_wh[meter]
    figure, better = fleet_checks.wrong_transformer(morning.recent.transpose(1, 0, 2), transformer, residual, rule)
    is_hit = ~np.isnan(figure[meters])
    daily_kwh = np.nansum(morning.filled_wh[meters], axis=(1, 2)) / (ESTIMATE_LOOKBACK_DAYS + 1) / 1000
    for low, high in pairwise(MISPLACED_KWH):
        size = f"{low:g} kWh a day and more" if np.isinf(high) else f"{low:g} to {high:g} kWh a day"
        note(found, "meters misplaced in the register", size, is_hit[(daily_kwh >= low) & (daily_kwh < high)])
    note(found, "the same, and names the one that feeds it", "any", is_hit & (better[meters] == true))
