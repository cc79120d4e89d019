"""Deliveries of the sources beside readings, for the simulated fleet: registers, transformers, outages, purchases, visits.

What belongs here: a little of each, by the days it is about, with something that changes, overlaps or contradicts in it.
What does not: readings of meters (energy_assets/simulation).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from support.deliveries import Deliveries

METERS = [f"M{number:06d}" for number in range(1, 7)]
FED_KWH = 12
"""More than the meters of a transformer ever use in half an hour."""


def beside_readings(window: Iterable[date]) -> Deliveries:
    """Everything but readings of meters, for these days in a row."""
    days = list(window)
    return {
        "meters/register.csv": _table("meter_id,valid_from,transformer_id,customer_class,ct_multiplier,version", _meters(days)),
        "transformers/register.csv": _table(
            "transformer_id,valid_from,feeder_id,rating_kva,no_load_loss_w,load_loss_w",
            ["T1,,F1,50,90,800", f"T1,{days[-1]},F1,100,200,1400", "T2,,F1,,,"],
        ),
        **{f"transformer_readings/{of}.csv": _table("transformer_id,reading_at,energy_kwh,version", _fed(of)) for of in days},
        "outages/all.csv": _table("area_id,started_at,ended_at,kind", _outages(days)),
        "token_purchases/all.csv": _table(
            "meter_id,purchased_at,energy_kwh,amount,currency", [f"M000001,{of} 18:00,50,3950,XAF" for of in days]
        ),
        "register_readings/all.csv": _table(
            "meter_id,read_at,register_kwh", [f"{meter},{of} 06:00,{n * 10}" for n, of in enumerate(days) for meter in METERS]
        ),
        "inspections/all.csv": _table(
            "meter_id,inspected_on,outcome,version", [f"M000002,{days[0]},no_access,1", f"M000002,{days[0]},theft,2"]
        ),
    }  # fmt: skip


def _meters(days: list[date]) -> list[str]:
    """Half of them behind either transformer; one moves on the second day, and of one two entries contradict each other."""
    always = [f"{meter},,T{1 + number % 2},residential,1,1" for number, meter in enumerate(METERS)]
    return [*always, f"M000001,{days[min(1, len(days) - 1)]},T2,commercial,2,1", "M000003,,T2,industrial,1,2"]


def _fed(of: date) -> list[str]:
    return [
        *(
            f"{name},{of} {n // 2:02d}:{n % 2 * 30:02d},{FED_KWH + n / 100},1"
            for n in range(48)
            for name in ("T1", "T2")
        ),
        f"T1,{of} 12:00,{FED_KWH / 2},2",
    ]


def _outages(days: list[date]) -> list[str]:
    return [
        f"T2,{days[0]} 23:40,{days[min(1, len(days) - 1)]} 23:50,fault",
        f"F1,{days[0]} 18:00,{days[0]} 19:10,load_shedding",
        f"F1,{days[0]} 18:00,,load_shedding",
    ]


def _table(header: str, rows: list[str]) -> str:
    return "\n".join([header, *rows]) + "\n"
