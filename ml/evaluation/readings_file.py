"""Anyone's readings and labels, from a file each, as arrays of a fleet.

What belongs here: the forms that readings and labels come in outside the landing zone (long, or wide with a column for each date), and what is wrong
with a file. What does not: deliveries of a utility (energy_assets/landing), the balance (losses.py), judging (run.py).

Bulk is read by polars and placed by numpy; only distinct instants and labels are looked at one by one.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

INTERVALS_MINUTES = (15, 30, 60, 1440)
MOST_DAYS = 20 * 366
MINUTES_A_DAY = 1440
NOTHING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", r"\N")
LEAST_DATE_COLUMNS = 2
_DATE = re.compile(r"^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?$")
_YEAR_LAST = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(.*)$")
METER_NAMES = ("meter_id", "cons_no", "customer_id", "meter", "id")
LABEL_NAMES = ("is_theft", "flag", "label", "theft")
YES, NO = ("1", "true", "yes", "1.0"), ("0", "false", "no", "0.0")


class FileError(Exception):
    """A file that cannot be used as it is; the message names file, line or column, and what to do."""


@dataclass(frozen=True)
class Form:
    """What a long file's columns are called."""

    ids: tuple[str, ...]
    instants: tuple[str, ...]
    energies: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.ids[0]}, {self.instants[0]} (or {self.instants[1]}) and {self.energies[0]}"


METERS = Form(METER_NAMES, ("reading_at", "reading_date", "reading_datetime"), ("consumption_kwh", "kwh"))
TRANSFORMERS = Form(("transformer_id",), ("reading_at", "reading_date"), ("energy_kwh", "consumption_kwh", "kwh"))


