"""What energy costs: bills of real Postgres against bills worked out by hand, on the terms that the seeds state."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
from graph import Graph

from energy_assets.assets.models import dbt_variables
from energy_assets.assets.reference import reference_tables
from energy_assets.days import DayWindow
from energy_assets.embedded.connections import Connections, connections
from energy_assets.embedded.errors import StoreError
from energy_assets.home import Home
from energy_assets.resources.dbt import PROJECT_DIR, connection_variables
from energy_assets.resources.seeds import Seed, load_seeds, seeds
from energy_assets.resources.why import failed_steps
from energy_assets.settings import settings

Compile = Callable[..., str]
ANY_WINDOW = DayWindow(date(2024, 1, 1), date(2024, 1, 2))

DAILY = "create temporary table daily (meter_id text, transformer_id text, reading_date date, tariff_code text, energy_wh bigint, lost_wh bigint)"
Row = tuple[str, date, str | None, int, int]
"""Meter, day, tariff code, Wh, lost Wh."""


@pytest.fixture(scope="module")
def compiled(graph_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compile]:
    """What dbt makes of SQL that calls the project's macros."""
    from dbt.cli.main import dbtRunner

    target = tmp_path_factory.mktemp("dbt")
    places = [
        "--project-dir",
        PROJECT_DIR,
        "--profiles-dir",
        PROJECT_DIR,
        "--target-path",
        target,
        "--log-path",
        target,
    ]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in connection_variables(connections(graph_home, settings()).transformer_dsn).items():
            patch.setenv(name, value)
        parsed = dbtRunner().invoke(["--quiet", "parse", *map(str, places)]).result

        def compile_(sql: str, window: DayWindow = ANY_WINDOW, **known: str) -> str:
            variables = dbt_variables(window, "Africa/Douala", settings().model_copy(update=known), "test")
            arguments = ["--quiet", "compile", "--inline", sql, "--vars", json.dumps(variables), *map(str, places)]
            result = dbtRunner(manifest=deepcopy(parsed)).invoke(arguments)
            assert result.success, result.exception
            return result.result.results[0].node.compiled_code

        yield compile_


@pytest.fixture
def ask(graph_home: Home) -> Iterator[Callable[[str, Sequence[Row]], list[tuple]]]:
    """The rows of a query over a table `daily` that holds the given rows."""
    connection = psycopg2.connect(connections(graph_home, settings()).transformer_dsn)

    def asked(query: str, daily: Sequence[Row]) -> list[tuple]:
        with connection, connection.cursor() as cursor:
            cursor.execute("drop table if exists pg_temp.daily")
            cursor.execute(DAILY)
            for meter, day, tariff, wh, lost in daily:
                cursor.execute("insert into daily values (%s, 'T1', %s, %s, %s, %s)", (meter, day, tariff, wh, lost))
            cursor.execute(query)
            return cursor.fetchall()

    yield asked
    connection.close()


BILLS = "select meter_id, energy_charge, vat, total from {{ monthly_bills('daily', ['meter_id']) }} as bills order by 1"

