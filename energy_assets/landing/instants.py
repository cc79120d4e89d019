"""Date-times as delivered into UTC instants, local days and the two folds of a doubled local time.

What belongs here: formats, offsets, zones, day/month order, and what makes a date-time unreadable.
What does not: which row wins (staging) and how rows are stored (parts.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.landing.contract import Source
from energy_assets.landing.mapping import ISO8601, InstantFrom
from energy_assets.landing.schemas import part_schema

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
FUTURE = timedelta(days=1)
FIRST_INSTANT, LAST_INSTANT = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
SAMPLE = datetime(2017, 11, 5, 0, 30)
FOLD_ASSUMED = "fold_assumed"

EMPTY, UNREADABLE, OFFSET, NONEXISTENT, TOO_EARLY, TOO_LATE, NO_LENGTH = range(1, 8)
"""Why a date-time cannot be taken; 0 where it can."""

_ISO = (
    r"^(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"  # \d would take digits of any script, which then are no numbers
    r"(?:[Tt ](?<hour>[0-9]{2}):(?<minute>[0-9]{2})(?::(?<second>[0-9]{2})(?:[.,](?<fraction>[0-9]{1,9}))?)?"
    r" ?(?<offset>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_NUMERIC_DAY_AND_MONTH = re.compile(r"%d(.)%m|%m(.)%d")


class AmbiguousDates(Exception):
    """Dates whose day and month a file does not tell apart; the message names the remedy."""


@dataclass(frozen=True)
class Instants:
    """Date-times of n rows, each array of length n.

    `utc` and `later_utc` are microseconds since 1970 in UTC: they differ where a local time happened twice. `day` and
    `later_day` are the home's local days since 1970. `fault` is 0 or the reason why there is no instant; `utc` then means
    nothing. `has_day` says where `day` is readable nevertheless.
    """

    utc: np.ndarray
    later_utc: np.ndarray
    day: np.ndarray
    later_day: np.ndarray
    fault: np.ndarray
    has_day: np.ndarray

    def take(self, indices: np.ndarray) -> Instants:
        """The instants of these rows; arrays that say the same stay one."""
        utc, day = self.utc[indices], self.day[indices]
        is_doubled = bool((self.utc != self.later_utc).any())
        return Instants(
            utc=utc,
            later_utc=self.later_utc[indices] if is_doubled else utc,
            day=day,
            later_day=self.later_day[indices] if is_doubled else day,
            fault=self.fault[indices],
            has_day=self.has_day[indices],
        )


class InstantReader:
    """Reads one column of date-times.

    `local_zone` is the zone of those without an offset, `home_zone` the one of days, None where the day is the one that is
    written; `now` bounds what can be true, None bounds nothing; `order` is the proven day/month order where the mapping leaves it to the file.
    """

    def __init__(
        self,
        origin: InstantFrom,
        *,
        local_zone: str,
        home_zone: str | None,
        now: datetime | None,
        order: str | None = None,
    ) -> None:
        self._origin = origin
        self._formats = tuple(_ordered(text, order or origin.date_order) for text in origin.formats)
        self._local_zone = origin.timezone or local_zone
        self._home_zone = home_zone
        self._earliest, self._latest = (EARLIEST, now + FUTURE) if now else (FIRST_INSTANT, LAST_INSTANT)
        self._too_late = (
            f"is later than a day from now ({self._latest:%Y-%m-%d %H:%M}+00:00)"
            if now
            else f"is later than {LAST_INSTANT.date()}"
        )

    def read(self, values: pa.Array, interval_minutes: np.ndarray | int | None = None) -> Instants:
        """`values` (text, timestamps or dates) as instants.

        `interval_minutes` is subtracted where the column holds the ends of intervals.
        """
        # Work on distinct values: a day of readings holds 48 of them, however many meters it has.
        plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        encoded = pc.dictionary_encode(plain, null_encoding="encode")
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        zoned = self._zoned(encoded.dictionary)
        if self._origin.is_end_of_interval and isinstance(interval_minutes, np.ndarray):
            each = zoned.collect()[indices].with_columns(minutes=pl.Series(interval_minutes))
            return self._bounded(_earlier_by(each.lazy(), pl.duration(minutes="minutes")))
        if self._origin.is_end_of_interval:
            zoned = _earlier_by(zoned, pl.duration(minutes=interval_minutes or 0))  # type: ignore[arg-type]  # no array: above
        return self._bounded(zoned).take(indices)

    def reasons(self) -> dict[int, str]:
        """What is wrong with a value, by fault: the second half of a sentence that starts with the value."""
        expected, what = f"(expected e.g. {self._example()})", "date-time" if self._home_zone else "date"
        return {
            EMPTY: f"is empty: a {what} is needed {expected}",
            UNREADABLE: f"is no {what} {expected}",
            OFFSET: f"{'lacks' if self._origin.utc_offset == 'required' else 'carries'} an offset from UTC {expected}",
            NONEXISTENT: f"does not exist in {self._local_zone}: clocks were put forward over it",
            TOO_EARLY: f"is before {self._earliest.date()}",
            TOO_LATE: self._too_late,
            NO_LENGTH: "is the end of an interval whose length is missing",
        }

    def _example(self) -> str:
        for text in self._formats:
            if text != ISO8601:
                return SAMPLE.replace(tzinfo=UTC).strftime(text)
        if self._home_zone is None:
            return f"{SAMPLE:%Y-%m-%d}"
        return f"{SAMPLE}" + ("" if self._origin.utc_offset == "absent" else "+00:00")

    def _zoned(self, values: pa.Array) -> pl.LazyFrame:
        """One row per value: local (naive), utc, later_utc, fault."""
        if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
            frame = _typed(values)
        else:
            frame = self._text(values.cast(pa.string()))
        stated = pl.col("local").dt.replace_time_zone("UTC") - pl.duration(minutes="offset_minutes")
        instant = {
            "utc": pl.when("has_offset").then(stated).otherwise(_localised(self._local_zone, "earliest")),
            "later_utc": pl.when("has_offset").then(stated).otherwise(_localised(self._local_zone, "latest")),
        }
        misplaced = {"required": ~pl.col("has_offset"), "absent": pl.col("has_offset")}
        return frame.with_columns(**instant).select(
            "local",
            "utc",
            "later_utc",
            fault=pl.when("is_empty")
            .then(EMPTY)
            .when(pl.col("local").is_null())
            .then(UNREADABLE)
            .when(misplaced.get(self._origin.utc_offset, pl.lit(False)))
            .then(OFFSET)
            .when(pl.col("utc").is_null())
            .then(NONEXISTENT)
            .otherwise(0),
        )

    def _text(self, values: pa.Array) -> pl.LazyFrame:
        text = pl.LazyFrame({"text": pl.from_arrow(values)}).select(pl.col("text").fill_null("").str.strip_chars())
        readings = [_iso8601() if format_ == ISO8601 else _strptime(format_) for format_ in self._formats]
        local, offset_minutes, has_offset = _first_readable(readings)
        return text.select(
            local=local, offset_minutes=offset_minutes, has_offset=has_offset, is_empty=pl.col("text") == ""
        )

    def _bounded(self, zoned: pl.LazyFrame) -> Instants:
        fault = (
            pl.when(pl.col("fault") != 0)
            .then("fault")
            .when(pl.col("utc").is_null())
            .then(NO_LENGTH)
            .when(pl.col("utc") < self._earliest)
            .then(TOO_EARLY)
            .when(pl.col("utc") > self._latest)
            .then(TOO_LATE)
            .otherwise(0)
            .cast(pl.UInt8)
        )
        local_day = pl.col("local").dt.date().cast(pl.Int32)
        frame = zoned.with_columns(fault=fault).select(
            pl.col("utc", "later_utc").dt.timestamp("us").fill_null(0),
            "fault",
            day=pl.when(pl.col("fault") == NONEXISTENT).then(local_day).otherwise(self._day("utc")).fill_null(0),
            later_day=self._day("later_utc").fill_null(0),
            has_day=pl.col("fault").is_in([0, NONEXISTENT]),
        )
        return Instants(**{column.name: column.to_numpy() for column in frame.collect()})

    def _day(self, instant: str) -> pl.Expr:
        written = pl.col(instant).dt.convert_time_zone(self._home_zone) if self._home_zone else pl.col("local")
        return written.dt.date().cast(pl.Int32)


class OrderProof:
    """Collects, over a whole file, what its numeric dates prove about the order of day and month."""

    def __init__(self, origin: InstantFrom) -> None:
        self._patterns = [
            _as_pattern(text) for text in origin.formats if text != ISO8601 and _NUMERIC_DAY_AND_MONTH.search(text)
        ]
        self._seen = {"day_first": False, "month_first": False}
        self._sample: str | None = None

    def note(self, values: pa.Array) -> None:
        """Take in one block of date-times (text)."""
        if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
            return
        distinct = series_of(pc.unique(values)).drop_nulls().str.strip_chars()
        for pattern in self._patterns:
            numbers = pl.DataFrame({"text": distinct}).select(
                "text", pl.col("text").str.extract_groups(pattern).struct.unnest()
            )
            numbers = numbers.with_columns(pl.col("first", "second").cast(pl.Int32)).filter(
                pl.col("first") != pl.col("second")
            )
            self._weigh(numbers)

    def order(self) -> str | None:
        """`day_first` or `month_first`; None where no date depends on it.

        Raises AmbiguousDates where the file proves neither, or both.
        """
        if all(self._seen.values()):
            raise AmbiguousDates(
                "some dates read only as day/month, others only as month/day: correct them, "
                'or declare date_order = "day_first" (or "month_first") in a mapping'
            )
        for order, is_proven in self._seen.items():
            if is_proven:
                return order
        if self._sample is None:
            return None
        raise AmbiguousDates(
            f"{self._sample!r} can be day/month or month/day and no date of the file tells which: "
            'declare date_order = "day_first" (or "month_first") in a mapping'
        )

    def _weigh(self, numbers: pl.DataFrame) -> None:
        is_month = pl.col("first").is_between(1, 12), pl.col("second").is_between(1, 12)
        is_day_only = pl.col("first").is_between(13, 31), pl.col("second").is_between(13, 31)
        self._seen["day_first"] |= not numbers.filter(is_day_only[0] & is_month[1]).is_empty()
        self._seen["month_first"] |= not numbers.filter(is_month[0] & is_day_only[1]).is_empty()
        open_ = numbers.filter(is_month[0] & is_month[1])
        if self._sample is None and not open_.is_empty():
            self._sample = open_["text"][0]


def series_of(values: pa.Array) -> pl.Series:
    """An array of pyarrow as polars' series."""
    return pl.Series(pl.from_arrow(values))