@dataclass(frozen=True, eq=False)
class Series:
    """Energy by local day from `first_day` on: `wh` float32 [days, ids, slots], NaN where there is none."""

    ids: np.ndarray
    first_day: date
    wh: np.ndarray
    duplicates: int = 0
    negatives: int = 0
    has_offsets: bool = False

    @property
    def interval_minutes(self) -> int:
        return MINUTES_A_DAY // self.wh.shape[2]

    @property
    def days(self) -> list[date]:
        return [self.first_day + timedelta(days=number) for number in range(len(self.wh))]

    def coarser(self, slots: int) -> Series:
        """With so many slots a day, each the sum of its parts, NaN where one is not known."""
        days, ids, own = self.wh.shape
        summed = self.wh.reshape(days, ids, slots, own // slots).sum(axis=3)
        return Series(self.ids, self.first_day, summed, self.duplicates, self.negatives, self.has_offsets)


@dataclass(frozen=True, eq=False)
class Labels:
    """By meter: `is_theft` bool, `onset` the day of its first theft or None."""

    ids: np.ndarray
    is_theft: np.ndarray
    onset: tuple[date | None, ...]


@dataclass(frozen=True, eq=False)
class Register:
    """By meter: its transformer, customer and class, as text, empty where not told."""

    ids: np.ndarray
    transformer: np.ndarray
    customer: np.ndarray
    customer_class: np.ndarray


def read_series(path: Path, timezone: str, form: Form = METERS) -> Series:
    """The readings of `path`, long or wide. Instants with an offset become local times of `timezone`, others are taken as they are.

    Energy in kWh becomes Wh; below nothing it is taken for none. Of readings of one meter and slot the mean counts. Raises FileError.
    """
    columns = _columns(path)
    told = dict(zip(columns, _year_first(path, columns), strict=True))
    dates = {name: day for name in columns if (day := _day_of(told[name]))}
    if len(dates) >= LEAST_DATE_COLUMNS and _find(columns, form.energies) is None:
        return _wide(path, columns, dates, form)
    return _long(path, columns, timezone, form)


def read_labels(path: Path) -> Labels:
    """Labels of meters: who steals, and since when where that is known. Raises FileError."""
    columns = _columns(path)
    meter = _needed(path, columns, METER_NAMES, "meter_id, is_theft and, where it is known, onset_date")
    label = _needed(path, columns, LABEL_NAMES, "meter_id, is_theft and, where it is known, onset_date")
    onset = _find(columns, ("onset_date",))
    wanted = [meter, label] + ([onset] if onset else [])
    frame = _texts(path, wanted)
    is_told = ~frame[label].is_in(NOTHING)
    lines = np.flatnonzero(is_told.to_numpy()) + 2
    frame = frame.filter(is_told)
    answers = frame[label].str.to_lowercase()
    if len(wrong := np.flatnonzero(~answers.is_in(YES + NO).to_numpy())):
        raise FileError(
            f"{path}, line {lines[wrong[0]]}, column {label}: {frame[label][int(wrong[0])]!r} is no label\n"
            "  → write 1 for theft and 0 for none; leave the field empty where nobody knows"
        )
    ids = frame[meter].to_numpy().astype(str)
    steals = answers.is_in(YES).to_numpy()
    first: dict[str, tuple[np.bool, np.integer]] = {}
    for line, (one, said) in zip(lines, zip(ids, steals, strict=True), strict=True):
        if first.setdefault(one, (said, line))[0] != said:
            raise FileError(
                f"{path}, line {line}: meter {one} is labelled otherwise in line {first[one][1]}\n"
                "  → keep one line for each meter"
            )
    kept = np.sort(np.unique(ids, return_index=True)[1])
    onsets: list[date | None] = [None] * len(kept)
    if onset:
        onsets = [_onset(path, frame[onset][int(row)], int(lines[row]), onset) for row in kept]
    return Labels(ids[kept], steals[kept], tuple(onsets))


def read_register(path: Path) -> Register:
    """Transformer and customer of each meter; where a meter has several entries, the last `valid_from` counts. Raises FileError."""
    columns = _columns(path)
    needed = "meter_id and transformer_id, and where they are known customer_id and customer_class"
    names = [_needed(path, columns, ("meter_id",), needed), _needed(path, columns, ("transformer_id",), needed)]
    optional = [_find(columns, (name,)) for name in ("customer_id", "customer_class", "valid_from")]
    frame = _texts(path, names + [name for name in optional if name])
    if optional[2]:
        frame = frame.sort(optional[2], maintain_order=True)
    frame = frame.unique(names[0], keep="last", maintain_order=True)
    empty = np.full(len(frame), "", dtype=object)
    told = [frame[name].to_numpy().astype(str) if name else empty for name in (*names, *optional[:2])]
    return Register(*told)


def _long(path: Path, columns: list[str], timezone: str, form: Form) -> Series:
    meter = _needed(path, columns, form.ids, form.describe())
    instant = _needed(path, columns, form.instants, form.describe())
    energy = _needed(path, columns, form.energies, form.describe())
    scan = _scan(path).select(
        pl.col(meter).cast(pl.String).str.strip_chars().cast(pl.Categorical).alias("id"),
        pl.col(instant).cast(pl.String).str.strip_chars().cast(pl.Categorical).alias("at"),
        _number(energy).alias("kwh"),
        (_number(energy).is_null() & ~_is_nothing(energy)).alias("is_wrong"),
    )
    frame = _collected(path, scan)
    if not len(frame):
        raise FileError(f"{path}: holds no reading\n  → one line for each meter and interval: {form.describe()}")
    if frame["is_wrong"].any():
        row = frame["is_wrong"].arg_max() or 0
        raise FileError(_no_number(path, energy, row, _cell(path, energy, row)))
    for name, column in (("id", meter), ("at", instant)):
        if len(rows := np.flatnonzero((frame[name].is_null() | (frame[name] == "")).to_numpy())):
            raise FileError(
                f"{path}, line {rows[0] + 2}, column {column}: is empty\n  → fill it in, or leave the line out"
            )
    ids, of_id = _coded(frame["id"])
    texts, of_text = _coded(frame["at"])
    return _placed(path, instant, ids, of_id, texts, of_text, frame["kwh"].to_numpy(), timezone)


def _placed(
    path: Path,
    column: str,
    ids: np.ndarray,
    of_id: np.ndarray,
    texts: np.ndarray,
    of_text: np.ndarray,
    kwh: np.ndarray,
    timezone: str,
) -> Series:
    """Readings by day, id and slot; `of_id` and `of_text` say which id and instant each of `kwh` belongs to."""
    moments = [_moment(text, timezone) for text in _year_first(path, texts.tolist())]
    read = [moment for moment in moments if moment is not None]
    if len(read) < len(moments):
        row = int(np.flatnonzero(of_text == moments.index(None))[0])
        raise FileError(
            f"{path}, line {row + 2}, column {column}: {str(texts[of_text[row]])!r} is no date-time\n"
            "  → write the start of the interval as 2024-03-07 18:30, 2024-03-07T17:30:00Z or, of a day, 2024-03-07"
        )
    minutes = np.array([int(moment.timestamp() // 60) for moment, _, _ in read])
    local = np.array([int(here.replace(tzinfo=UTC).timestamp() // 60) for _, here, _ in read])
    day = local // MINUTES_A_DAY
    _bounded(path, column, day)
    first = int(day.min())
    interval = _interval_minutes(path, column, of_id * (int(day.max()) - first + 1) + (day - first)[of_text], minutes)
    slots = MINUTES_A_DAY // interval
    shape = int(day.max()) - first + 1, len(ids), slots
    cell = ((day - first) * len(ids) * slots + local % MINUTES_A_DAY // interval)[of_text] + of_id * slots
    wh, duplicates, negatives = _filled(cell, kwh, int(np.prod(shape)))
    return Series(
        ids,
        date(1970, 1, 1) + timedelta(days=first),
        wh.reshape(shape),
        duplicates,
        negatives,
        any(one[2] for one in read),
    )


def _filled(cell: np.ndarray, kwh: np.ndarray, cells: int) -> tuple[np.ndarray, int, int]:
    """(Wh float32 [cells], readings that shared a cell, readings below nothing)."""
    is_negative = kwh < 0
    is_known = ~np.isnan(kwh) & ~is_negative
    cell, wh = cell[is_known], 1000 * kwh[is_known]
    filled = np.full(cells, np.nan, dtype=np.float32)
    filled[cell] = wh
    duplicates = len(cell) - int((~np.isnan(filled)).sum())
    if duplicates:
        count = np.bincount(cell, minlength=cells)
        mean = np.bincount(cell, weights=wh, minlength=cells) / np.maximum(count, 1)
        filled = np.where(count > 0, mean, np.nan).astype(np.float32)
    return filled, duplicates, int(is_negative.sum())


def _wide(path: Path, columns: list[str], dates: dict[str, date], form: Form) -> Series:
    others = [name for name in columns if name not in dates]
    named = _find(columns, form.ids)
    if named is None:
        without = [name for name in others if name.lower() not in LABEL_NAMES]
        if not without:
            raise FileError(
                f"{path}: has a column for each date and none for the meter\n  → add a column {form.ids[0]}"
            )
        named = without[0]
    ordered = sorted(dates, key=lambda name: dates[name])
    numbers = [dates[name].toordinal() for name in ordered]
    if len(set(numbers)) < len(numbers):
        row = next(at for at in range(1, len(numbers)) if numbers[at] == numbers[at - 1])
        raise FileError(
            f"{path}: columns {ordered[row - 1]} and {ordered[row]} are the same date\n  → keep one of them"
        )
    _bounded(path, ordered[0], np.array(numbers))
    scan = _scan(path)
    frame = _collected(path, scan.select(pl.col(named).cast(pl.String), *(_number(name) for name in ordered)))
    ids = frame[named].to_numpy().astype(str)
    _distinct(path, named, ids)
    values = frame.select(ordered).to_numpy()
    _refuse_words(path, scan, named, ordered, values)
    wh = np.full((numbers[-1] - numbers[0] + 1, len(ids), 1), np.nan, dtype=np.float32)
    wh[np.array(numbers) - numbers[0], :, 0] = 1000 * values.T
    negatives = int((wh < 0).sum())
    wh[wh < 0] = np.nan
    return Series(ids, dates[ordered[0]], wh, 0, negatives)


def _refuse_words(path: Path, scan: pl.LazyFrame, meter: str, names: list[str], values: np.ndarray) -> None:
    """Raises FileError where a field of a wide file is neither a number nor empty."""
    known = (~np.isnan(values)).sum(axis=0)
    filled = _collected(path, scan.select((~_is_nothing(name)).sum().alias(name) for name in names)).row(0)
    for name, has, should in zip(names, known, filled, strict=True):
        if has < should:
            wrong = _collected(path, scan.select(_number(name).is_null() & ~_is_nothing(name))).to_series()
            row = wrong.arg_max() or 0
            raise FileError(_no_number(path, name, row, _cell(path, name, row)))


def _distinct(path: Path, column: str, ids: np.ndarray) -> None:
    _, first, count = np.unique(ids, return_index=True, return_counts=True)
    if (count > 1).any():
        again = ids[first[count > 1][0]]
        lines = np.flatnonzero(ids == again)[:2] + 2
        raise FileError(
            f"{path}, line {lines[1]}, column {column}: meter {again} stands in line {lines[0]} already\n"
            "  → keep one line for each meter"
        )


def _interval_minutes(path: Path, column: str, meter_day: np.ndarray, minutes: np.ndarray) -> int:
    """Length of an interval: a day where no meter has two readings on one, else the usual step between instants."""
    if np.bincount(meter_day).max() == 1:
        return MINUTES_A_DAY
    steps = np.diff(np.unique(minutes))
    if not len(steps):
        return MINUTES_A_DAY
    values, count = np.unique(steps, return_counts=True)
    usual = int(values[count.argmax()])
    if usual not in INTERVALS_MINUTES:
        raise FileError(
            f"{path}, column {column}: readings follow each other after {usual} minutes, which is no length that is read\n"
            f"  → sum them up to {', '.join(str(known) for known in INTERVALS_MINUTES)} minutes"
        )
    return usual


def _moment(text: str, timezone: str) -> tuple[datetime, datetime, bool] | None:
    """(instant, local time without zone, whether an offset is told); without one the instant is as if in UTC: only steps matter."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        if not (match := _DATE.match(text)):
            return None
        try:
            year, *others = (int(part or 0) for part in match.groups())
            found = datetime(year, *others)  # type: ignore[arg-type]  # as many numbers as the pattern has
        except ValueError:
            return None
    if found.tzinfo is None:
        return found.replace(tzinfo=UTC), found, False
    return found, found.astimezone(ZoneInfo(timezone)).replace(tzinfo=None), True


def _year_first(path: Path, texts: Sequence[str]) -> list[str]:
    """Dates that end with the year as 2024-03-07, in the order of day and month under which all are dates, on the fewest days.

    Dates of a file lie close together in the right order, and are strewn over the year in the wrong one.
    """
    found = [_YEAR_LAST.match(text) for text in texts]
    if not any(found):
        return list(texts)
    spans: dict[tuple[int, int], int] = {}
    for order in ((1, 0), (0, 1)):
        told = [_date_of((match[3], *(match[1 + at] for at in order))) for match in found if match]
        days = [day for day in told if day is not None]
        if len(days) == len(told):
            spans[order] = (max(days) - min(days)).days
    if not spans:
        return list(texts)
    if len(spans) > 1 and len(set(spans.values())) == 1:
        sample = next(text for text, match in zip(texts, found, strict=True) if match)
        if any(match[1] != match[2] for match in found if match):
            raise FileError(f"{path}: {str(sample)!r} can be day/month or month/day\n  → write dates as 2024-03-07")
    month, day = min(spans, key=lambda order: spans[order])
    return [
        f"{match[3]}-{match[1 + month]}-{match[1 + day]}{match[4]}" if match else text
        for text, match in zip(texts, found, strict=True)
    ]


def _date_of(parts: Iterable[str]) -> date | None:
    try:
        return date(*(int(part) for part in parts))
    except ValueError:
        return None


def _day_of(name: str) -> date | None:
    """The date that a column is named after."""
    match = _DATE.match(name.strip())
    if not match or match[4] not in (None, "0", "00"):
        return None
    return _date_of(match.groups()[:3])


def _onset(path: Path, text: str | None, line: int, column: str) -> date | None:
    if text is None or text in NOTHING:
        return None
    moment = _moment(text, "UTC")
    if moment is None:
        raise FileError(
            f"{path}, line {line}, column {column}: {text!r} is no date\n  → write it as 2024-03-07, or leave it empty"
        )
    return moment[1].date()


def _bounded(path: Path, column: str, day: np.ndarray) -> None:
    if (span := int(day.max() - day.min()) + 1) > MOST_DAYS:
        raise FileError(
            f"{path}, column {column}: its days span {span:,}, more than {MOST_DAYS:,}\n  → look for a date with a wrong year"
        )


def _scan(path: Path) -> pl.LazyFrame:
    if not path.is_file():
        raise FileError(f"{path}: there is no such file")
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    # Text throughout: what is no number is then told with its line.
    return pl.scan_csv(path, infer_schema=False, separator=_separator(path))


def _separator(path: Path) -> str:
    """The one of three that the heading has most of."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
        heading = handle.readline()
    return max((",", ";", "\t"), key=lambda sign: heading.count(sign.encode()))


def _columns(path: Path) -> list[str]:
    try:
        return _scan(path).collect_schema().names()
    except (pl.exceptions.PolarsError, OSError, EOFError) as error:
        raise FileError(_unreadable(path, error)) from error


def _collected(path: Path, scan: pl.LazyFrame) -> pl.DataFrame:
    try:
        return scan.collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise FileError(_unreadable(path, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    return f"{path}: cannot be read: {reason}\n  → CSV with a heading, CSV.gz, or Parquet whose name ends in .parquet"


def _texts(path: Path, names: list[str]) -> pl.DataFrame:
    """Columns as text, empty where there is none."""
    columns = (pl.col(name).cast(pl.String).str.strip_chars().fill_null("") for name in names)
    return _collected(path, _scan(path).select(columns))


def _number(name: str) -> pl.Expr:
    """A column as numbers, null where it holds none."""
    return pl.col(name).cast(pl.String).str.strip_chars().cast(pl.Float32, strict=False)


def _is_nothing(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String).str.strip_chars().fill_null("").is_in(NOTHING)


def _cell(path: Path, name: str, row: int) -> str:
    return str(_scan(path).select(name).slice(row, 1).collect().item())


def _no_number(path: Path, column: str, row: int, value: str) -> str:
    return (
        f"{path}, line {row + 2}, column {column}: {value!r} is no number\n"
        "  → write kWh with a decimal point, or leave the field empty where there is no reading"
    )


def _coded(values: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """(distinct texts in order, which of them each row has)."""
    distinct = values.unique()
    texts = distinct.cast(pl.String).to_numpy().astype(str)
    order = np.argsort(texts)
    physical = distinct.to_physical().to_numpy().astype(np.int64)
    place = np.empty(physical.max() + 1, dtype=np.int64)
    place[physical[order]] = np.arange(len(order))
    return texts[order], place[values.to_physical().to_numpy()]


def _find(columns: list[str], names: tuple[str, ...]) -> str | None:
    """The column that has the first of `names` there is, whatever its case."""
    by_name = {column.strip().lower(): column for column in reversed(columns)}
    return next((by_name[name] for name in names if name in by_name), None)


def _needed(path: Path, columns: list[str], names: tuple[str, ...], all_needed: str) -> str:
    found = _find(columns, names)
    if found is None:
        there = ", ".join(columns[:8]) + (", …" if len(columns) > 8 else "")
        raise FileError(f"{path}: has no column {names[0]}\n  → its columns are {there}; needed are {all_needed}")
    return found