CM, SN = (date(2024, 3, 15), "cm_residential"), (date(2026, 3, 15), "sn_residential")
BY_HAND: dict[str, tuple[date, str | None, str, str, str, str]] = {
    # Cameroon, grid of 2012: the tier that the month falls in prices all of it; above 220 kWh all of it is taxed with 19.25 %.
    "nothing": (*CM, "0", "0", "0", "0"),
    "110 kWh, the last of tier 1": (*CM, "110", "5500", "0", "5500"),  # 110 × 50
    "110.001 kWh, a watt-hour into tier 2": (*CM, "110.001", "8690", "0", "8690"),  # 110.001 × 79 = 8,690.079
    "111 kWh": (*CM, "111", "8769", "0", "8769"),  # 111 × 79
    "220 kWh, the last without tax": (*CM, "220", "17380", "0", "17380"),  # 220 × 79
    "220.001 kWh, taxed": (*CM, "220.001", "17380", "3346", "20726"),  # 17,380.079; × 1.1925 = 20,725.744…
    "221 kWh": (*CM, "221", "17459", "3361", "20820"),  # 221 × 79 = 17,459; × 0.1925 = 3,360.8575; sum 20,819.8575
    "400 kWh, the last of tier 2": (*CM, "400", "31600", "6083", "37683"),  # 400 × 79; × 0.1925 = 6,083 exactly
    "401 kWh": (*CM, "401", "37694", "7256", "44950"),  # 401 × 94; × 0.1925 = 7,256.095; sum 44,950.095
    "800 kWh, the last of tier 3": (*CM, "800", "75200", "14476", "89676"),  # 800 × 94; × 0.1925 = 14,476 exactly
    "801 kWh": (*CM, "801", "79299", "15265", "94564"),  # 801 × 99; × 0.1925 = 15,265.0575; sum 94,564.0575
    "2,500 kWh": (*CM, "2500", "247500", "47644", "295144"),  # × 99; × 0.1925 = 47,643.75; sum 295,143.75
    "half a franc is rounded up": (*CM, "0.01", "1", "0", "1"),  # 0.01 × 50 = 0.50
    "just below half a franc": (*CM, "0.009", "0", "0", "0"),  # 0.009 × 50 = 0.45
    "a shop": (CM[0], "cm_non_residential", "300", "27600", "5313", "32913"),  # 300 × 92; × 0.1925 = 5,313 exactly
    # Before 2019 Cameroon taxed what exceeds 110 kWh, and nothing else.
    # A published bill: 428 kWh for "nearly 46,000 F". 428 × 94 = 40,232; 318 × 94 × 0.1925 = 5,754.21; sum 45,986.21
    "428 kWh in 2012": (date(2012, 11, 10), "cm_residential", "428", "40232", "5754", "45986"),
    # 200 × 79 = 15,800; 90 × 79 × 0.1925 = 1,368.675; sum 17,168.675
    "200 kWh, December 2018": (date(2018, 12, 31), "cm_residential", "200", "15800", "1369", "17169"),
    "200 kWh, January 2019": (date(2019, 1, 1), "cm_residential", "200", "15800", "0", "15800"),
    # Senegal, 2026: each slice prices what lies in it; what exceeds 250 kWh is taxed with 18 %.
    "150 kWh, the last of slice 1": (*SN, "150", "12300", "0", "12300"),  # 150 × 82
    "151 kWh": (*SN, "151", "12436", "0", "12436"),  # 12,300 + 136.49 = 12,436.49
    "250 kWh, the last of slice 2": (*SN, "250", "25949", "0", "25949"),  # 12,300 + 100 × 136.49 = 25,949
    # 25,949 + 159.36 = 26,108.36; 159.36 × 0.18 = 28.6848; sum 26,137.0448
    "251 kWh, taxed above 250": (*SN, "251", "26108", "29", "26137"),
    # 25,949 + 70.5 × 159.36 = 37,183.88; 11,234.88 × 0.18 = 2,022.2784; sum 39,206.1584
    "320.5 kWh": (*SN, "320.5", "37184", "2022", "39206"),
    # 25,949 + 70.5 × 136.49 = 35,571.545; 9,622.545 × 0.18 = 1,732.0581; sum 37,303.6031
    "320.5 kWh, prepaid": (SN[0], "sn_residential_prepaid", "320.5", "35572", "1732", "37304"),
    # The first slice became cheaper on 1 January 2026. 13,675.5 + 10 × 136.49 = 15,040.4
    "160 kWh, December 2025": (date(2025, 12, 31), "sn_residential", "160", "15040", "0", "15040"),
    "160 kWh, January 2026": (date(2026, 1, 1), "sn_residential", "160", "13665", "0", "13665"),  # 12,300 + 1,364.9
    # 50 × 147.43 + 10 × 189.84 = 9,269.9; all of it × 0.18 = 1,668.582; sum 10,938.482
    "60 kWh, professional": (SN[0], "sn_professional", "60", "9270", "1668", "10938"),
    # Flat: cents, no tiers, no tax. 123.456 × 0.15 = 18.5184; 0.1 × 0.15 = 0.015
    "flat": (CM[0], "flat", "123.456", "18.52", "0", "18.52"),
    "flat, half a cent": (CM[0], "flat", "0.1", "0.02", "0", "0.02"),
    "no tariff in the register: the default": (CM[0], None, "100", "15.00", "0", "15.00"),
}


