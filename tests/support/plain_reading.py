"""What a delivery in the contract's own dialect says, read a second time the plain way: csv, float, datetime, a row at a time.

What belongs here: an independent reading to hold the landing's against. What does not: landing, and how deliveries are made.
"""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from energy_assets.landing.contract import Column, Source

SPACE = "".join(char for char in map(chr, range(0x3001)) if char.isspace() and not "\x1c" <= char <= "\x1f")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)? ?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
YES, NO = {"true", "t", "yes", "y", "oui", "o", "1"}, {"false", "f", "no", "n", "non", "0"}
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
UNSURE = object()
"""What this reading has no opinion on: a local time that came twice, or is older than what zones are well known of."""


class Bad(Exception):
    """A value that is there and says nothing."""


@dataclass(frozen=True)
class PlainReading:
    """Row numbers of the file -> values of accepted rows by column; the numbers of those that are to be rejected."""

    accepted: Mapping[int, Mapping[str, object]]
    rejected: frozenset[int]
    has_line_ends: bool
    """Whether a value runs over several lines, which makes a file unreadable."""


def read_plainly(text: str, source: Source, zone: str, now: datetime) -> PlainReading:
    """The delivery `text`, a header and rows, without a byte order mark."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    accepted, rejected = {}, set()
    for number, cells in enumerate(rows, start=2):
        if not any(cells) and len(cells) in (0, len(header)):
            continue
        values = (
            read_row(dict(zip(header, cells, strict=False)), source, zone, now) if len(cells) == len(header) else None
        )
        if values is None:
            rejected.add(number)
        else:
            accepted[number] = values
    return PlainReading(accepted, frozenset(rejected), any("\n" in c or "\r" in c for row in rows for c in row))


def read_row(cells: Mapping[str, object], source: Source, zone: str, now: datetime) -> dict[str, object] | None:
    """The values of a row by column; None where it lacks what it needs."""
    values: dict[str, object] = {}
    for column in source.delivered:
        if column.name not in cells:
            continue
        cell = cells[column.name]
        try:
            values[column.name] = _value(str(cell).strip(SPACE), column, source, zone, now)
        except Bad:
            if column.required or column.strict:
                return None
            values[column.name] = None
        if values[column.name] is None and column.required:
            return None
    return values


def _value(text: str, column: Column, source: Source, zone: str, now: datetime) -> object:
    if text == "":
        return None
    if column.type == "text":
        return _text(text)
    if column.type == "boolean":
        return _boolean(text)
    if column.type == "date":
        return _date(text)
    if column.type == "timestamptz":
        instant = _instant(text, zone)
        if column.name == source.instant and instant is UNSURE and text < "1999":
            raise Bad
        if (
            column.name == source.instant
            and instant is not UNSURE
            and not EARLIEST <= instant <= now + timedelta(days=1)
        ):
            raise Bad
        return instant
    if column.name == "version":
        return _version(text)
    return _number(text, column)


def _text(text: str) -> str:
    if len(text) > 200 or any(unicodedata.category(char) == "Cc" for char in text):
        raise Bad
    return text


def _boolean(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise Bad
    return text.lower() in YES


def _number(text: str, column: Column) -> float | int:
    if not NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise Bad
    number = float(text)
    if column.type == "double precision":
        return number
    if not number.is_integer() or abs(number) > 2**15 - 1:
        raise Bad
    return int(number)


def _version(text: str) -> int:
    if re.fullmatch(r"[+-]?[0-9]+", text):
        if not -(2**63) <= int(text) < 2**63:
            raise Bad
        return int(text)
    instant = _instant(text, "UTC")
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _date(text: str) -> date:
    written, offset = _written(text)
    try:
        instant = written.replace(tzinfo=offset or UTC).astimezone(UTC)
    except OverflowError:
        raise Bad from None
    if instant > datetime(9999, 12, 31, tzinfo=UTC):
        raise Bad
    return written.date()


def _instant(text: str, zone: str) -> datetime | object:
    written, offset = _written(text)
    try:
        if offset is not None:
            instant = written.replace(tzinfo=offset).astimezone(UTC)
        else:
            earlier, later = (written.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
            if earlier > later:  # clocks were put forward over it
                raise Bad
            if earlier < later or (written.year < 1970 and zone != "UTC"):
                return UNSURE
            instant = earlier
    except OverflowError:
        raise Bad from None
    if instant > datetime(9999, 12, 31, tzinfo=UTC):
        raise Bad
    return instant


def _written(text: str) -> tuple[datetime, timezone | None]:
    match = ISO.fullmatch(text)
    if not match:
        raise Bad
    *numbers, fraction, offset = match.groups()
    try:
        written = datetime(*(int(number or 0) for number in numbers), int((fraction or "0")[:6].ljust(6, "0")))
        return written, _offset(offset)
    except ValueError:
        raise Bad from None


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    digits = re.sub("[^0-9]", "", text).ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    if minutes > 14 * 60:
        raise Bad
    return timezone(timedelta(minutes=-minutes if text.startswith("-") else minutes))
