"""Estimates of a day as a table: the fleet's day in, rows out.

What belongs here: which meters and slots may be estimated. What does not: how (ml/validation/estimation.py).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from energy_assets.resources.fleet import LEAST_SEEN_SHARE, FleetDay, Group, States, same_day_type
from ml.validation.estimation import METHODS, NONE, class_profile, estimate
from ml.validation.outages import NO_TRANSFORMER

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

SCHEMA = pa.schema(
    [
        ("reading_date", pa.date32()),
        ("meter_id", pa.string()),
        ("reading_at", pa.timestamp("us", tz="UTC")),
        ("interval_minutes", pa.int16()),
        ("estimated_wh", pa.int64()),
        ("method", pa.string()),
    ]
)


def estimates_of(warehouse: Warehouse, zone: ZoneInfo, day: date, states: States) -> pa.Table:
    """The day's estimates, as SCHEMA."""
    fleet = FleetDay(warehouse, zone, day, states)
    if fleet.is_empty:
        return SCHEMA.empty_table()
    return pa.concat_tables([SCHEMA.empty_table(), *(_of_group(fleet, group) for group in fleet.groups())])


def _of_group(fleet: FleetDay, group: Group) -> pa.Table:
    is_open = ~(group.is_reported_off | group.is_dark) & may_be_estimated(group)[:, None]
    rows = np.flatnonzero((np.isnan(group.wh) & is_open).any(axis=1))
    if not len(rows):
        return SCHEMA.empty_table()
    found = estimate(
        group.wh[rows],
        is_open[rows],
        fleet.history(same_day_type(fleet.day, fleet.past_days), group, rows),
        class_profile(group.wh, group.customer_class)[rows],
        interval_minutes=group.interval_minutes,
    )
    meter, slot = np.nonzero(found.method != NONE)
    return pa.table(
        [
            pa.repeat(pa.scalar(fleet.day, pa.date32()), len(meter)),
            pa.array(group.meter_ids[rows][meter]),
            pa.array(group.slot_starts[slot].astype("datetime64[us]")),
            pa.repeat(group.interval_minutes, len(meter)),
            pa.array(found.wh[meter, slot].astype(np.int64)),
            pa.array(np.array(METHODS)[found.method[meter, slot]]),
        ],
        names=SCHEMA.names,
    ).cast(SCHEMA)


def may_be_estimated(group: Group) -> np.ndarray:
    """Meters that deliver, and those that should: bool [meters]. Where most of a transformer's never do, those are read otherwise."""
    known = group.transformer != NO_TRANSFORMER
    connected = np.bincount(group.transformer[known], minlength=len(group.transformer_ids))
    seen = np.bincount(group.transformer[known & group.was_seen], minlength=len(group.transformer_ids))
    is_read_by_interval = np.append(seen >= LEAST_SEEN_SHARE * connected, False)
    return group.was_seen | is_read_by_interval[group.transformer]
