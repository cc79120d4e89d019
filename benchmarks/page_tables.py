"""Every table that pages read, as large as a year of a city makes it, filled where it lies.

What belongs here: the size, and rows that look like a utility's. What does not: what is asked of them (page_questions.py). Values
come from a hash of the row's number, so that two runs fill alike; each day is one partition of one part, as the day swap leaves it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from energy_assets.resources.serving_ddl import DATABASE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FIRST, DAYS = date(2024, 1, 1), 366
"""A leap year."""
METERS, TRANSFORMERS, FEEDERS, SLOTS = 10_000, 400, 12, 48
FLAGS_A_DAY = METERS * SLOTS // 100
CASES_A_DAY = 320
"""Of them 300 that may be visited, the others rest or ended."""
GATES = 39
LAST = FIRST + timedelta(days=DAYS - 1)

METER = "concat('M', leftPad(toString({}), 6, '0'))"
TRANSFORMER = "concat('T', leftPad(toString({}), 3, '0'))"
FEEDER = "concat('F', leftPad(toString({}), 2, '0'))"
OF_METER = f"""
    {METER.format("meter")} AS meter_id,
    ['residential', 'residential', 'commercial', 'industrial'][1 + meter % 4] AS customer_class,
    {TRANSFORMER.format(f"intDiv(meter, {METERS // TRANSFORMERS})")} AS transformer_id,
    {FEEDER.format(f"intDiv(intDiv(meter, {METERS // TRANSFORMERS}) * {FEEDERS}, {TRANSFORMERS})")} AS feeder_id"""
"""What the register says of a meter. Three classes, 25 meters a transformer, 33 transformers a feeder."""


@dataclass(frozen=True)
class Filling:
    """How a table is filled: `select` gives the columns of one row from its `day` and its `row` of `rows_a_day`."""

    table: str
    rows_a_day: int
    select: str
    every_days: int = 1


def chance(salt: str, of: str = "row") -> str:
    """A number in [0, 1) that is another for each row and day."""
    return f"(cityHash64({of}, day, '{salt}') % 1000000 / 1000000)"


def of_row(salt: str, of: str = "row") -> str:
    """A number in [0, 1) that stays the same from day to day."""
    return f"(cityHash64({of}, '{salt}') % 1000000 / 1000000)"


_KWH = f"round((2 + 10 * {of_row('level')}) * (0.6 + 0.8 * {chance('kwh')}), 3)"
FILLINGS = (
    Filling(
        "consumption_metrics",
        METERS,
        f"""
        row AS meter, {OF_METER}, day AS metric_date, {_KWH} AS total_kwh, round(total_kwh / {SLOTS}, 4) AS mean_kwh,
        round(mean_kwh * (2 + 3 * {chance("peak")}), 3) AS peak_kwh,
        toUInt8(if({chance("evening")} < 0.6, 18 + 4 * {chance("hour")}, 24 * {chance("hour")})) AS peak_hour,
        round(mean_kwh * 0.2, 3) AS min_kwh, round(mean_kwh * mean_kwh * 0.4, 6) AS variance_kwh2, {SLOTS} AS reading_count,
        {SLOTS} AS expected_count,
        if({chance("hole")} < 0.1, round(100 * {chance("coverage")}, 2), 100) AS completeness_pct,
        toUInt32({chance("flags")} < 0.2) AS anomaly_count, round(anomaly_count * 2.08, 2) AS anomaly_rate_pct,
        round(anomaly_count * {chance("loss")}, 3) AS loss_estimate_kwh, round(total_kwh * 1.03, 3) AS day_before_kwh,
        -2.91 AS day_change_pct, round(total_kwh * 0.97, 3) AS week_before_kwh, 3.09 AS week_change_pct,
        round(total_kwh * 1.01, 3) AS month_before_kwh, -0.99 AS month_change_pct""",
    ),
    Filling(
        "transformer_losses",
        TRANSFORMERS,
        f"""
        day AS loss_date, {TRANSFORMER.format("row")} AS transformer_id,
        {FEEDER.format(f"intDiv(row * {FEEDERS}, {TRANSFORMERS})")} AS feeder_id, {METERS // TRANSFORMERS} AS connected_meters,
        {SLOTS} AS interval_count, toUInt16({SLOTS} * (1 - 0.1 * {chance("gaps")})) AS balanced_count, 0 AS outage_count,
        {SLOTS} - balanced_count AS incomplete_count, round(150 + 100 * {chance("in")}, 3) AS delivered_kwh,
        round(delivered_kwh * balanced_count / {SLOTS}, 3) AS energy_in_kwh,
        round(energy_in_kwh * (0.95 - 0.3 * {of_row("theft")}), 3) AS metered_kwh, round(metered_kwh * 0.02, 3) AS estimated_kwh,
        'ratings' AS technical_loss_basis, round(energy_in_kwh * 0.03, 3) AS technical_loss_kwh,
        round(energy_in_kwh - metered_kwh - technical_loss_kwh, 3) AS non_technical_loss_kwh, 2.5 AS deviation_kwh,
        non_technical_loss_kwh - 4.1 AS non_technical_loss_low_kwh, non_technical_loss_kwh + 4.1 AS non_technical_loss_high_kwh,
        round(100 * non_technical_loss_kwh / energy_in_kwh, 2) AS non_technical_loss_pct, 'XAF' AS currency,
        round(79 + 20 * {of_row("price")}, 2) AS price_per_kwh, round(non_technical_loss_kwh * price_per_kwh, 2) AS non_technical_loss_value,
        {chance("plausible")} > 0.01 AS is_plausible, 100 AS rating_kva, round(4.0 + 0.1 * {of_row("north")}, 5) AS latitude,
        round(9.7 + 0.1 * {of_row("east")}, 5) AS longitude""",
    ),
    Filling(
        "load_profile",
        3 * SLOTS,
        f"""
        day AS reading_date, ['residential', 'commercial', 'industrial'][1 + intDiv(row, {SLOTS})] AS customer_class,
        if(toDayOfWeek(day) = 6, 'saturday', if(toDayOfWeek(day) = 7, 'sunday', 'workday')) AS day_type, 30 AS interval_minutes,
        row % {SLOTS} AS slot, slot * 30 AS minute_of_day, [5000, 2500, 2500][1 + intDiv(row, {SLOTS})] AS meter_count,
        round(mean_kwh * meter_count, 3) AS total_kwh, round(0.1 + 0.1 * sin(slot / 8) + 0.02 * {chance("load")}, 4) AS mean_kwh,
        round(mean_kwh / 2, 4) AS std_kwh, mean_kwh * 2 AS mean_kw, round(25 + 5 * sin(slot / 8) + 3 * {chance("air")}, 1) AS temperature_c""",
    ),
    Filling(
        "anomaly_flags",
        FLAGS_A_DAY,
        f"""
        cityHash64(row, day, 'meter') % {METERS} AS meter, {OF_METER}, day AS reading_date,
        toDateTime(day, 'UTC') + row % {SLOTS} * 1800 AS reading_at, round(1.2 * {chance("kwh")}, 3) AS consumption_kwh,
        round(0.1 + 0.3 * {chance("expected")}, 3) AS expected_kwh, round(consumption_kwh / expected_kwh, 3) AS deviation_ratio,
        round(0.7 + 0.3 * {chance("score")}, 6) AS anomaly_score,
        ['spike', 'drop', 'drift', 'flat', 'unusual_pattern'][1 + cityHash64(row, day, 'kind') % 5] AS anomaly_type,
        if(row_number() OVER (PARTITION BY day, meter ORDER BY anomaly_score DESC, reading_at) = 1, count() OVER (PARTITION BY day, meter), NULL)
        AS meter_day_flags,
        concat('2024-W', leftPad(toString(toISOWeek(day)), 2, '0')) AS model_version""",
    ),
    Filling(
        "forecast_accuracy",
        (TRANSFORMERS + FEEDERS) * 24,
        f"""
        day AS reading_date, intDiv(row, 24) AS area, row % 24 AS hour,
        if(area < {TRANSFORMERS}, 'transformer', 'feeder') AS area_kind,
        if(area < {TRANSFORMERS}, {TRANSFORMER.format("area")}, {FEEDER.format(f"area - {TRANSFORMERS}")}) AS area_id,
        'ridge' AS method, 2 AS interval_count, toUInt16(if({chance("off")} < 0.03, 0, 2)) AS compared_count,
        compared_count AS bounded_count, toUInt16(if({chance("within")} < 0.9, compared_count, 0)) AS within_count,
        if(compared_count = 0, NULL, round(3 + 8 * {chance("load")}, 3)) AS actual_kwh,
        round(actual_kwh * (0.9 + 0.2 * {chance("forecast")}), 3) AS forecast_kwh,
        round(actual_kwh * (0.8 + 0.4 * {chance("naive")}), 3) AS naive_kwh,
        round(100 * (forecast_kwh / actual_kwh - 1), 2) AS error_pct, round(100 * (naive_kwh / actual_kwh - 1), 2) AS naive_error_pct""",
    ),
    Filling(
        "data_quality",
        6 * (1 + TRANSFORMERS),
        f"""
        day AS reading_date, intDiv(row, {1 + TRANSFORMERS}) AS of_rule, row % {1 + TRANSFORMERS} AS area,
        ['missing', 'negative', 'above_limit', 'fold_assumed', 'duplicate', 'rejected'][1 + of_rule] AS rule,
        if(area = 0, 'all', {TRANSFORMER.format("area - 1")}) AS area_id,
        toUInt64(if(of_rule = 3, 0, if(area = 0, 4000, 20) * {chance("hits")})) AS hit_count, toUInt32(ceil(hit_count / {SLOTS})) AS meter_count,
        if(area = 0, {METERS * SLOTS}, {METERS // TRANSFORMERS * SLOTS}) AS expected_count,
        round(100 * hit_count / expected_count, 4) AS share_pct""",
    ),
    Filling(
        "theft_scores",
        METERS,
        f"""
        row AS meter, {METER.format("meter")} AS meter_id, {TRANSFORMER.format(f"intDiv(meter, {METERS // TRANSFORMERS})")} AS transformer_id,
        day AS score_date, round(pow({of_row("score")}, 6) * (0.9 + 0.1 * {chance("score")}), 6) AS theft_score,
        round(theft_score / 2, 6) AS theft_probability, 'prior' AS probability_basis,
        if(theft_score > 0.5, day - toUInt16(80 * {of_row("onset")}), NULL) AS onset_date,
        if(theft_score > 0.5, round(1 + 9 * {of_row("hidden")}, 3), NULL) AS stolen_kwh_per_day, stolen_kwh_per_day * 0.7 AS stolen_kwh_low,
        stolen_kwh_per_day * 1.4 AS stolen_kwh_high,
        if(theft_score > 0.2, concat('uses ', toString(stolen_kwh_per_day), ' kWh a day less than its siblings'), '') AS reason_en,
        if(theft_score > 0.2, concat('consomme ', toString(stolen_kwh_per_day), ' kWh de moins que ses voisins'), '') AS reason_fr,
        'scored' AS score_status, 'shipped-1' AS model_version""",
    ),
    Filling(
        "theft_cases",
        CASES_A_DAY,
        f"""
        day AS case_date, row >= 295 AND row < 300 AS is_transformer, {METERS // CASES_A_DAY} * row AS meter,
        {TRANSFORMER.format(f"intDiv(meter, {METERS // TRANSFORMERS})")} AS transformer_id,
        if(is_transformer, 'transformer', 'meter') AS subject_kind,
        if(is_transformer, transformer_id, {METER.format("meter")}) AS subject_id, concat(subject_id, '-', toString(opened_on)) AS case_id,
        ['residential', 'residential', 'commercial', 'industrial'][1 + meter % 4] AS customer_class, 4.05 AS latitude, 9.75 AS longitude,
        'evidence' AS origin, day - toUInt16(40 * {of_row("opened")}) AS opened_on,
        multiIf(row < 250, 'open', row < 290, 'assigned', row < 300, 'snoozed', row < 310, 'confirmed', 'cleared') AS state,
        opened_on AS state_since, if(state = 'assigned', 'crew 1', NULL) AS crew, 0 AS visit_count, day AS supported_on,
        round(0.2 + 0.7 * {of_row("probable")}, 4) AS probability, 'prior' AS probability_basis,
        if(row % 10 = 0, NULL, opened_on - toUInt16(10 + 30 * {of_row("onset")})) AS onset_date,
        round(1 + 9 * {of_row("hidden")}, 3) AS stolen_kwh_per_day, stolen_kwh_per_day * 0.7 AS stolen_kwh_low,
        stolen_kwh_per_day * 1.4 AS stolen_kwh_high, round(stolen_kwh_per_day * 180, 1) AS recoverable_kwh, 'XAF' AS currency,
        79 AS price_per_kwh, 5000 AS bill_effect_per_month, 4000 AS visit_cost,
        round(probability * recoverable_kwh * price_per_kwh - visit_cost, 2) AS value, if(row < 290, row + 1, NULL) AS place,
        multiIf(row < 35, 'ranked', row < 40, 'random', NULL) AS selection, row % 60 = 0 AS is_new, state AS previous_state,
        place AS previous_place, concat('uses ', toString(stolen_kwh_per_day), ' kWh a day less than its siblings since ', toString(opened_on)) AS reason_en,
        concat('consomme ', toString(stolen_kwh_per_day), ' kWh de moins que ses voisins depuis ', toString(opened_on)) AS reason_fr""",
    ),
    Filling(
        "detection_performance",
        4,
        f"""
        day + 6 AS week_date, ['ranked', 'random', 'other', 'all'][1 + row] AS selection, 10 AS week_visits, 4 AS week_thefts, 260 AS visits,
        20 AS no_access, 240 AS decided, 90 AS thefts, round(0.2 + 0.3 * {chance("hit")}, 4) AS hit_rate, hit_rate * 0.8 AS hit_rate_low,
        hit_rate * 1.2 AS hit_rate_high, hit_rate AS precision_at_5, hit_rate AS precision_at_10, hit_rate AS precision_at_20, 3 AS lift,
        2 AS lift_low, 4 AS lift_high, 9000 AS recovered_kwh, 35 AS recovered_kwh_per_visit, 'XAF' AS currency, 700000 AS net_value,
        round(2000 + 1000 * {chance("net")}, 2) AS net_value_per_visit, 200 AS judged, 80 AS judged_thefts, 77 AS expected_thefts, 0.2 AS brier_score""",
        every_days=7,
    ),
    Filling(
        "gate_states",
        GATES,
        f"""
        day AS reading_date, concat('table_', leftPad(toString(row), 2, '0')) AS table_name,
        ['raw_data', 'staging', 'intermediate', 'ml', 'marts'][1 + row % 5] AS layer,
        if({chance("red")} < 0.003, 'red', 'green') AS state, 480000 AS row_count, toUInt32(state = 'red') AS failed_critical,
        toUInt32({chance("warning")} < 0.1) AS failed_warning, if(state = 'red', '1,204 of 480,001 rows rejected (limit 1 %): no meter', '') AS finding,
        toDateTime(day + 1, 'UTC') + 3600 AS written_at, written_at + 60 AS judged_at""",
    ),
    Filling(
        "deliveries",
        10,
        f"""
        day AS reading_date, ['meter_readings', 'transformer_readings', 'weather', 'outages', 'token_purchases'][1 + row % 5] AS source,
        day + 1 + days_late AS came_on, toInt32(if(row < 5, 0, 1 + 5 * {of_row("late", "row, day")})) AS days_late, 2 AS file_count,
        toUInt64(if(row < 5, 450000, 20000) * (0.9 + 0.1 * {chance("rows")}) / (1 + row % 5)) AS row_count, 40 AS rejected_count""",
    ),
    Filling(
        "rejected_rows",
        6,
        f"""
        day AS landed_on, ['meter_readings', 'transformer_readings', 'weather'][1 + row % 3] AS source,
        concat(source, '/', toString(day), '-', toString(row), '.csv') AS path, if(row = 5, NULL, 'consumption_kwh') AS column_name,
        ['no number', 'no meter', 'time does not exist'][1 + row % 3] AS reason, toUInt64(1 + 200 * {chance("rows")}) AS row_count,
        17 AS first_row, day - 1 AS first_date, day - 1 AS last_date, {chance("withdrawn")} < 0.05 AS is_withdrawn""",
    ),
)
ROWS_AN_INSERT = 1_000_000


def fill(client: Client, columns: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    """Fill every table; its rows, by name. `columns` are those of each table that are stored."""
    for filling in FILLINGS:
        _fill(client, filling, columns[filling.table])
    return {filling.table: client.command(f"SELECT count() FROM {DATABASE}.{filling.table}") for filling in FILLINGS}


def _fill(client: Client, filling: Filling, columns: tuple[str, ...]) -> None:
    """Some days a statement, each of them one part: one block holds them all."""
    days_at_once = max(1, ROWS_AN_INSERT // filling.rows_a_day)
    days = [FIRST + timedelta(days=number) for number in range(0, DAYS, filling.every_days)]
    named = ", ".join(name for name in columns if re.search(rf"\bAS {name}\b", filling.select))
    for start in range(0, len(days), days_at_once):
        some = days[start : start + days_at_once]
        client.command(
            f"INSERT INTO {DATABASE}.{filling.table} ({named}) SELECT {named} FROM (SELECT {filling.select} FROM"
            f" (SELECT toDate('{some[0]}') + intDiv(number, {filling.rows_a_day}) * {filling.every_days} AS day,"
            f" number % {filling.rows_a_day} AS row FROM numbers({len(some) * filling.rows_a_day})))",
            settings={
                "max_partitions_per_insert_block": 0,
                "min_insert_block_size_rows": 2 * ROWS_AN_INSERT,
                "min_insert_block_size_bytes": 0,
                "max_block_size": 2 * ROWS_AN_INSERT,
            },
        )