def resolve_folds(doubled: Iterable[pa.Table], source: Source) -> pa.Table | None:
    """Rows of one file whose local time happened twice, with their fold; None where there are none.

    `doubled` have the part's columns plus `later_at` and `later_day`. Within (meter, local time) and in the file's order,
    occurrences alternate between first and second fold; where only one is there it is taken for the first, coded.
    """
    tables = list(doubled)
    if not tables:
        return None
    key = [name for name in source.key if name != source.instant]
    group = [*key, source.instant]
    if source.instant is None or source.date_column is None:
        raise ValueError(f"{source.name} has no instants: nothing of it happens twice")
    frame = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables))).sort("row_number")
    is_second = pl.int_range(pl.len()).over(group) % 2 == 1
    is_alone = pl.len().over(group) == 1
    frame = frame.with_columns(is_second=is_second, is_alone=is_alone).with_columns(
        pl.when("is_second").then("later_at").otherwise(source.instant).alias(source.instant),
        pl.when("is_second").then("later_day").otherwise(source.date_column).alias(source.date_column),
        instant_code=pl.when("is_alone").then(pl.lit(FOLD_ASSUMED)),
    )
    schema = part_schema(source)
    return frame.select(schema.names).to_arrow().cast(schema)


def _ordered(format_: str, order: str | None) -> str:
    if order not in ("day_first", "month_first"):
        return format_
    return _NUMERIC_DAY_AND_MONTH.sub(
        lambda match: ("%d{0}%m" if order == "day_first" else "%m{0}%d").format(match[1] or match[2]), format_
    )


