"""The truth beside the deliveries: `truth/` of a simulated folder.

What belongs here: its tables and how they are filled. What does not: what the landing zone sees, which has nothing of it.

    truth/fleet.json              seed, first day and settings: what the folder's fleet is
    truth/meters.parquet          one row a meter: true transformer, role, onset, end, parameters (JSON)
    truth/hooks.parquet           strangers hooked to transformers' lines
    truth/intervals/DAY.parquet   meter × half-hour: true and reported energy, before rounding and defects
    truth/transformers/DAY.parquet  transformer × half-hour: energy_kwh = true_kwh + hooked_kwh + technical_loss_kwh
    truth/interruptions.parquet   every interruption of supply, reported or not, prepaid credit that ran out included
    truth/defects.parquet         every injected defect of delivery

Roles and onsets are the fleet's, whatever days are written: an onset may lie after the last of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from energy_assets.simulation.attacks import ATTACKS
from energy_assets.simulation.calendar import Day, grid
from energy_assets.simulation.city import City
from energy_assets.simulation.defects import Defect
from energy_assets.simulation.errors import SimulationError
from energy_assets.simulation.files import as_instants, named, write_table
from energy_assets.simulation.outages import Interruption
from energy_assets.simulation.roles import HONEST, NEVER, Group, Roles, day_of_ordinal

INSTANT = pa.timestamp("us", "UTC")
METERS = pa.schema(
    [
        ("meter_id", pa.string()),
        ("transformer_id", pa.string()),
        ("type", pa.string()),
        ("is_theft", pa.bool_()),
        ("keeps_energy", pa.bool_()),
        ("onset", pa.date32()),
        ("end", pa.date32()),
        ("parameters", pa.string()),
    ]
)
"""`onset` and `end` are local days, the end being the first day without; null where honest, and where it does not end."""
HOOKS = pa.schema(
    [("transformer_id", pa.string()), ("onset", pa.date32()), ("end", pa.date32()), ("daily_kwh", pa.float64())]
)
INTERRUPTIONS = pa.schema(
    [
        ("reading_date", pa.date32()),
        ("area_id", pa.string()),
        ("started_at", INSTANT),
        ("ended_at", INSTANT),
        ("kind", pa.string()),
        ("is_reported", pa.bool_()),
    ]
)
"""By the local day on which they start. The area of kind `prepaid_cut` is a meter; such a cut ends with its day."""
DEFECTS = pa.schema(
    [
        ("reading_date", pa.date32()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("kind", pa.string()),
        ("meter_id", pa.string()),
        ("transformer_id", pa.string()),
        ("started_at", INSTANT),
        ("ended_at", INSTANT),
        ("delivered_on", pa.date32()),
    ]
)
"""`file` is where the defect is, or where the rows are missing; `delivered_on` the day whose `-late` file brings them, or brings
them right."""


def claim(folder: Path, settings: Mapping[str, object]) -> None:
    """Write down what the folder's fleet is. Raises SimulationError where it holds another."""
    path = folder / "fleet.json"
    text = json.dumps(settings, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        differing = [
            name for name, value in json.loads(path.read_text(encoding="utf-8")).items() if settings.get(name) != value
        ]
        raise SimulationError(
            f"{folder.parent} holds another fleet ({', '.join(differing)} differ, see {path}): "
            "give the same settings to go on with it, or another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_roles(folder: Path, city: City, roles: Roles) -> None:
    write_table(meter_roles(city, roles), folder / "meters.parquet")
    hooks = roles.hooks
    columns = [city.transformer_ids[hooks.transformers], _days(hooks.onset), _days(hooks.end), hooks.daily_kwh]
    write_table(pa.table(dict(zip(HOOKS.names, columns, strict=True)), schema=HOOKS), folder / "hooks.parquet")


def meter_roles(city: City, roles: Roles) -> pa.Table:
    """One row a meter: an honest one has neither onset nor end."""
    kind = np.full(city.meters, HONEST, object)
    parameters = np.full(city.meters, "{}", object)
    onset, end = np.full((2, city.meters), NEVER)
    for group in roles.groups:
        kind[group.meters], onset[group.meters], end[group.meters] = group.kind, group.onset, group.end
        parameters[group.meters] = _parameters(city, group)
    return pa.table(
        {
            "meter_id": pa.array(city.meter_ids, pa.string()),
            "transformer_id": pa.array(city.transformer_ids[city.transformer], pa.string()),
            "type": pa.array(kind, pa.string()),
            "is_theft": [name in ATTACKS for name in kind],
            "keeps_energy": [name in ATTACKS and ATTACKS[name].keeps_energy for name in kind],
            "onset": _days(onset),
            "end": _days(end),
            "parameters": pa.array(parameters, pa.string()),
        },
        schema=METERS,
    )


def interval_rows(
    city: City, day: Day, true_kwh: np.ndarray, reported_kwh: np.ndarray, metered_kwh: np.ndarray
) -> pa.Table:
    """`metered_kwh` is `reported_kwh` with each meter's own error."""
    meter, slot = grid(city.meters, day.slots)
    return pa.table(
        {
            "meter_id": named(city.meter_ids, meter),
            "reading_at": as_instants(day.starts.astype("datetime64[us]")[slot]),
            "true_kwh": true_kwh.ravel(),
            "reported_kwh": reported_kwh.ravel(),
            "metered_kwh": metered_kwh.ravel(),
        }
    )


def transformer_rows(
    city: City, day: Day, true_kwh: np.ndarray, hooked_kwh: np.ndarray, loss_kwh: np.ndarray, live: np.ndarray
) -> pa.Table:
    """All [transformers, slots]; `live` is the share of the half-hour with supply."""
    return pa.table(
        {
            "transformer_id": named(city.transformer_ids, np.repeat(np.arange(city.transformers), day.slots)),
            "reading_at": as_instants(np.tile(day.starts, city.transformers)),
            "true_kwh": true_kwh.ravel(),
            "hooked_kwh": hooked_kwh.ravel(),
            "technical_loss_kwh": loss_kwh.ravel(),
            "energy_kwh": (true_kwh + hooked_kwh + loss_kwh).ravel(),
            "live_share": live.ravel().astype(float),
        }
    )


def interruption_rows(day: Day, interruptions: list[Interruption]) -> pa.Table:
    started = [one for one in interruptions if day.starts[0] <= one.started_at < day.end]
    return pa.table(
        {
            "reading_date": pa.array([day.date] * len(started), pa.date32()),
            "area_id": [one.area_id for one in started],
            "started_at": as_instants(np.array([one.started_at for one in started], "datetime64[m]")),
            "ended_at": as_instants(np.array([one.ended_at for one in started], "datetime64[m]")),
            "kind": [one.kind for one in started],
            "is_reported": [one.is_reported for one in started],
        },
        schema=INTERRUPTIONS,
    )


def cut_rows(city: City, day: Day, meter: np.ndarray, first: np.ndarray, last: np.ndarray) -> pa.Table:
    """Prepaid meters whose switch was open in the half-hours [first, last)."""
    return pa.table(
        {
            "reading_date": pa.array([day.date] * len(meter), pa.date32()),
            "area_id": pa.array(city.meter_ids[meter], pa.string()),
            "started_at": as_instants(day.starts[first]),
            "ended_at": as_instants(_ends(day, last)),
            "kind": pa.array(["prepaid_cut"] * len(meter), pa.string()),
            "is_reported": np.zeros(len(meter), bool),
        },
        schema=INTERRUPTIONS,
    )


def defect_rows(city: City, day: Day, defects: list[Defect], suffix: str) -> pa.Table:
    return pa.concat_tables([DEFECTS.empty_table(), *(_defect_rows(city, day, one, suffix) for one in defects)])


def _defect_rows(city: City, day: Day, defect: Defect, suffix: str) -> pa.Table:
    count = len(defect.owner)
    is_meter = defect.source != "transformer_readings"
    owners = pa.array((city.meter_ids if is_meter else city.transformer_ids)[defect.owner], pa.string())
    nobody = pa.nulls(count, pa.string())
    due = np.zeros(count, int) if defect.due is None else defect.due
    return pa.table(
        {
            "reading_date": pa.array([day.date] * count, pa.date32()),
            "source": pa.array([defect.source] * count, pa.string()),
            "file": pa.array([f"{defect.source}/{day.date}.{suffix}"] * count, pa.string()),
            "kind": pa.array([defect.kind] * count, pa.string()),
            "meter_id": owners if is_meter else nobody,
            "transformer_id": nobody if is_meter else owners,
            "started_at": as_instants(day.starts[defect.first]),
            "ended_at": as_instants(_ends(day, defect.last)),
            "delivered_on": _days(np.where(due > 0, due, NEVER)),
        },
        schema=DEFECTS,
    )


def _ends(day: Day, last: np.ndarray) -> np.ndarray:
    return np.append(day.starts, day.end)[last]


def _days(ordinals: np.ndarray) -> pa.Array:
    days: list[date | None] = [day_of_ordinal(ordinal) for ordinal in ordinals]
    return pa.array(days, pa.date32())


def _parameters(city: City, group: Group) -> list[str]:
    """JSON of each meter's parameters, with identifiers for indices."""
    columns = {name: values.tolist() for name, values in group.parameters.items()}
    if "registry_transformer" in columns:
        columns["registry_transformer"] = city.transformer_ids[group.parameters["registry_transformer"]].tolist()
    rounded = {
        name: [round(value, 6) if isinstance(value, float) else value for value in values]
        for name, values in columns.items()
    }
    return [json.dumps({name: values[number] for name, values in rounded.items()}) for number in range(len(group))]
