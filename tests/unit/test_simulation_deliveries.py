"""What the simulated city delivers: the landing contract's files, and no defect that the truth does not name."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from landing_support import Zone

from energy_assets.landing.contract import SOURCES, WEATHER_OBSERVATIONS
from energy_assets.landing.files import list_files
from energy_assets.landing.mapping import load_mappings
from energy_assets.landing.scan import scan
from energy_assets.simulation import SOURCES as SIMULATED
from energy_assets.simulation import simulate
from energy_assets.simulation.defects import DefectRates
from energy_assets.simulation.document import DOCUMENT, refreshed

FIRST = date(2024, 1, 1)
CONTRACT = {
    "meter_readings": ["meter_id", "reading_at", "consumption_kwh", "version"],
    "transformer_readings": ["transformer_id", "reading_at", "energy_kwh"],
    "weather": ["station_id", "observed_at", "temperature_c", "humidity_pct", "wind_speed_kmh"],
    "outages": ["area_id", "started_at", "ended_at", "kind"],
    "meters": [
        *("meter_id", "valid_from", "customer_id", "customer_class", "transformer_id", "tariff_code", "prepaid"),
        *("phases", "ct_multiplier", "installed_on", "removed_on", "latitude", "longitude"),
    ],
    "transformers": [
        *("transformer_id", "valid_from", "feeder_id", "rating_kva", "no_load_loss_w", "load_loss_w"),
        *("latitude", "longitude"),
    ],
    "token_purchases": ["meter_id", "purchased_at", "energy_kwh", "amount", "currency"],
    "inspections": ["meter_id", "inspected_on", "outcome", "recovered_kwh", "selection"],
    "register_readings": ["meter_id", "read_at", "register_kwh"],
}
"""The columns of each source's files, in order: all that the landing zone sees."""
MANY = DefectRates(
    missing_runs=0.002,
    late_meter_days=0.02,
    most_days_late=4,
    unit_mistakes=0.001,
    negatives=0.001,
    spikes=0.001,
    frozen_meter_days=0.01,
    most_days_to_correct=3,
    duplicates=0.003,
    frozen_register_meter_days=0.01,
)


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Zone:
    """Two weeks of a city with many defects, as Parquet."""
    zone = Zone(tmp_path_factory.mktemp("city"))
    simulate(80, 14, 6, zone.root, theft_rate=0.1, rates=MANY, horizon_days=12, transformers=4)
    return zone


def delivered(zone: Zone, source: str) -> pl.DataFrame:
    return pl.read_parquet(zone.root / source / "*.parquet", include_file_paths="path")


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_every_source_has_the_contracts_columns_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    simulate(40, 12, 2, tmp_path, format=suffix, transformers=4)
    folders = {path.name for path in tmp_path.iterdir()} - {"truth"}
    assert folders == CONTRACT.keys() == set(SIMULATED)
    read = pl.read_parquet if suffix == "parquet" else partial(pl.read_csv, infer_schema=False)
    for path in tmp_path.rglob(f"*.{suffix}"):
        if "truth" not in path.parts:
            assert read(path).columns == CONTRACT[path.parent.name], path


def test_the_contract_knows_the_columns() -> None:
    for source in SOURCES:
        if source.name in CONTRACT:
            assert set(CONTRACT[source.name]) <= {column.name for column in source.delivered}


def test_only_the_wanted_sources_are_written(tmp_path: Path) -> None:
    simulate(10, 1, 1, tmp_path, sources=["meter_readings"], with_truth=False)
    assert {path.name for path in tmp_path.iterdir()} == {"meter_readings"}


def test_the_landing_zone_leaves_the_truth_alone(zone: Zone) -> None:
    listing = list_files(zone.root)
    assert {Path(file.path).parts[-2] for file in listing.settled} <= CONTRACT.keys()
    assert not listing.refused
    assert any(path.startswith("truth/") for path in listing.left_alone)