def _as_pattern(format_: str) -> str:
    """A regular expression for dates in `format_` with the two numbers in question as groups."""
    numbered = _NUMERIC_DAY_AND_MONTH.sub(lambda match: "\0" + (match[1] or match[2]) + "\1", format_)
    pattern = re.sub(r"%.", ".+?", re.escape(numbered).replace(r"\%", "%"))
    return "^" + pattern.replace("\0", "(?<first>[0-9]{1,2})").replace("\1", "(?<second>[0-9]{1,2})") + "$"


def _iso8601() -> tuple[pl.Expr, ...]:
    """Expressions over `text`: local date-time (null where unreadable), offset in minutes, whether an offset is there."""
    part = pl.col("text").str.extract_groups(_ISO).struct
    number = {name: part.field(name).cast(pl.Int64) for name in ("hour", "minute", "second")}
    microsecond = part.field("fraction").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64).fill_null(0)
    is_time = (
        number["hour"].fill_null(0).is_between(0, 23)
        & number["minute"].fill_null(0).is_between(0, 59)
        & number["second"].fill_null(0).is_between(0, 59)
    )
    local = part.field("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")) + pl.duration(
        hours=number["hour"].fill_null(0),
        minutes=number["minute"].fill_null(0),
        seconds=number["second"].fill_null(0),
        microseconds=microsecond,
    )
    offset = part.field("offset")
    digits = offset.str.replace_all(r"[^\d]", "").str.pad_end(4, "0")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(2, 2).cast(
        pl.Int64, strict=False
    )
    signed = pl.when(offset.str.starts_with("-")).then(-minutes).otherwise(minutes).fill_null(0)
    is_offset = minutes.fill_null(0) <= 14 * 60
    return pl.when(is_time & is_offset).then(local), signed, offset.is_not_null()