def test_bills_are_those_worked_by_hand(compiled: Compile, ask) -> None:
    daily = [(name, day, tariff, int(Decimal(kwh) * 1000), 0) for name, (day, tariff, kwh, *_) in BY_HAND.items()]

    found = {name: tuple(amounts) for name, *amounts in ask(compiled(BILLS), daily)}

    wanted = {name: tuple(Decimal(amount) for amount in amounts) for name, (_, _, _, *amounts) in BY_HAND.items()}
    assert found == wanted


def test_a_month_is_billed_whole_however_its_days_are_spread_and_another_month_apart(compiled: Compile, ask) -> None:
    days = [("M1", date(2024, 3, number), "cm_residential", 4_100, 0) for number in range(1, 31)]
    april = ("M1", date(2024, 4, 1), "cm_residential", 4_100, 0)

    # March: 30 × 4.1 = 123 kWh × 79 = 9,717; April: 4.1 × 50 = 205
    assert ask(compiled(BILLS.replace("order by 1", "order by total")), [april, *reversed(days)]) == [
        ("M1", 205, 0, 205),
        ("M1", 9717, 0, 9717),
    ]


def test_a_default_tariff_is_that_of_the_settings(compiled: Compile, ask) -> None:
    bills = compiled(BILLS, default_tariff="cm_residential")

    assert ask(bills, [("M1", date(2024, 3, 1), None, 100_000, 0)]) == [("M1", 5000, 0, 5000)]


def test_a_change_of_tariff_within_a_month_prorates_the_limits(compiled: Compile, ask) -> None:
    """Ten days a household, twenty a shop: a third of the month's limits for the one, two thirds for the other."""
    household = [("M1", date(2024, 4, number), "cm_residential", 4_000, 0) for number in range(1, 11)]
    shop = [("M1", date(2024, 4, number), "cm_non_residential", 9_000, 0) for number in range(11, 31)]

    # 40 kWh in a third of a month are 120 a month: tier 2, 40 × 79 = 3,160; 120 a month are not taxed.
    # 180 kWh in two thirds are 270 a month: tier 2, 180 × 92 = 16,560, taxed: 3,187.8. In all 22,907.8
    assert ask(compiled(BILLS), [*household, *shop]) == [("M1", 19720, 3188, 22908)]


def test_energy_without_a_price_leaves_the_bill_unknown(compiled: Compile, ask) -> None:
    unpriced = [
        ("before the tariff", date(2012, 5, 31), "cm_residential", 1_000, 0),
        ("in part", date(2024, 3, 1), "cm_residential", 1_000, 0),
        ("in part", date(2024, 3, 2), "no such tariff", 1_000, 0),
        ("negative", date(2024, 3, 1), "cm_residential", -1, 0),
    ]

    assert ask(compiled(BILLS), unpriced) == [
        (name, None, None, None) for name in ("before the tariff", "in part", "negative")
    ]


LOST = "select meter_id, lost_wh, lost_charge, lost_vat, lost_total from {{ lost_values('daily', ['meter_id']) }} as lost order by 1"


def test_lost_energy_is_worth_the_difference_of_two_bills(compiled: Compile, ask) -> None:
    thefts = [
        # 90 kWh metered, 30 stolen. 120 × 79 = 9,480; 90 × 50 = 4,500: the theft spared him the dearer tier for all.
        ("a month lifted into the next tier", date(2024, 3, 1), "cm_residential", 90_000, 30_000),
        # 300 × 79 = 23,700, taxed: 28,262.25; 200 × 79 = 15,800: tax on all of it is lost too.
        ("a month lifted past the tax", date(2024, 3, 1), "cm_residential", 200_000, 100_000),
        # 200 kWh: 12,300 + 50 × 136.49 = 19,124.5; 100 kWh: 8,200
        ("slices", date(2026, 3, 1), "sn_residential", 100_000, 100_000),
        ("nothing lost", date(2026, 3, 1), "sn_residential", 100_000, 0),
        # Full bypass: nothing is metered. 160 × 79
        ("nothing metered", date(2024, 3, 1), "cm_residential", 0, 160_000),
    ]

    assert {name: tuple(rest) for name, *rest in ask(compiled(LOST), thefts)} == {
        "a month lifted into the next tier": (30_000, 4980, 0, 4980),
        "a month lifted past the tax": (100_000, 7900, 4562, 12462),
        "slices": (100_000, 10925, 0, 10925),
        "nothing lost": (0, 0, 0, 0),
        "nothing metered": (160_000, 12640, 0, 12640),
    }


