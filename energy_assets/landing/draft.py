"""A first mapping for a file that no mapping fits: guessed from its header and first rows, each guess with its reason.

What belongs here: guessing and saying why. What does not: reading the file in earnest (reader.py), which judges the draft.
Only readings are drafted: weather and annotations are added by hand (docs/landing-contract.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.landing.blocks import read_blocks, read_header
from energy_assets.landing.formats import UnreadableFile
from energy_assets.landing.mapping import ISO8601, CsvDialect, MappingError

SAMPLED_ROWS = 2_000
DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "cp1252")
SHARE = 0.9
"""Of the sampled values, so many must be what a column is taken for: some rows of a real file are broken."""
INTERVALS = (15, 30, 60, 1440)

_DATES = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%Y", "%Y/%m/%d")
_TIMES = ("%H:%M", "%H:%M:%S")
FORMATS = tuple(f"{date} {time}" for date in _DATES for time in _TIMES)

IS_TIME = r"time|date|zeit|stamp|hora|instant|start|begin|end"
IS_END = r"(^|[^a-z])(end|ende|bis|fin)([^a-z]|$)"
IS_ENERGY = r"wh\b|wh$|wh[^a-z]|consum|conso|energ|usage|verbrauch|import|value|reading|load"
IS_METER = r"meter|device|serial|z.hler|compteur|contador|mpan|lclid|customer|client|household|point|^id$|_id$"


@dataclass(frozen=True)
class Draft:
    """A mapping as TOML, its comments saying what each line rests on."""

    name: str
    text: str


@dataclass(frozen=True)
class _Line:
    target: str
    origin: str
    why: str


def draft(path: Path) -> Draft:
    """A mapping of readings for the file at `path`.

    Raises MappingError where no column looks like date-times or like energy, UnreadableFile where it cannot be read.
    """
    csv, header, sample = _sample(path)
    lines = list(_lines(path, header, sample))
    name = re.sub(r"[^a-z0-9]+", "_", path.name.split(".")[0].lower()).strip("_") or "drafted"
    used = {column for line in lines for column in header if json.dumps(column, ensure_ascii=False) in line.origin}
    left_out = [column for column in header if column not in used]
    parts = [
        f"# Drafted from {path.name}: check every line, above all the energy's unit and the zone of local times.",
        f"name = {_quoted(name)}",
        f"description = {_quoted(f'Drafted from {path.name}')}",
        '# timezone = "Africa/Douala"   # of local times; without it, the home\'s own',
        "",
        "[recognise]",
        "# A file is of this dialect if its header holds all of these.",
        f"columns = [{', '.join(map(_quoted, sorted(used, key=header.index)))}]",
        *_csv_section(csv),
        "",
        "[sources.meter_readings.columns]",
        *(part for line in lines for part in (f"# {line.why}", f"{line.target} = {line.origin}")),
        *([f"# Left out, they feed nothing here: {', '.join(left_out)}"] if left_out else []),
    ]
    return Draft(name, "\n".join(parts) + "\n")


def _sample(path: Path) -> tuple[CsvDialect, list[str], pa.Table]:
    """The dialect that finds most columns, the header, and the first rows."""
    failure: UnreadableFile | None = None
    for encoding in ENCODINGS:
        try:
            dialects = [CsvDialect(delimiter=delimiter, encoding=encoding) for delimiter in DELIMITERS]
            csv = max(dialects, key=lambda dialect: len(read_header(path, dialect)))
            header = read_header(path, csv)
            with closing(read_blocks(path, csv, header, lambda *_: None)) as blocks:
                first = next(blocks, None)
        except UnreadableFile as error:
            failure = failure or error
            continue
        if first is None or not first.columns.num_rows:
            raise MappingError(f"{path} has no row of data: give a file that has some")
        return csv, header, first.columns.slice(0, SAMPLED_ROWS)
    raise failure or UnreadableFile(f"{path} cannot be read in any known encoding")


def _lines(path: Path, header: Sequence[str], sample: pa.Table) -> Iterator[_Line]:
    values = {name: [v for v in _texts(sample.column(i)) if v] for i, name in enumerate(header)}
    instant, formats = _instant(path, values)
    is_end = bool(re.search(IS_END, instant.lower()))
    energy, decimal = _energy(path, {name: known for name, known in values.items() if name != instant})
    meter = _named(IS_METER, [name for name in header if name not in (instant, energy)])
    if meter:
        yield _Line("meter_id", _quoted(meter), f"Its name says so; {len(set(values[meter]))} in the rows looked at.")
    else:
        yield _Line(
            "meter_id",
            "{ file_name = '^([^.]+)' }",
            "No column names a meter: each file is taken for one, called as the file is.",
        )
    yield _instant_line(instant, formats, values[instant], is_end=is_end)
    yield _energy_line(energy, decimal)
    minutes = _spacing(values[instant], formats[0], values.get(meter or ""))
    if minutes or is_end:
        why = f"The closest spacing of a meter's date-times is {minutes} minutes." if minutes else "ASSUMED."
        yield _Line("interval_minutes", f"{{ constant = {minutes or 30} }}", why)


def _instant(path: Path, values: dict[str, list[str]]) -> tuple[str, tuple[str, ...]]:
    fitting = {name: formats for name, known in values.items() if (formats := _formats(known))}
    name = _named(IS_TIME, [name for name in fitting if not re.search(IS_END, name.lower())]) or next(
        iter(fitting), None
    )
    if name is None:
        raise MappingError(
            f"{path}: no column holds date-times that are known ({_shown(values)}): write its mapping by hand, "
            "with formats of your own (docs/landing-contract.md)"
        )
    return name, fitting[name]


def _formats(known: Sequence[str]) -> tuple[str, ...]:
    """What the values can be read as; several where day and month could stand for each other."""
    if _share(known, _is_iso) >= SHARE:
        return (ISO8601,)
    return tuple(format_ for format_ in FORMATS if _share(known, partial(_instant_of, format_=format_)) >= SHARE)


def _instant_line(column: str, formats: Sequence[str], known: Sequence[str], *, is_end: bool) -> _Line:
    keys = [f"column = {_quoted(column)}", f"formats = [{_quoted(formats[0])}]"]
    why = [f"All look like {known[0]!r}."]
    if len(formats) > 1:
        keys.append('date_order = "auto"')
        why.append("Day or month first? Each file must prove it by a day above 12; or say day_first or month_first.")
    if is_end:
        keys.append("is_end_of_interval = true")
        why.append("Its name speaks of an end: the interval lies before it.")
    return _Line("reading_at", f"{{ {', '.join(keys)} }}", " ".join(why))


def _energy(path: Path, values: dict[str, list[str]]) -> tuple[str, str]:
    marks = {
        name: mark
        for name, known in values.items()
        for mark in (".", ",")
        if _share(known, partial(_is_number, decimal=mark)) >= SHARE
    }
    name = _named(r"wh\b|wh$|wh[^a-z]", list(marks)) or _named(IS_ENERGY, list(marks))
    if name is None:
        raise MappingError(
            f"{path}: no column of numbers is called like energy ({_shown(values)}): write its mapping by hand "
            "(docs/landing-contract.md)"
        )
    return name, "." if _share(values[name], lambda text: _is_number(text, ".")) >= SHARE else ","


def _energy_line(column: str, decimal: str) -> _Line:
    lowered = column.lower()
    unit = "MWh" if "mwh" in lowered else "kWh" if "kwh" in lowered else "Wh" if re.search(r"wh", lowered) else None
    why = f"Its name says {unit}." if unit else "ASSUMED to be kWh of the interval: its name states no unit."
    mark = f', decimal = "{decimal}"' if decimal != "." else ""
    return _Line("consumption_kwh", f'{{ column = {_quoted(column)}, unit = "{unit or "kWh"}"{mark} }}', why)


def _spacing(instants: Sequence[str], format_: str, meters: Sequence[str] | None) -> int | None:
    """The closest spacing of a meter's readings in minutes, where an interval has such a length."""
    if meters is not None and len(meters) != len(instants):
        return None
    by_meter: dict[str, set[datetime]] = {}
    for meter, text in zip(meters or [""] * len(instants), instants, strict=True):
        at = _is_iso(text) if format_ == ISO8601 else _instant_of(text, format_)
        if at:
            by_meter.setdefault(meter, set()).add(at.replace(tzinfo=None))
    gaps = [
        (after - before).total_seconds() / 60
        for known in by_meter.values()
        for before, after in zip(sorted(known), sorted(known)[1:], strict=False)
    ]
    closest = min(gaps, default=0)
    return int(closest) if closest in INTERVALS else None