def test_readings_and_weather_land_in_their_days_with_few_rejected(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    paths = simulate(100, 3, 7, zone.root)
    for number, path in enumerate(paths):
        landed, day = zone.land(path), FIRST + timedelta(days=number)
        assert landed.days == (day,)
        assert landed.rows_rejected == 4
        assert {row["column_name"] for row in landed.rejects().to_pylist()} == {"meter_id", "consumption_kwh"}
        weather = zone.land(zone.root / "weather" / f"{day}.parquet")
        assert weather.sources[WEATHER_OBSERVATIONS.name] == {day: 24}
    report = scan(zone.root, load_mappings())
    assert report.first_day == FIRST
    assert not [file for file in report.files if file.unknown_columns]


def test_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    for suffix in ("csv", "parquet"):
        simulate(60, 4, 5, zone.root / suffix, format=suffix, rates=MANY, transformers=3)
    for text in sorted((zone.root / "csv").rglob("*.csv")):
        source = text.parent.name
        other = zone.root / "parquet" / source / f"{text.stem}.parquet"
        if source == "meter_readings":
            landed = []
            for path in (text, other):
                home = Zone(tmp_path / path.suffix)
                landed.append(home.land(home.put(path.read_bytes(), f"{source}/{path.name}")))
            rows = [Zone(tmp_path / p.suffix).rows(one) for one, p in zip(landed, (text, other), strict=True)]
            assert rows[0].drop("row_number").equals(rows[1].drop("row_number")), text
            assert landed[0].rows_rejected == landed[1].rows_rejected
            continue
        typed = pl.read_parquet(other)
        columns = {name: pl.String if kind.is_temporal() else kind for name, kind in typed.schema.items()}
        written = pl.read_csv(text, schema=columns)
        for name, kind in typed.schema.items():
            if kind == pl.Date:
                written = written.with_columns(pl.col(name).str.to_date())
            elif kind.is_temporal():
                written = written.with_columns(pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%z").cast(kind))
        assert written.equals(typed), text


def test_days_are_local_days_with_their_clock_changes(tmp_path: Path) -> None:
    zone = Zone(tmp_path, "Europe/London")
    for day, half_hours in ((date(2024, 3, 31), 46), (date(2024, 10, 27), 50)):
        (path,) = simulate(40, 1, 5, zone.root / str(day), day, "Europe/London")
        landed = zone.land(zone.put(path.read_bytes(), f"meter_readings/{day}.parquet"))
        assert landed.days == (day,)
        assert zone.rows(landed)["reading_at"].n_unique() == half_hours


def test_a_red_day_lacks_a_quarter_of_its_meters(tmp_path: Path) -> None:
    zone = Zone(tmp_path)
    green, red = map(zone.land, simulate(50, 2, 7, zone.root, red_days=[date(2024, 1, 2)]))
    assert green.rows_rejected / green.rows_read < 0.01
    assert 0.2 < red.rows_rejected / red.rows_read < 0.3
    named = pl.read_parquet(zone.root / "truth" / "defects.parquet").filter(pl.col("kind") == "no_meter")
    assert named.filter(pl.col("reading_date") == date(2024, 1, 2)).height == red.rows_rejected - 2


# Defects: what was delivered, against what is true and what the truth says was spoiled.


def as_energy(zone: Zone, rows: pl.DataFrame) -> pl.DataFrame:
    """What was delivered times the multiplier that the register says of the day: what a meter counts becomes energy."""
    register = delivered(zone, "meters").select("meter_id", "valid_from", "ct_multiplier").sort("valid_from")
    day = pl.col("reading_at").dt.convert_time_zone("Africa/Douala").dt.date()
    known = rows.with_columns(day.alias("valid_from")).sort("valid_from")
    known = known.join_asof(register, on="valid_from", by="meter_id").drop("valid_from")
    return known.with_columns((pl.col("consumption_kwh") * pl.col("ct_multiplier")).round(3, mode="half_to_even"))


@pytest.fixture(scope="module")
def told(zone: Zone) -> pl.DataFrame:
    """Each half-hour: what the meter reported, the defect it has, and its rows in the day's own file and in late ones."""
    truth = zone.root / "truth"
    reported = pl.read_parquet(truth / "intervals").with_columns(pl.col("metered_kwh").round(3, mode="half_to_even"))
    rows = as_energy(zone, delivered(zone, "meter_readings").filter(pl.col("meter_id").is_not_null()))
    own = rows.filter(~pl.col("path").str.contains("-late"))
    own = own.group_by("meter_id", "reading_at").agg(pl.len().alias("rows"), pl.col("consumption_kwh").first())
    late = rows.filter(pl.col("path").str.contains("-late")).select(
        "meter_id", "reading_at", pl.col("consumption_kwh").alias("late_kwh"), pl.col("version").alias("late_version"),
        pl.col("path").str.extract(r"(\d{4}-\d\d-\d\d)-late").str.to_date().alias("came_on"),
    )  # fmt: skip
    defects = pl.read_parquet(truth / "defects.parquet").filter(pl.col("source") == "meter_readings")
    spread = (
        defects.with_columns(pl.datetime_ranges("started_at", "ended_at", "30m", closed="left").alias("reading_at"))
        .explode("reading_at")
        .select("meter_id", "reading_at", "kind", "delivered_on", "started_at")
    )
    assert spread.select("meter_id", "reading_at").is_unique().all(), "a half-hour has two defects"
    joined = reported
    for other in (own, late, spread):
        joined = joined.join(other, on=["meter_id", "reading_at"], how="left", validate="1:1")
    assert joined.height == reported.height
    return joined.with_columns(pl.col("kind").fill_null("none"), pl.col("rows").fill_null(0))


def test_a_reading_without_a_defect_is_delivered_once_as_it_was_reported(told: pl.DataFrame) -> None:
    sound = told.filter(pl.col("kind") == "none")
    assert sound.height > 0.8 * told.height
    assert (sound["rows"] == 1).all()
    assert (sound["consumption_kwh"] == sound["metered_kwh"]).all()
    assert sound["late_kwh"].null_count() == sound.height


@pytest.mark.parametrize("kind", ["missing", "silent_without_supply", "comms_gap", "late", "no_meter"])
def test_what_is_withheld_is_not_in_the_days_own_file(told: pl.DataFrame, kind: str) -> None:
    held = told.filter(pl.col("kind") == kind)
    assert held.height
    assert (held["rows"] == 0).all()


def test_what_is_late_comes_on_the_day_that_the_truth_names_as_it_was_reported(told: pl.DataFrame) -> None:
    last = FIRST + timedelta(days=13)
    late = told.filter(pl.col("kind").is_in(["late", "comms_gap"]) & (pl.col("delivered_on") <= last))
    assert late.height
    assert (late["came_on"] == late["delivered_on"]).all()
    assert (late["late_kwh"] == late["metered_kwh"]).all()
    assert (late["late_version"] == 1).all()
    never = told.filter((pl.col("kind") == "comms_gap") & pl.col("delivered_on").is_null())
    assert never["late_kwh"].null_count() == never.height


@pytest.mark.parametrize("kind", ["unit_mistake", "negative", "spike"])
def test_a_spoiled_value_is_spoiled_as_named_and_comes_right_with_version_two(told: pl.DataFrame, kind: str) -> None:
    spoiled = told.filter(pl.col("kind") == kind)
    assert spoiled.height
    ratio = spoiled["consumption_kwh"] / spoiled["metered_kwh"]
    if kind == "spike":
        assert (ratio > 2).all()
    else:
        assert (ratio - {"unit_mistake": 1000, "negative": -1}[kind]).abs().max() < 1e-6
    corrected = spoiled.filter(pl.col("delivered_on") <= FIRST + timedelta(days=13))
    assert corrected.height
    assert (corrected["late_version"] == 2).all()
    assert (corrected["late_kwh"] == corrected["metered_kwh"]).all()
    assert (corrected["came_on"] == corrected["delivered_on"]).all()


def test_a_frozen_meter_repeats_one_value(told: pl.DataFrame) -> None:
    frozen = told.filter(pl.col("kind") == "frozen_value").group_by("meter_id", "started_at")
    each = frozen.agg(
        pl.col("consumption_kwh").n_unique().alias("values"), pl.col("metered_kwh").n_unique().alias("true")
    )
    assert each.height
    assert (each["values"] == 1).all()
    assert (each["true"] > 1).all()


def test_duplicates_come_twice_and_unreadable_numbers_without_a_number(told: pl.DataFrame) -> None:
    twice, unreadable = (told.filter(pl.col("kind") == kind) for kind in ("duplicate", "unreadable_number"))
    assert twice.height
    assert (twice["rows"] == 2).all()
    assert unreadable.height
    assert unreadable["consumption_kwh"].null_count() == unreadable.height


def test_registers_follow_the_readings_unless_they_are_frozen_or_renewed(zone: Zone) -> None:
    truth = zone.root / "truth"
    registers = delivered(zone, "register_readings").sort("meter_id", "read_at")
    used = pl.read_parquet(truth / "intervals").with_columns(pl.col("reading_at").dt.convert_time_zone("Africa/Douala"))
    daily = used.group_by("meter_id", pl.col("reading_at").dt.date().alias("day")).agg(pl.col("metered_kwh").sum())
    steps = registers.with_columns(
        pl.col("read_at").dt.convert_time_zone("Africa/Douala").dt.date().alias("day"),
        (pl.col("register_kwh").shift(-1) - pl.col("register_kwh")).over("meter_id").alias("step"),
    ).join(daily, on=["meter_id", "day"])
    roles = pl.read_parquet(truth / "meters.parquet")
    special = roles.filter(pl.col("type").is_in(["meter_replacement", "ct_multiplier_error", "clock_drift"]))[
        "meter_id"
    ]
    frozen = pl.read_parquet(truth / "defects.parquet").filter(pl.col("kind") == "frozen_register")
    assert frozen.height
    large = delivered(zone, "meters").filter(pl.col("ct_multiplier") > 1)["meter_id"]
    steps = steps.filter(~pl.col("meter_id").is_in(large.unique().to_list()))
    differs = steps.filter((pl.col("step") - pl.col("metered_kwh")).abs() > 0.001)
    assert set(differs["meter_id"]) <= set(special) | set(frozen["meter_id"])
    assert set(frozen.filter(pl.col("reading_date") < date(2024, 1, 12))["meter_id"]) & set(differs["meter_id"])


def test_reported_outages_are_true_and_faults_may_stay_unreported(tmp_path: Path) -> None:
    simulate(100, 40, 3, tmp_path, sources=["outages"], transformers=30)
    said = pl.read_parquet(tmp_path / "outages" / "*.parquet")
    true = pl.read_parquet(tmp_path / "truth" / "interruptions.parquet").filter(pl.col("kind") != "prepaid_cut")
    reported = true.filter("is_reported")
    ended = said.filter(pl.col("ended_at").is_not_null())
    over_midnight = said.filter(pl.col("ended_at").is_null())
    keys = ["area_id", "started_at", "ended_at", "kind"]
    assert ended.join(reported, on=keys, how="anti").height == 0
    assert (
        reported.filter(pl.col("ended_at") < pl.datetime(2024, 2, 9, time_zone="UTC"))
        .join(ended, on=keys, how="anti")
        .height
        == 0
    )
    assert over_midnight.height
    assert over_midnight.join(ended, on=["area_id", "started_at"], how="anti").height <= 1
    assert set(true.filter(~pl.col("is_reported"))["kind"]) == {"fault"}


def test_tokens_are_bought_by_prepaid_meters_alone(zone: Zone) -> None:
    bought, registry = delivered(zone, "token_purchases"), delivered(zone, "meters")
    prepaid = set(registry.filter("prepaid")["meter_id"])
    assert set(bought["meter_id"]) <= prepaid
    assert set(bought["currency"]) == {"XAF"}
    assert (bought["amount"] % 250 == 0).all()


def test_inspections_lie_before_the_first_day(zone: Zone) -> None:
    simulate(500, 1, 2, zone.path / "large", sources=["inspections"], with_truth=False)
    visits = pl.read_parquet(zone.path / "large" / "inspections" / "*.parquet")
    assert set(visits["outcome"]) <= {"clean", "theft", "no_access", "faulty_meter"}
    assert (visits["inspected_on"] < FIRST).all()
    assert 5 < visits.height < 50


# The page.


def test_the_page_names_what_the_code_has() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert refreshed(text) == text, "docs/simulation.md is stale: python -m energy_assets.simulation.document"
