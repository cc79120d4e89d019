"""A day's files: what the landing zone sees of it, and its truth.

What belongs here: from a simulated day to tables and where they are written. What does not: how the day came about (day_loop.py),
formats (files.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.simulation import defects, outages, registry, truth, weather
from energy_assets.simulation.calendar import local_ordinals
from energy_assets.simulation.city import City
from energy_assets.simulation.defects import DefectRates, Postponed
from energy_assets.simulation.files import DayTable, Folder, Format, Writer, as_instants, named
from energy_assets.simulation.fleet import Fleet
from energy_assets.simulation.one_day import SimulatedDay
from energy_assets.simulation.prepaid import purchases
from energy_assets.simulation.streams import Purpose, stream


def write_day(fleet: Fleet, one: SimulatedDay, landing: Folder) -> list[Path]:
    """Write the day's landing files; the path of its readings, where they are wanted."""
    city, day = fleet.city, one.day
    readings = landing.write("meter_readings", day.date, _readings(fleet, one, landing.format))
    landing.write("meter_readings", day.date, _late_readings(fleet, one.late), part="-late")
    landing.write("transformer_readings", day.date, _transformer_readings(city, fleet.rates, one)[0])
    landing.write("weather", day.date, weather.observations(city.seed, day))
    landing.write("outages", day.date, outages.as_reported(day, one.interruptions))
    landing.write("token_purchases", day.date, purchases(city, fleet.purse, day, one.spent))
    landing.write("register_readings", day.date, _register_readings(city, one))
    landing.write("meters", day.date, registry.meter_rows(city, fleet.roles, day))
    if day.date == city.since:
        landing.write("transformers", day.date, registry.transformer_rows(city))
        landing.write("inspections", day.date, registry.inspection_rows(city, fleet.roles))
    return [readings] if readings else []


def write_truth(
    fleet: Fleet,
    one: SimulatedDay,
    folder: Path,
    writer: Writer,
    defect_table: DayTable,
    interruption_table: DayTable,
    *,
    suffix: str,
) -> None:
    city, day = fleet.city, one.day
    writer.write(
        truth.interval_rows(city, day, one.true_kwh, one.reported_kwh, one.metered_kwh),
        folder / "intervals" / f"{day.date}.parquet",
    )
    writer.write(
        truth.transformer_rows(city, day, one.transformer_true_kwh, one.hooked_kwh, one.loss_kwh, one.live),
        folder / "transformers" / f"{day.date}.parquet",
    )
    missing = _transformer_readings(city, fleet.rates, one)[1]
    defect_table.append(truth.defect_rows(city, day, [*one.delivered.defects, missing, one.register_defect], suffix))
    interruption_table.append(truth.interruption_rows(day, one.interruptions))
    meter, first, last = defects.runs(one.spent.is_cut)
    interruption_table.append(truth.cut_rows(city, day, fleet.purse.meters[meter], first, last))


def _readings(fleet: Fleet, one: SimulatedDay, format: Format) -> pa.Table:
    """The day's own readings. An unreadable number is a null in Parquet, which has no place for one."""
    city, rows = fleet.city, one.delivered
    said = registry.multiplier_on(city, fleet.roles, one.day.ordinal)
    kwh = pa.array(_as_counted(rows.kwh, said[rows.meter]), mask=rows.unreadable >= 0)
    if format == "csv":
        junk = pa.array(np.array(defects.UNREADABLE_NUMBERS)[rows.unreadable])
        kwh = pc.if_else(pa.array(rows.unreadable >= 0), junk, kwh.cast(pa.string()))
    return pa.table(
        {
            "meter_id": named(city.meter_ids, rows.meter),
            "reading_at": as_instants(one.day.starts.astype("datetime64[us]")[rows.slot]),
            "consumption_kwh": kwh,
            "version": pa.array(np.ones(len(rows.meter), np.int64)),
        }
    )


def _as_counted(kwh: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """What a meter counts of `kwh`, whose multiplier the registry says: behind current transformers, a fraction."""
    return np.where(multiplier == 1, kwh, np.round(kwh / multiplier, 5))


def _late_readings(fleet: Fleet, late: Postponed) -> pa.Table:
    city = fleet.city
    order = np.lexsort((late.version, late.starts, late.meter))
    said = np.ones(len(order))
    days = local_ordinals(late.starts[order], fleet.zone)
    for ordinal in np.unique(days):
        at = days == ordinal
        said[at] = registry.multiplier_on(city, fleet.roles, int(ordinal))[late.meter[order][at]]
    return pa.table(
        {
            "meter_id": named(city.meter_ids, late.meter[order]),
            "reading_at": as_instants(late.starts[order]),
            "consumption_kwh": _as_counted(late.kwh[order], said),
            "version": late.version[order],
        }
    )


def _transformer_readings(city: City, rates: DefectRates, one: SimulatedDay) -> tuple[pa.Table, defects.Defect]:
    """The day's readings of the transformers' meters, and those that are missing."""
    day = one.day
    rng = stream(city.seed, Purpose.TRANSFORMER_READINGS, day.ordinal)
    is_missing = rng.random((city.transformers, day.slots)) < rates.missing_transformer_readings
    transformer, slot = np.nonzero(~is_missing)
    rows = pa.table(
        {
            "transformer_id": named(city.transformer_ids, transformer),
            "reading_at": as_instants(day.starts[slot]),
            "energy_kwh": np.round(
                one.energy_kwh[transformer, slot] * (1 + city.transformer_meter_error)[transformer], 3
            ),
        }
    )
    return rows, defects.Defect("transformer_readings", "missing", *defects.runs(is_missing))


def _register_readings(city: City, one: SimulatedDay) -> pa.Table:
    return pa.table(
        {
            "meter_id": named(city.meter_ids, np.arange(city.meters)),
            "read_at": as_instants(np.repeat(one.day.starts[:1], city.meters)),
            "register_kwh": one.start_register_kwh,
        }
    )
