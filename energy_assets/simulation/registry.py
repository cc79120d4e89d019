"""What the utility's registry says of meters and transformers, day by day, and of visits before the first day.

What belongs here: rows of the landing contract's `meters`, `transformers` and `inspections`, errors of the registry included.
What does not: what is true (city.py, roles.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from energy_assets.simulation.calendar import Day
from energy_assets.simulation.city import CLASSES, City
from energy_assets.simulation.roles import Roles
from energy_assets.simulation.streams import Purpose, stream

INSPECTED = 0.04
"""Share of meters that were visited before the first day."""
INSPECTED_DAYS = 120
OUTCOMES = (("clean", 0.74), ("theft", 0.09), ("no_access", 0.13), ("faulty_meter", 0.04))
"""Share of each outcome; that of theft is the field's of undirected visits (Eneo about 9 %). Who was caught is honest since."""
RANDOMLY_SELECTED = 0.3


@dataclass(frozen=True)
class Registry:
    """What the registry says on a day. Arrays are [meters]."""

    customer_ids: np.ndarray
    transformer: np.ndarray
    ct_multiplier: np.ndarray
    installed_on: np.ndarray

    def rows(self, city: City, meters: np.ndarray, valid_from: np.ndarray) -> pa.Table:
        """Rows of `meters` for the given meters, valid from the given days."""
        return pa.table(
            {
                "meter_id": city.meter_ids[meters],
                "valid_from": valid_from.astype("datetime64[D]"),
                "customer_id": self.customer_ids[meters],
                "customer_class": np.array(CLASSES)[city.customer_class[meters]],
                "transformer_id": city.transformer_ids[self.transformer[meters]],
                "tariff_code": city.tariff_code[meters],
                "prepaid": city.is_prepaid[meters],
                "phases": city.phases[meters],
                "ct_multiplier": self.ct_multiplier[meters],
                "installed_on": self.installed_on[meters],
                "removed_on": pa.nulls(len(meters), pa.date32()),
                "latitude": np.round(city.latitude[meters], 5),
                "longitude": np.round(city.longitude[meters], 5),
            }
        )


def multiplier_on(city: City, roles: Roles, ordinal: int) -> np.ndarray:
    """The multipliers that the registry says on a day, [meters]."""
    said = city.ct_multiplier.copy()
    if wrong := roles.look_alikes.get("ct_multiplier_error"):
        wrong = wrong.on(ordinal)
        said[wrong.meters] = wrong.parameters["registry_multiplier"]
    return said


def registry_on(city: City, roles: Roles, ordinal: int) -> Registry:
    """The registry at the end of a day, given as an ordinal."""
    said = Registry(
        city.customer_ids.astype(object), city.transformer.copy(), city.ct_multiplier.copy(), city.installed_on.copy()
    )
    if wrong := roles.look_alikes.get("wrong_transformer"):
        wrong = wrong.on(ordinal)
        said.transformer[wrong.meters] = wrong.parameters["registry_transformer"]
    said.ct_multiplier[:] = multiplier_on(city, roles, ordinal)
    if replaced := roles.look_alikes.get("meter_replacement"):
        replaced = replaced.where(replaced.onset <= ordinal)
        said.installed_on[replaced.meters] = replaced.onset.astype("datetime64[D]") - _DAY_ONE
    if vacant := roles.look_alikes.get("vacancy"):
        # Somebody else moves in.
        moved_in = vacant.meters[vacant.end <= ordinal]
        said.customer_ids[moved_in] = np.char.add(city.customer_ids[moved_in], "-2")
    return replace(said, customer_ids=said.customer_ids.astype(str))


def meter_rows(city: City, roles: Roles, day: Day) -> pa.Table | None:
    """What the registry delivers on the day: all meters on the first day, later those that changed; None without any."""
    now = registry_on(city, roles, day.ordinal)
    if day.date == city.since:
        return now.rows(city, np.arange(city.meters), city.installed_on)
    if not any(((group.onset == day.ordinal) | (group.end == day.ordinal)).any() for group in roles.groups):
        return None
    before = registry_on(city, roles, day.ordinal - 1)
    changed = np.zeros(city.meters, bool)
    for name in ("customer_ids", "transformer", "ct_multiplier", "installed_on"):
        changed |= getattr(now, name) != getattr(before, name)
    meters = np.flatnonzero(changed)
    return now.rows(city, meters, np.full(len(meters), np.datetime64(day.date, "D"))) if len(meters) else None


def transformer_rows(city: City) -> pa.Table:
    """Rows of `transformers`: they do not change."""
    return pa.table(
        {
            "transformer_id": city.transformer_ids,
            "valid_from": np.full(city.transformers, city.installed_on.min()),
            "feeder_id": city.feeder_ids[city.feeder],
            "rating_kva": city.rating_kva,
            "no_load_loss_w": city.no_load_loss_w,
            "load_loss_w": city.load_loss_w,
            "latitude": np.round(city.transformer_latitude, 5),
            "longitude": np.round(city.transformer_longitude, 5),
        }
    )


def inspection_rows(city: City, roles: Roles) -> pa.Table:
    """Visits before the first day, to meters at which nobody stole then who still does."""
    rng = stream(city.seed, Purpose.INSPECTIONS)
    drawn = rng.random((city.meters, 5))
    may_be_visited = drawn[:, 0] < INSPECTED
    for group in roles.attacks.values():
        may_be_visited[group.meters[group.onset < city.since.toordinal()]] = False
    meters = np.flatnonzero(may_be_visited)
    shares = np.cumsum([share for _, share in OUTCOMES])
    outcome = np.array([name for name, _ in OUTCOMES])[np.searchsorted(shares[:-1], drawn[meters, 1], side="right")]
    ago = (1 + INSPECTED_DAYS * drawn[meters, 2]).astype("timedelta64[D]")
    recovered = np.round(city.level_kwh[meters] * 30 * (1 + 5 * drawn[meters, 3]), 0)
    return pa.table(
        {
            "meter_id": pa.array(city.meter_ids[meters], pa.string()),
            "inspected_on": np.datetime64(city.since, "D") - ago,
            "outcome": pa.array(outcome, pa.string()),
            "recovered_kwh": np.where(outcome == "theft", recovered, 0.0),
            "selection": pa.array(np.where(drawn[meters, 4] < RANDOMLY_SELECTED, "random", "ranked"), pa.string()),
        }
    ).sort_by([("inspected_on", "ascending"), ("meter_id", "ascending")])


_DAY_ONE = np.timedelta64(719163, "D")
"""date(1970, 1, 1).toordinal()."""
