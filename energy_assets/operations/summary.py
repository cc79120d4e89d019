"""What a home holds now, in a screen: deliveries, days, gates, anomalies, served rows.

What belongs here: reading these numbers from both stores. What does not: printing them (cli.py), judging.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from energy_assets.assets.serving import SERVED
from energy_assets.days import DayWindow
from energy_assets.keys import GATED
from energy_assets.resources.due import red_days
from energy_assets.resources.ledger import delivered_days
from energy_assets.resources.serving import Serving
from energy_assets.resources.serving_ddl import DATABASE, quoted

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse


@dataclass(frozen=True)
class Anomaly:
    meter_id: str
    day: date
    kind: str
    flagged: int
    consumption_kwh: float
    expected_kwh: float | None
    score: float


@dataclass(frozen=True)
class Summary:
    """Counts of a home. Energy in kWh."""

    window: DayWindow | None
    files: int
    unreadable: tuple[str, ...]
    rows_read: int
    rows_rejected: int
    meters: int
    readings: int
    total_kwh: float
    red: dict[date, str]
    green_days: int
    warned_days: int
    scored_days: int
    anomalies: tuple[Anomaly, ...]
    anomaly_count: int
    served: dict[str, int]
    statement: str | None
    """What is known of the data's provenance, where its labels tell something."""


def summarize(warehouse: Warehouse, serving: Serving) -> Summary:
    window = delivered_days(warehouse)
    files, rows_read, rows_rejected = warehouse.rows(
        "select count(*), coalesce(sum(rows_read), 0), coalesce(sum(rows_rejected), 0)"
        " from raw_data.landing_files where retracted_at is null"
    )[0]
    unreadable = warehouse.rows(
        "select path, message from raw_data.landing_files join raw_data.landing_paths using (sha256)"
        " where status = 'unreadable' and is_current order by path"
    )
    meters, readings, total_wh = warehouse.rows(
        "select count(distinct meter_id), coalesce(sum(accepted_count), 0), coalesce(sum(total_wh), 0)"
        " from intermediate.int_readings_daily"
    )[0]
    red = red_days(warehouse, window) if window else {}
    return Summary(
        window=window,
        files=files,
        unreadable=tuple(f"{path}: {message}" for path, message in unreadable),
        rows_read=int(rows_read),
        rows_rejected=int(rows_rejected),
        meters=meters,
        readings=int(readings),
        total_kwh=float(total_wh) / 1000,
        red=red,
        green_days=_days_with(warehouse, "bool_and(state in ('green', 'accepted'))"),
        warned_days=_days_with(warehouse, "sum(failed_warning) > 0"),
        scored_days=warehouse.rows(
            "select count(distinct reading_date) from ml.anomaly_scores where score_status = 'scored'"
        )[0][0],
        anomalies=_top_anomalies(warehouse),
        anomaly_count=warehouse.rows("select count(*) from marts.mart_anomaly_flags")[0][0],
        served=_served(serving),
        statement=label_statement(warehouse),
    )


def label_statement(warehouse: Warehouse) -> str | None:
    """What the delivered labels turn out to be, computed from the delivered numbers; None where there are none."""
    rows = warehouse.rows(
        "select readings.delivered_kwh, notes.past_average_kwh, notes.delivered_label, extract(hour from reading_at)::int"
        " from staging.stg_reading_annotations as notes"
        " join staging.stg_meter_readings as readings using (reading_date, meter_id, reading_at)"
        " where notes.delivered_label is not null and notes.past_average_kwh is not null"
        " order by meter_id, reading_at limit 20000"
    )
    if len(rows) < 100:
        return None
    import numpy as np

    from ml.label_provenance import isolation_forest_label_agreement, noise_evidence, statement

    consumption, past_average, labels, hour = (np.array(column) for column in zip(*rows, strict=True))
    names, counts = np.unique(labels, return_counts=True)
    abnormal = labels == names[counts.argmin()]
    return statement(
        isolation_forest_label_agreement(consumption, past_average, abnormal), noise_evidence(consumption, hour)
    )


def _days_with(warehouse: Warehouse, condition: str) -> int:
    return warehouse.rows(
        "select count(*) from (select from quality.day_states where table_name = any(%s)"
        f" group by reading_date having {condition}) as days",
        (list(GATED),),
    )[0][0]


def _top_anomalies(warehouse: Warehouse) -> tuple[Anomaly, ...]:
    """The meter-days with the strangest readings, one line each."""
    rows = warehouse.rows(
        """
        with ranked as (
            select *,
                row_number() over (partition by meter_id, reading_date order by anomaly_score desc, reading_at) as place,
                count(*) over (partition by meter_id, reading_date) as flagged
            from marts.mart_anomaly_flags
        )
        select meter_id, reading_date, anomaly_type, flagged, consumption_kwh, expected_kwh, anomaly_score
        from ranked
        where place = 1
        order by anomaly_score desc, meter_id
        limit 5
        """
    )
    return tuple(
        Anomaly(row[0], row[1], row[2], row[3], float(row[4]), None if row[5] is None else float(row[5]), float(row[6]))
        for row in rows
    )


def _served(serving: Serving) -> dict[str, int]:
    with serving.client() as client:
        return {
            served.table: int(str(client.command(f"SELECT count() FROM {quoted(DATABASE, served.table)}")))
            for served in SERVED
        }
