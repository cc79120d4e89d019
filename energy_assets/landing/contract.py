"""The landing contract: what each source's rows mean once read, whatever dialect they came in.

What belongs here: the canonical columns of a source and the raw table they fill; docs and Postgres DDL derive from it.
What does not: how a dialect is recognised and read (mapping.py, reader.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A canonical column. `required` rows without a readable value are rejected; other values may be null.

    Where `strict`, an empty value says something (open, always, once): a value that is there and cannot be read must not
    pass for it, and its row is rejected.
    A `derived` column is filled by the reader: no delivery and no mapping names it.
    """

    name: str
    type: str
    """Its type in SQL."""
    description: str
    required: bool = False
    derived: bool = False
    strict: bool = False


VERSION = Column("version", "bigint", "Of several deliveries of the same, the highest version wins")
INTERVAL_MINUTES = Column("interval_minutes", "smallint", "Length of the interval where delivered: 15, 30, 60 or 1440")
VALID_FROM = Column(
    "valid_from", "date", "Local day from which the entry holds, until the next one; absent means always", strict=True
)
INSTANT_CODE = Column(
    "instant_code",
    "text",
    "`fold_assumed` where a doubled local time came only once and was taken as the first",
    derived=True,
)


@dataclass(frozen=True)
class Source:
    """A folder of the landing zone and the raw table that its rows fill.

    A source of measurements has an `instant`: its raw table is partitioned by the local day of it. A source of records
    has none: its rows are few, hold for longer than a day or come long after, and its raw table is one.
    """

    name: str
    table: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """What one row is about: of several deliveries of a key, one counts."""
    instant: str | None = None
    """The column of UTC instants whose local day is the row's partition."""
    date_column: str | None = None
    """The raw table's column that holds this day."""
    starts: tuple[str, ...] = ()
    """Of records: the dates of which the latest is the first day that a record says something about; all empty: any day."""
    ends: str | None = None
    """Of records: the date from which a record says nothing any more."""
    is_lasting: bool = False
    """Of records: whether one holds until another takes its place, and not on one day alone."""
    makes_days: bool = False
    """Whether its days are days of the home. What merely goes with readings is not looked at before or after them."""

    @property
    def is_records(self) -> bool:
        return self.instant is None

    @property
    def day_column(self) -> str:
        """`date_column` of a source of measurements; ValueError for records, which have none."""
        if self.date_column is None:
            raise ValueError(f"{self.name} holds records: its table has no day")
        return self.date_column

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.required)

    @property
    def judged(self) -> tuple[str, ...]:
        """The columns that can make a row be rejected, the required ones first."""
        return (*self.required, *(column.name for column in self.columns if column.strict))

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
        day = Column(self.date_column or "", "date", "Local day of the utility", required=True, derived=True)
        return (
            *(() if self.is_records else (day,)),
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
        INTERVAL_MINUTES,
        Column("status", "text", "The head-end's own status of the reading, as delivered"),
        VERSION,
        Column(
            "status_rank",
            "smallint",
            "Rank of `status` where the mapping ranks statuses, 0 being the best",
            derived=True,
        ),
        INSTANT_CODE,
    ),
    key=("meter_id", "reading_at"),
    instant="reading_at",
    date_column="reading_date",
    makes_days=True,
)

TRANSFORMER_READINGS = Source(
    name="transformer_readings",
    table="transformer_readings",
    description="Energy that a transformer's own meter fed into its area in an interval, as delivered",
    columns=(
        Column("transformer_id", "text", "Identifier of the transformer", required=True),
        Column("reading_at", "timestamptz", "Start of the interval", required=True),
        Column("energy_kwh", "double precision", "Energy of the interval in kWh, as delivered", required=True),
        INTERVAL_MINUTES,
        VERSION,
        INSTANT_CODE,
    ),
    key=("transformer_id", "reading_at"),
    instant="reading_at",
    date_column="reading_date",
    makes_days=True,
)

REGISTER_READINGS = Source(
    name="register_readings",
    table="register_readings",
    description="What a meter's register showed, as delivered: the energy since it was installed",
    columns=(
        Column("meter_id", "text", "Identifier of the meter, as delivered", required=True),
        Column("read_at", "timestamptz", "Instant of the reading", required=True),
        Column("register_kwh", "double precision", "State of the register in kWh", required=True),
        VERSION,
        INSTANT_CODE,
    ),
    key=("meter_id", "read_at"),
    instant="read_at",
    date_column="reading_date",
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
    key=("station_id", "observed_at"),
    instant="observed_at",
    date_column="observation_date",
)

OUTAGES = Source(
    name="outages",
    table="outages",
    description="Times without supply in an area, planned or not; a row is filed under the day on which it began",
    columns=(
        Column("area_id", "text", "Transformer or feeder without supply", required=True),
        Column("started_at", "timestamptz", "When supply failed", required=True),
        Column("ended_at", "timestamptz", "When it came back; empty while it has not", strict=True),
        Column("kind", "text", "load_shedding, fault or maintenance"),
        VERSION,
        INSTANT_CODE,
    ),
    key=("area_id", "started_at"),
    instant="started_at",
    date_column="outage_date",
)