def _strptime(format_: str) -> tuple[pl.Expr, ...]:
    has_offset = "%z" in format_
    text = pl.col("text")
    if re.search(r"%[HI]", format_):
        parsed = text.str.to_datetime(format_.replace(".%f", "%.f"), strict=False, time_unit="us")
    else:
        parsed = text.str.to_date(format_, strict=False).cast(pl.Datetime("us"))
    local = parsed.dt.replace_time_zone(None) if has_offset else parsed
    return local, pl.lit(0, pl.Int64), pl.lit(has_offset)


def _first_readable(readings: list[tuple[pl.Expr, ...]]) -> tuple[pl.Expr, ...]:
    *earlier, best = readings
    for reading in reversed(earlier):
        is_read = reading[0].is_not_null()
        best = tuple(pl.when(is_read).then(mine).otherwise(other) for mine, other in zip(reading, best, strict=True))
    return best


def _typed(values: pa.Array) -> pl.LazyFrame:
    is_zoned = pa.types.is_timestamp(values.type) and values.type.tz is not None
    series = series_of(_within_calendar(values).cast(pa.timestamp("us", tz="UTC" if is_zoned else None), safe=False))
    local = series.dt.replace_time_zone(None) if is_zoned else series
    return pl.LazyFrame({"local": local}).with_columns(
        offset_minutes=pl.lit(0, pl.Int64), has_offset=pl.lit(is_zoned), is_empty=pl.col("local").is_null()
    )


def _within_calendar(values: pa.Array) -> pa.Array:
    """`values` with those beyond the calendar's years brought to just outside of them.

    There they are refused as any other; left where they are, they would overflow into dates that look true.
    """
    is_date = pa.types.is_date(values.type)
    unit = "ms" if pa.types.is_date64(values.type) else "s" if is_date else values.type.unit
    if unit == "ns":
        return values  # reaches from 1677 to 2262
    each = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    whole, day = (pa.int32(), 1) if pa.types.is_date32(values.type) else (pa.int64(), 86_400 * each)
    first, last = ((moment - EPOCH).days * day for moment in (FIRST_INSTANT, LAST_INSTANT))
    just_outside = pa.scalar(first - 2 * day, whole), pa.scalar(last + 2 * day, whole)
    numbers = pc.max_element_wise(values.cast(whole), just_outside[0], skip_nulls=False)
    return pc.min_element_wise(numbers, just_outside[1], skip_nulls=False).cast(values.type)


def _localised(zone: str, fold: Literal["earliest", "latest"]) -> pl.Expr:
    local = pl.col("local").dt.replace_time_zone(zone, ambiguous=fold, non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _earlier_by(frame: pl.LazyFrame, length: pl.Expr) -> pl.LazyFrame:
    return frame.with_columns(pl.col("utc", "later_utc") - length)