def _csv_section(csv: CsvDialect) -> list[str]:
    said = [f"{key} = {_quoted(getattr(csv, key))}" for key in ("delimiter", "encoding")]
    return [] if csv == CsvDialect() else ["", "[csv]", *said]


def _texts(column: pa.ChunkedArray) -> list[str]:
    texts = column.to_pylist() if pa.types.is_timestamp(column.type) else pc.cast(column, pa.string()).to_pylist()
    return ["" if value is None else str(value).strip() for value in texts]


def _named(pattern: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if re.search(pattern, name.lower())), None)


def _share(known: Sequence[str], is_such: Callable[[str], object]) -> float:
    return sum(bool(is_such(text)) for text in known) / len(known) if known else 0.0


def _is_iso(text: str) -> datetime | None:
    """Digits alone are a number to us, whatever else they might be."""
    try:
        return datetime.fromisoformat(text) if "-" in text[1:] else None
    except ValueError:
        return None


def _instant_of(text: str, format_: str) -> datetime | None:
    try:
        return datetime.strptime(text, format_)
    except ValueError:
        return None


def _is_number(text: str, decimal: str) -> bool:
    return re.fullmatch(rf"[+-]?\d*\{decimal}?\d+([eE][+-]?\d+)?", text) is not None


def _shown(values: dict[str, list[str]]) -> str:
    return ", ".join(f"{name}: {known[0] if known else 'empty'}" for name, known in list(values.items())[:12])


def _quoted(text: str) -> str:
    """A JSON string is a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False)