PRICES = (
    "select reading_date, currency, billed_meters, charge_per_kwh, vat_per_kwh, {{ amount('1000000', 'prices') }},"
    " {{ amount('1000000', 'prices', with_vat=true) }}"
    " from {{ mean_prices('daily', ['transformer_id']) }} as prices order by 1"
)


def test_a_days_loss_is_worth_the_mean_price_of_the_bills_around_it(compiled: Compile, ask) -> None:
    days = [date(2024, 4, 1) + timedelta(days=number) for number in range(30)]
    small = [("M1", day, "cm_residential", 3_000, 0) for day in days]
    large = [("M2", day, "cm_residential", 9_000, 0) for day in days]
    last = DayWindow(days[-1], days[-1] + timedelta(days=1))

    # 90 kWh × 50 = 4,500 and 270 kWh × 79 = 21,330, with 4,106.025 of tax: over 360 kWh 71.75 and 11.405625 a kWh.
    found = ask(compiled(PRICES, last), [*small, *large])
    assert found == [(days[-1], "XAF", 2, Decimal("71.75"), Decimal("11.405625"), 71750, 83156)]
    assert ask(compiled(PRICES, last), [*reversed(large), *small]) == found, "the order of arrival tells"

    # On the second of the month the same meters have the same price: limits are those of two days.
    second = DayWindow(days[1], days[2])
    assert ask(compiled(PRICES, second), [*small[:2], *large[:2]])[0][3:5] == found[0][3:5]

    # What lies before the trailing days counts for nothing; days one by one are days at once.
    before = ("M1", days[0] - timedelta(days=1), "cm_residential", 900_000, 0)
    whole = DayWindow(days[0], days[-1] + timedelta(days=1))
    at_once = ask(compiled(PRICES, whole), [before, *small, *large])
    assert len(at_once) == 30
    assert at_once[-1] == found[0]
    assert at_once[-2] == ask(compiled(PRICES, DayWindow(days[-2], days[-1])), [before, *small, *large])[0]
    assert at_once[-2] != found[0], "a month that began with 900 kWh is a dear one"


def test_where_nothing_was_drawn_a_loss_costs_what_the_first_kwh_does(compiled: Compile, ask) -> None:
    day = date(2024, 4, 1)
    window = DayWindow(day, day + timedelta(days=1))

    assert ask(compiled(PRICES, window), [("M1", day, "cm_residential", 0, 0)]) == [
        (day, "XAF", 1, 50, 0, 50000, 50000)
    ]
    mixed = [("M1", day, "cm_residential", 1000, 0), ("M2", day, "flat", 1000, 0)]
    assert ask(compiled(PRICES, window), mixed) == [], "francs and dollars have no mean"


# How seeds get into the database


@pytest.fixture
def urls(stores: tuple[Home, Connections]) -> Connections:
    """A database without the graph's tables: these tests load seeds of their own."""
    _, known = stores
    with psycopg2.connect(known.transformer_dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "create or replace function quality.lock_table(locked_table text) returns void language sql as"
            " $$ select pg_advisory_xact_lock(hashtext('energy_assets'), hashtext(locked_table)) $$"
        )
    return known


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    (tmp_path / "prices.csv").write_text("code,price\na,1.5\nb,2\n")
    columns = (
        {"name": "code", "data_type": "text", "constraints": [{"type": "not_null"}]},
        {"name": "price", "data_type": "numeric(5,2)"},
    )
    return Seed("prices", "One row per price.", tmp_path / "prices.csv", columns, ("code",))


