"""A small city whose names carry attacks: every id, class, tariff, reason and file name is one.

What belongs here: the names, and the files that deliver them. What does not: what must not come of them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

FIRST = date(2024, 1, 1)
DAYS = 2
"""Of the second, a third of the rows have no meter: it turns red."""

IDS = (
    "M'); drop table staging.stg_meter_readings; --",
    'M"; drop schema marts cascade; --',
    "M$$; select pg_sleep(60); $$",
    "' or '1'='1",
    "M\\'; drop table energy_analytics.meter_readings; --",
    "%s %(meter_id)s {0} {meter_id} %n",
    "{{ 7*7 }}{% raw %}",
    "$(touch pwned) `touch pwned` ;touch pwned|touch pwned",
    "../../../../etc/passwd",
    '=HYPERLINK("http://evil.example","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[x](javascript:alert(1)) ![y](http://evil.example/y.png)",
    'M"} 1 energy_assets_up{x="',
    "\\N",
    "\\.",
    "NULL",
    '{"a": 1}',
    '{a,"b"}',
    'a,"b";c',
    "nan",
    "M\u202egnp.exe",
    "M" * 200,
)
"""Of meters; SQL of both stores, formats, templates, shells, paths, formulas, HTML, Markdown, metrics, and the words that loaders take for nothing."""

FILES = (
    "2024-01-01'; drop table raw_data.landing_files; --.csv",
    '"; select 1; --.csv',
    "$(touch pwned) `touch pwned`.csv",
    "<img src=x onerror=alert(1)>.csv",
    '=HYPERLINK("http:evil","x").csv',
    "%s {0} {{ 7*7 }}.csv",
    "--help.csv",
    "a\nb.csv",
    "\u202evsc.csv",
)
"""Of files below the landing zone."""

TRANSFORMER = "T'); drop table intermediate.int_transformer_balance; --<b>x</b>"
FEEDER = "=F'\"1<script>alert(1)</script>"
CUSTOMER = "C'; drop table staging.stg_meters; --"
CLASS = "household'; --<script>alert(1)</script>"
TARIFF = "flat'; drop table reference.tariffs; --"
NOTE = "'); drop table staging.stg_inspections; --<script>alert(1)</script>"
STATION = "W'; --"


def deliver(folder: Path) -> Path:
    """Write the city's files below `folder`; the folder."""
    readings, fed = [], []
    for day in (FIRST + timedelta(days=number) for number in range(DAYS)):
        for half_hour in range(48):
            at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=30 * half_hour)
            readings += [(meter, at.isoformat(), 0.5 + number / 100) for number, meter in enumerate(IDS)]
            fed.append((TRANSFORMER, at.isoformat(), 17.0))
            if day > FIRST:
                readings += [("", at.isoformat(), 0.5)] * (len(IDS) // 2)
    share = len(readings) // len(FILES) + 1
    for number, name in enumerate(FILES):
        part = readings[number * share : (number + 1) * share]
        _write(folder / "meter_readings" / name, ("meter_id", "reading_at", "consumption_kwh"), part)
    _write(folder / "transformer_readings" / FILES[0], ("transformer_id", "reading_at", "energy_kwh"), fed)
    registered = [
        (meter, FIRST, f"{CUSTOMER} {number}", CLASS, TRANSFORMER, TARIFF, "false", 1, 1)
        for number, meter in enumerate(IDS)
    ]
    columns = ("meter_id", "valid_from", "customer_id", "customer_class", "transformer_id", "tariff_code", "prepaid")
    _write(folder / "meters" / FILES[1], (*columns, "phases", "ct_multiplier"), registered)
    columns = ("transformer_id", "valid_from", "feeder_id", "rating_kva", "no_load_loss_w", "load_loss_w")
    _write(folder / "transformers" / FILES[2], columns, [(TRANSFORMER, FIRST, FEEDER, 100, 200, 1500)])
    visits = [(IDS[0], FIRST + timedelta(days=1), "clean", NOTE)]
    _write(folder / "inspections" / FILES[3], ("meter_id", "inspected_on", "outcome", "notes"), visits)
    _write(
        folder / "outages" / FILES[4],
        ("area_id", "started_at", "ended_at", "kind"),
        [(TRANSFORMER, f"{FIRST}T03:00:00", f"{FIRST}T04:00:00", "fault")],
    )
    columns = ("station_id", "observed_at", "temperature_c")
    _write(folder / "weather" / FILES[5], columns, [(STATION, f"{FIRST}T{hour:02}:00:00", 25) for hour in range(24)])
    return folder


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        writer.writerows(rows)
