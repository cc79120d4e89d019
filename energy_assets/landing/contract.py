"""The landing contract: what each source's rows mean once read, whatever dialect they came in.

What belongs here: the canonical columns of a source and the raw table they fill; docs and Postgres DDL derive from it.
What does not: how a dialect is recognised and read (mapping.py, reader.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A canonical column. `required` rows without a readable value are rejected; other values may be null.

    A `derived` column is filled by the reader: no delivery and no mapping names it.
    """

    name: str
    type: str
    """Its type in SQL."""
    description: str
    required: bool = False
    derived: bool = False


INSTANT_CODE = Column(
    "instant_code",
    "text",
    "`fold_assumed` where a doubled local time came only once and was taken as the first",
    derived=True,
)


@dataclass(frozen=True)
class Source:
    """A folder of the landing zone and the day-partitioned raw table that its rows fill."""

    name: str
    table: str
    description: str
    columns: tuple[Column, ...]
    instant: str
    """The column of UTC instants whose local day is the row's partition."""
    date_column: str
    """The raw table's column that holds this day."""
    key: tuple[str, ...]
    """What one row is about: of several deliveries of a key, staging accepts one."""

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    @property
    def delivered(self) -> tuple[Column, ...]:
        """The columns that a delivery can fill."""
        return tuple(column for column in self.columns if not column.derived)

    def column(self, name: str) -> Column:
        """The canonical column `name`. Raises KeyError for one that the source does not have."""
        return {column.name: column for column in self.columns}[name]

    @property
    def part_columns(self) -> tuple[Column, ...]:
        """The columns of a part, and of the raw table but for the file: the day, the source's own, the row's number."""
        return (
            Column(self.date_column, "date", "Local day of the utility", required=True, derived=True),
            *self.columns,
            Column("row_number", "integer", "Row of the file, the header being 1", required=True, derived=True),
        )


METER_READINGS = Source(
    name="meter_readings",
    table="meter_readings",
    description="Energy that a meter delivered in an interval, as delivered",
    columns=(
        Column("meter_id", "text", "Identifier of the meter, as delivered", required=True),
        Column("reading_at", "timestamptz", "Start of the interval", required=True),
        Column("consumption_kwh", "double precision", "Energy of the interval in kWh, as delivered", required=True),
        Column("interval_minutes", "smallint", "Length of the interval where delivered: 15, 30, 60 or 1440"),
        Column("status", "text", "The head-end's own status of the reading, as delivered"),
        Column("version", "bigint", "Of several deliveries of a reading, the highest version wins"),
        Column(
            "status_rank",
            "smallint",
            "Rank of `status` where the mapping ranks statuses, 0 being the best",
            derived=True,
        ),
        INSTANT_CODE,
    ),
    instant="reading_at",
    date_column="reading_date",
    key=("meter_id", "reading_at"),
)

WEATHER_OBSERVATIONS = Source(
    name="weather",
    table="weather_observations",
    description="Weather at a station",
    columns=(
        Column("station_id", "text", "Identifier of the station", required=True),
        Column("observed_at", "timestamptz", "Instant of the observation", required=True),
        Column("temperature_c", "double precision", "Air temperature in degrees Celsius"),
        Column("humidity_pct", "double precision", "Relative humidity in per cent"),
        Column("wind_speed_kmh", "double precision", "Wind speed in km/h"),
        INSTANT_CODE,
    ),
    instant="observed_at",
    date_column="observation_date",
    key=("station_id", "observed_at"),
)

READING_ANNOTATIONS = Source(
    name="reading_annotations",
    table="reading_annotations",
    description="What a delivery says about a reading beyond its energy: labels, past averages",
    columns=(
        Column("meter_id", "text", "Identifier of the meter, as delivered", required=True),
        Column("reading_at", "timestamptz", "Start of the annotated interval", required=True),
        Column("delivered_label", "text", "Label as delivered, e.g. Normal or Abnormal"),
        Column("past_average_kwh", "double precision", "Average of past consumption in kWh, as delivered"),
        INSTANT_CODE,
    ),
    instant="reading_at",
    date_column="reading_date",
    key=("meter_id", "reading_at"),
)

SOURCES: tuple[Source, ...] = (METER_READINGS, WEATHER_OBSERVATIONS, READING_ANNOTATIONS)


def source(name: str) -> Source:
    """The source of a landing folder. Raises KeyError for a folder that the contract does not name."""
    return {s.name: s for s in SOURCES}[name]
