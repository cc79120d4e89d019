"""Real readings through the whole graph: every one accounted for, by counts made here in plain Python."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import graph  # noqa: F401  fixes this process's settings before anything of the graph is imported
import pytest
from support import commands
from support.content_hash import assert_same, content

from energy_assets.home import Home
from energy_assets.resources.serving import Serving
from energy_assets.resources.warehouse import Warehouse

pytestmark = pytest.mark.shared_data

WHOLE_SECONDS = 900
"""A demo of months on a machine that is busy with other things."""
SAMPLE_ROWS = 20 * 48
"""Twenty days: enough that day and month cannot be taken for each other."""


@pytest.fixture
def root(home: Home) -> Iterator[Path]:
    """A root of homes, whose stores are stopped at the end."""
    yield home.path.parent
    commands.run(home.path.parent, "down", "--all")


def demonstrated(root: Path, data: Path) -> tuple[Home, Warehouse, Serving, str]:
    """The home that `energy-assets demo --data` made, its stores, which are up, and what was printed."""
    printed = commands.run(root, "demo", "--data", str(data), timeout=WHOLE_SECONDS)
    home = Home(root / (root / "current").read_text().strip())
    return home, Warehouse(home=str(home.path)), Serving(home=str(home.path)), printed


def octopus_readings(folder: Path) -> tuple[Counter[date], Counter[tuple[str, date]], float, list[tuple[str, int]]]:
    """Readings by London day, by meter and day, their sum in kWh, and (file, row) of rows that are none."""
    zone = ZoneInfo("Europe/London")
    by_day: Counter[date] = Counter()
    by_meter: Counter[tuple[str, date]] = Counter()
    total, junk = 0.0, []
    for file in sorted(folder.glob("*.csv")):
        with file.open(newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle), start=2):
                try:
                    day = datetime.fromisoformat(row["interval_start"]).astimezone(zone).date()
                except ValueError:
                    junk.append((f"meter_readings/{file.name}", number))
                    continue
                by_day[day] += 1
                by_meter[row["meter_identifier"], day] += 1
                total += float(row["kWh_per_half_hour"])
    return by_day, by_meter, total, junk


@pytest.mark.full
@pytest.mark.timeout(WHOLE_SECONDS + 60)
def test_every_octopus_reading_is_accounted_for(shared_data: Path, root: Path) -> None:
    by_day, by_meter, total_kwh, junk = octopus_readings(shared_data / "octopus" / "meter_readings")
    home, warehouse, serving, printed = demonstrated(root, shared_data / "octopus")
    assert (home.calendar().timezone, len(by_day), by_day.total()) == ("Europe/London", 18, 200_927)
    assert (home.calendar().first_day, home.calendar().last_day) == (min(by_day), max(by_day))
    assert "193 landed · 200,928 rows, 1 rejected" in printed

    assert dict(warehouse.rows("select reading_date, count(*) from raw_data.meter_readings group by 1")) == by_day
    rejected = warehouse.rows(
        "select path, row_number from raw_data.rejected_rows join raw_data.landing_files using (file_id)"
        " join raw_data.landing_paths using (sha256)"
    )
    assert rejected == junk
    assert len(junk) == 1

    daily = warehouse.rows(
        "select meter_id, reading_date, accepted_count, total_wh, is_complete from intermediate.int_readings_daily"
    )
    assert {(meter, day): count for meter, day, count, *_ in daily} == by_meter
    assert len({meter for meter, *_ in daily}) == 299
    assert sum(row[3] for row in daily) / 1000 == pytest.approx(total_kwh, abs=0.0005 * by_day.total())
    complete = sum(row[4] for row in daily)
    assert complete == sum(count == 48 for count in by_meter.values())
    assert round(100 * complete / len(daily)) == 91

    with serving.client() as client:
        served = client.query(
            "SELECT reading_date, count() FROM energy_analytics.meter_readings GROUP BY 1"
        ).result_rows
    assert dict(served) == by_day


KAGGLE = "kaggle_smart_meter/smart_meter_data.csv"
KAGGLE_REWRITTEN = "kaggle_smart_meter/smart_meter_data.dialect_ddmmyyyy.csv"


@pytest.mark.full
@pytest.mark.timeout(WHOLE_SECONDS + 60)
def test_every_kaggle_reading_is_accounted_for_and_its_label_is_told_for_what_it_is(
    shared_data: Path, root: Path
) -> None:
    with (shared_data / KAGGLE).open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    by_day = Counter(datetime.fromisoformat(row["Timestamp"]).date() for row in rows)
    home, warehouse, _, printed = demonstrated(root, shared_data / KAGGLE)
    assert (home.calendar().timezone, len(by_day), by_day.total()) == ("UTC", 105, 5000)
    for table, column in (
        ("staging.stg_meter_readings", "reading_date"),
        ("staging.stg_weather_observations", "observation_date"),
        ("staging.stg_reading_annotations", "reading_date"),
    ):
        assert dict(warehouse.rows(f"select {column}, count(*) from {table} group by 1")) == by_day, table
    labels = warehouse.rows("select delivered_label, count(*) from staging.stg_reading_annotations group by 1")
    assert dict(labels) == Counter(row["Anomaly_Label"] for row in rows)
    (energy_wh,) = warehouse.rows("select sum(accepted_wh) from staging.stg_meter_readings")[0]
    assert energy_wh == sum(round(1000 * float(row["Electricity_Consumed"])) for row in rows)
    assert "they are its output, not an observation; consumption is white noise" in printed


def beginning_of(file: Path, target: Path, rows: int) -> Path:
    """The first rows of a file, at `target`."""
    with file.open("rb") as handle:
        lines = [next(handle) for _ in range(rows + 1)]
    target.write_bytes(b"".join(lines))
    return target


@pytest.mark.full
def test_two_dialects_of_the_same_readings_come_to_the_same_energy(
    shared_data: Path, tmp_path: Path, root: Path
) -> None:
    """The second has nine digits a number and writes the day first: in Wh, and in all made of them, nothing differs.

    What staging keeps as delivered differs in its last digits, and with the weather's what a model learns from.
    """
    contents = []
    for number, name in enumerate((KAGGLE, KAGGLE_REWRITTEN)):
        data = beginning_of(shared_data / name, tmp_path / f"dialect-{number}.csv", SAMPLE_ROWS)
        _, warehouse, serving, _ = demonstrated(root, data)
        contents.append(content(warehouse, serving, ["intermediate.", "energy_analytics.meter_readings"]))
    assert_same(*contents)