@pytest.fixture
def transformer(urls: Connections) -> Iterator[psycopg2.extensions.connection]:
    connection = psycopg2.connect(urls.transformer_dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("drop table if exists reference.prices")
    yield connection
    connection.close()


def load(connection: psycopg2.extensions.connection, seed: Seed) -> list[str]:
    with connection, connection.cursor() as cursor:
        return load_seeds(cursor, (seed,))


def held(connection: psycopg2.extensions.connection) -> list[tuple]:
    with connection, connection.cursor() as cursor:
        cursor.execute("select * from reference.prices order by 1")
        return cursor.fetchall()


def test_a_seed_is_loaded_once_a_version(transformer, seed: Seed, urls: Connections) -> None:
    assert load(transformer, seed) == ["prices"]
    assert held(transformer) == [("a", Decimal("1.5")), ("b", Decimal("2"))]
    assert load(transformer, seed) == []

    seed.file.write_text("code,price\na,1.5\nc,\n")
    assert load(transformer, seed) == ["prices"]
    assert held(transformer) == [("a", Decimal("1.5")), ("c", None)]

    wider = replace(seed, columns=(*seed.columns, {"name": "source", "data_type": "text"}))
    seed.file.write_text("code,price,source\na,1.5,someone\n")
    assert load(transformer, wider) == ["prices"]
    assert held(transformer) == [("a", Decimal("1.5"), "someone")]

    with psycopg2.connect(urls.bi_dsn) as reader, reader.cursor() as cursor:
        cursor.execute("select code from reference.prices")
        assert cursor.fetchall() == [("a",)], "dashboards read it too"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("code,price\na,1.5\nb,cheap\n", "line 3, column price"),
        ("code,price\na,1\na,2\n", "(code)=(a) already exists"),
        ("code,price\n,1\n", "line 2"),
        ("price,code\n1,a\n", "line 1"),
        ("code,price\na,1000\n", "numeric field overflow"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named_with_its_line_and_leaves_the_table_as_it_was(
    transformer, seed: Seed, content: str, told: str
) -> None:
    load(transformer, seed)
    before = held(transformer)

    seed.file.write_text(content)
    with pytest.raises(StoreError) as error:
        load(transformer, seed)

    assert str(seed.file) in str(error.value)
    assert told in str(error.value)
    assert "energy-assets up" in str(error.value)
    assert held(transformer) == before


def test_two_that_load_at_once_take_turns(transformer, seed: Seed, urls: Connections) -> None:
    loaded: list[list[str]] = []

    def load_apart() -> None:
        connection = psycopg2.connect(urls.transformer_dsn)
        loaded.append(load(connection, seed))
        connection.close()

    threads = [threading.Thread(target=load_apart) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(loaded) == [[], [], [], ["prices"]]
    assert len(held(transformer)) == 2


# The reference tables in the graph


def test_a_landing_run_records_and_tests_each_version_once(graph: Graph) -> None:
    first = graph.land()
    assert first.success, failed_steps(first.all_events)
    assert {event.asset_key for event in first.get_asset_materialization_events()} >= reference_tables.keys
    judged = {event.asset_check_key: event.passed for event in first.get_asset_check_evaluations()}
    expected = {spec.key for spec in reference_tables.check_specs}
    assert len(expected) >= 6
    assert {key: passed for key, passed in judged.items() if key in expected} == dict.fromkeys(expected, True)
    (tariffs,) = (
        event.materialization
        for event in first.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["reference", "tariffs"])
    )
    assert all(record.data["source"] for record in tariffs.metadata["sources"].records)

    again = graph.land()
    assert again.success
    assert not {event.asset_key for event in again.get_asset_materialization_events()} & reference_tables.keys


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("update reference.tariff_tiers set to_kwh = 399 where tariff_code = 'cm_residential' and tier = 2", "tariff_tiers_are_contiguous"),
        ("update reference.tariff_tiers set to_kwh = 900 where tariff_code = 'cm_residential' and tier = 4", "tariff_tiers_are_contiguous"),
        ("update reference.tariffs set valid_to = '2019-01-01' where tariff_code = 'cm_residential' and valid_to is not null", "tariff_terms_do_not_overlap"),
        ("delete from reference.tariff_tiers where tariff_code = 'flat'", "each_tariff_has_its_tiers"),
        ("update reference.tariffs set tier_rule = 'by_mood' where tariff_code = 'flat'", "tier_rule_is_known"),
    ],
)  # fmt: skip
def test_terms_that_price_nothing_or_twice_are_shown(graph: Graph, statement: str, broken: str) -> None:
    with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
    try:
        result = graph.land()
        failed = {event.check_name for event in result.get_asset_check_evaluations() if not event.passed}
    finally:
        with graph.warehouse.transaction() as connection, connection.cursor() as cursor:
            for seed in seeds():
                cursor.execute(f"comment on table reference.{seed.name} is null")
            load_seeds(cursor)
    assert failed == {broken}