TOKEN_PURCHASES = Source(
    name="token_purchases",
    table="token_purchases",
    description="Energy that a prepaid customer bought",
    columns=(
        Column("meter_id", "text", "Identifier of the meter, as delivered", required=True),
        Column("purchased_at", "timestamptz", "When it was bought", required=True),
        Column("energy_kwh", "double precision", "Energy that the token credits in kWh", required=True),
        Column("amount", "double precision", "What was paid, in `currency`"),
        Column("currency", "text", "ISO 4217 code of the currency"),
        VERSION,
        INSTANT_CODE,
    ),
    key=("meter_id", "purchased_at"),
    instant="purchased_at",
    date_column="purchase_date",
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
    key=("meter_id", "reading_at"),
    instant="reading_at",
    date_column="reading_date",
)

METERS = Source(
    name="meters",
    table="meters",
    description="The register of meters: who is behind one, which transformer feeds it, on which tariff, from when on",
    columns=(
        Column("meter_id", "text", "Identifier of the meter, as in its readings", required=True),
        VALID_FROM,
        Column("customer_id", "text", "Identifier of the customer"),
        Column("customer_class", "text", "Class of the customer, e.g. residential, commercial, industrial"),
        Column("transformer_id", "text", "Transformer that feeds the meter"),
        Column("feeder_id", "text", "Feeder of that transformer, where no register of transformers says so"),
        Column("tariff_code", "text", "Tariff that the customer is billed on"),
        Column("prepaid", "boolean", "Whether the customer buys tokens in advance"),
        Column("phases", "smallint", "Phases that are connected, 1 or 3"),
        Column(
            "ct_multiplier",
            "double precision",
            "By what delivered energy is multiplied, for meters behind current transformers; empty means once",
            strict=True,
        ),
        Column("installed_on", "date", "Day on which the meter was installed", strict=True),
        Column("removed_on", "date", "Day from which the meter is gone", strict=True),
        Column("latitude", "double precision", "Latitude in degrees, WGS 84"),
        Column("longitude", "double precision", "Longitude in degrees, WGS 84"),
        VERSION,
    ),
    key=("meter_id", "valid_from"),
    starts=("valid_from", "installed_on"),
    ends="removed_on",
    is_lasting=True,
)

TRANSFORMERS = Source(
    name="transformers",
    table="transformers",
    description="The register of distribution transformers: feeder, rating and losses, from when on",
    columns=(
        Column("transformer_id", "text", "Identifier of the transformer", required=True),
        VALID_FROM,
        Column("feeder_id", "text", "Feeder that supplies it"),
        Column("rating_kva", "double precision", "Rated power in kVA"),
        Column("no_load_loss_w", "double precision", "Loss of the idle transformer in W"),
        Column("load_loss_w", "double precision", "Loss in its windings at rated power in W"),
        Column("latitude", "double precision", "Latitude in degrees, WGS 84"),
        Column("longitude", "double precision", "Longitude in degrees, WGS 84"),
        VERSION,
    ),
    key=("transformer_id", "valid_from"),
    starts=("valid_from",),
    is_lasting=True,
)

OUTCOMES = ("theft", "clean", "no_access", "faulty_meter")
"""What a visit may find."""
ASSIGNED, SNOOZED, DISMISSED, OPEN = "assigned", "snoozed", "dismissed", "open"
"""What may be decided about a case."""

INSPECTIONS = Source(
    name="inspections",
    table="inspections",
    description="Visits to meters and what was found",
    columns=(
        Column("meter_id", "text", "Identifier of the visited meter", required=True),
        Column("inspected_on", "date", "Local day of the visit", required=True),
        Column("outcome", "text", "theft, clean, no_access or faulty_meter", required=True),
        Column("recovered_kwh", "double precision", "Energy that was billed afterwards in kWh"),
        Column("case_id", "text", "Case that led to the visit"),
        Column("selection", "text", "ranked or random: why this meter was visited"),
        Column("notes", "text", "What the crew wrote down"),
        VERSION,
    ),
    key=("meter_id", "inspected_on"),
    starts=("inspected_on",),
)

CASE_EVENTS = Source(
    name="case_events",
    table="case_events",
    description="What was decided about theft cases; of several decisions on a case and day the one of the highest version counts",
    columns=(
        Column("subject_kind", "text", "meter or transformer: what the case is about", required=True),
        Column("subject_id", "text", "Identifier of that meter or transformer", required=True),
        Column("decided_on", "date", "Local day of the decision", required=True),
        Column(
            "event",
            "text",
            "assigned, snoozed, dismissed or open again; of a transformer also what a visit found: theft, clean, no_access, faulty_meter",
            required=True,
        ),
        Column("until_on", "date", "Last day on which a snoozed or dismissed case stays off the list", strict=True),
        Column("crew", "text", "Whom it was assigned to"),
        Column("reason", "text", "Why, in the words of whoever decided"),
        Column("decided_by", "text", "Who decided"),
        Column("case_id", "text", "Case as it was called then"),
        Column("recovered_kwh", "double precision", "Energy that was billed after a visit in kWh"),
        VERSION,
    ),
    key=("subject_kind", "subject_id", "decided_on"),
    starts=("decided_on",),
)

SOURCES: tuple[Source, ...] = (
    METER_READINGS,
    TRANSFORMER_READINGS,
    REGISTER_READINGS,
    WEATHER_OBSERVATIONS,
    OUTAGES,
    TOKEN_PURCHASES,
    READING_ANNOTATIONS,
    METERS,
    TRANSFORMERS,
    INSPECTIONS,
    CASE_EVENTS,
)

DAILY_SOURCES = tuple(source for source in SOURCES if not source.is_records)
RECORD_SOURCES = tuple(source for source in SOURCES if source.is_records)


def source(name: str) -> Source:
    """The source of a landing folder. Raises KeyError for a folder that the contract does not name."""
    return {s.name: s for s in SOURCES}[name]
