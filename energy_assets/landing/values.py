"""Texts, numbers and versions as delivered into canonical values, column by column, with what is wrong with each.

What belongs here: trimming, marks, units, finiteness, what makes an identifier absurd.
What does not: date-times (instants.py), and whether a number is plausible (validation judges that, later).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.landing.contract import Column
from energy_assets.landing.instants import InstantReader, series_of
from energy_assets.landing.mapping import BooleanFrom, InstantFrom, NumberFrom, conversion
from energy_assets.landing.schemas import arrow_type

LONGEST_TEXT = 200
LARGEST_EXACT = 2**53
"""Below it, a float holds every whole number."""
EMPTY, UNREADABLE, NOT_FINITE, TOO_LONG, CONTROL = range(1, 6)
"""Why a value cannot be taken; 0 where it can."""

REASONS = {
    EMPTY: "is empty: a value is needed",
    UNREADABLE: "is no number",
    NOT_FINITE: "is no finite number",
    TOO_LONG: f"is longer than {LONGEST_TEXT} characters",
    CONTROL: "holds control characters",
}


@dataclass(frozen=True)
class Values:
    """Values of n rows, null where there is none, and per row the fault (uint8, 0 where the value is good)."""

    values: pa.Array
    fault: np.ndarray


def read_text(delivered: pa.Array) -> Values:
    """Trimmed text. Empty, overlong and control-ridden values are null, with their fault."""
    encoded = pc.dictionary_encode(as_text(delivered), null_encoding="encode")
    text = pl.col("text")
    short = pl.when(text == "").then(EMPTY).when(text.str.len_chars() > LONGEST_TEXT).then(TOO_LONG)
    fault = short.when(text.str.contains(r"\p{Cc}")).then(CONTROL).otherwise(0).cast(pl.UInt8)
    frame = (
        pl.LazyFrame({"text": pl.from_arrow(encoded.dictionary)})
        .select(text.fill_null("").str.strip_chars())
        .select(fault=fault, good=pl.when(fault == 0).then(text))
        .collect()
    )
    good = frame["good"].to_arrow().cast(pa.string())
    return Values(good.take(encoded.indices), frame["fault"].to_numpy()[encoded.indices.to_numpy()])


def read_number(delivered: pa.Array, column: Column, origin: NumberFrom) -> Values:
    """Finite numbers in the column's unit and type."""
    parsed = _parsed(delivered, origin)
    numbers = parsed.to_numpy()
    multiplier, divisor, offset = conversion(column, origin)
    if (multiplier, divisor, offset) != (1.0, 1.0, 0.0):
        numbers = numbers * multiplier / divisor + offset
    good = np.isfinite(numbers)
    fault = np.where(good, 0, NOT_FINITE).astype(np.uint8)
    if parsed.null_count():
        is_missing = parsed.is_null().to_numpy()
        fault[is_missing] = UNREADABLE
        fault[is_missing & _is_empty(delivered)] = EMPTY
    wanted = arrow_type(column)
    if pa.types.is_integer(wanted):
        largest = 2 ** (wanted.bit_width - 1) - 1
        good &= (numbers == np.round(numbers)) & (np.abs(numbers) <= largest)
        fault[(fault == 0) & ~good] = UNREADABLE
        numbers = np.where(good, numbers, 0)
    return Values(pa.array(numbers, mask=None if good.all() else ~good).cast(wanted), fault)


def read_boolean(delivered: pa.Array, origin: BooleanFrom) -> Values:
    """Booleans; other spellings than the origin's are unreadable."""
    text = series_of(as_text(delivered)).fill_null("").str.strip_chars().str.to_lowercase()
    true, false = ([spelling.lower() for spelling in spellings] for spellings in (origin.true, origin.false))
    known = text.is_in(true) | text.is_in(false)
    fault = pl.select(pl.when(known).then(0).when(text == "").then(EMPTY).otherwise(UNREADABLE)).to_series()
    good = pl.select(pl.when(known).then(text.is_in(true))).to_series()
    return Values(good.to_arrow(), fault.cast(pl.UInt8).to_numpy())


def read_version(delivered: pa.Array) -> Values:
    """Integers as they are, ISO 8601 date-times as microseconds since 1970 (those without an offset taken as UTC)."""
    if pa.types.is_timestamp(delivered.type) or pa.types.is_date(delivered.type):
        versions = pl.Series([None] * len(delivered), dtype=pl.Int64)
    else:
        versions = series_of(as_text(delivered)).str.strip_chars().cast(pl.Int64, strict=False)
    if versions.null_count():
        reader = InstantReader(InstantFrom(column="version"), local_zone="UTC", home_zone="UTC", now=None)
        instants = reader.read(delivered)
        stamps = pl.select(pl.when(pl.Series(instants.fault == 0)).then(pl.Series(instants.utc))).to_series()
        versions = versions.fill_null(stamps)
    fault = np.where(versions.is_null().to_numpy(), UNREADABLE, 0).astype(np.uint8)
    fault[(fault != 0) & _is_empty(delivered)] = EMPTY
    return Values(versions.to_arrow(), fault)


def as_text(delivered: pa.Array) -> pa.Array:
    """Any column as text, the way it would be written down."""
    if pa.types.is_dictionary(delivered.type):
        delivered = delivered.dictionary_decode()
    if pa.types.is_float64(delivered.type):
        return _plain(delivered)
    return delivered if pa.types.is_string(delivered.type) else delivered.cast(pa.string())


def _plain(numbers: pa.Array) -> pa.Array:
    """Whole numbers without a point or exponent: an identifier is no less one where a table made 1.234e+15 of it."""
    number = pl.col("number")
    is_whole = (number == number.round()) & (number.abs() < LARGEST_EXACT)
    whole = pl.when(is_whole).then(number).cast(pl.Int64).cast(pl.String)
    frame = pl.LazyFrame({"number": pl.from_arrow(numbers), "text": pl.from_arrow(numbers.cast(pa.string()))})
    return frame.select(pl.coalesce(whole, "text")).collect().to_series().to_arrow().cast(pa.string())


def _parsed(delivered: pa.Array, origin: NumberFrom) -> pl.Series:
    if (
        pa.types.is_integer(delivered.type)
        or pa.types.is_floating(delivered.type)
        or pa.types.is_decimal(delivered.type)
    ):
        return series_of(delivered.cast(pa.float64()))
    if pa.types.is_temporal(delivered.type):
        return pl.Series([None] * len(delivered), dtype=pl.Float64)  # a length of time counts no energy
    text = series_of(as_text(delivered))
    if origin.decimal != "." or origin.thousands is not None:
        return _with_point(text.str.strip_chars(), origin).cast(pl.Float64, strict=False)
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() > text.null_count():
        numbers = numbers.fill_null(text.str.strip_chars().cast(pl.Float64, strict=False))
    return numbers


def _with_point(text: pl.Series, origin: NumberFrom) -> pl.Series:
    """Numbers with other marks as ones with a decimal point; null where the marks do not stand where they must."""
    decimal, thousands = f"[{origin.decimal}]", f"[{origin.thousands}]" if origin.thousands else None
    whole = rf"(?:[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|[0-9]+)" if thousands else "[0-9]+"
    fits = text.str.contains(rf"^[+-]?(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?$")
    plain = text.str.replace_all(origin.thousands, "", literal=True) if origin.thousands else text
    plain = plain.str.replace_all(origin.decimal, ".", literal=True)
    return pl.select(pl.when(fits).then(plain)).to_series()


def _is_empty(delivered: pa.Array) -> np.ndarray:
    return (series_of(as_text(delivered)).fill_null("").str.strip_chars() == "").to_numpy()
