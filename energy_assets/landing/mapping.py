"""Dialect mappings: declarative TOML that says how a delivered file is recognised and what its columns mean.

What belongs here: the mapping model, its validation, where mappings are found and which one a file takes.
What does not: reading values (instants.py, values.py) and files (blocks.py).
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from energy_assets.landing.contract import SOURCES, Column, Source
from energy_assets.landing.contract import source as contract_source

Model = TypeVar("Model", bound=BaseModel)

ISO8601 = "iso8601"
DIRECTIVES = frozenset("YymdHMSfIpbBzj%")
UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "kwh": {"kWh": (1.0, 1.0), "Wh": (1.0, 1000.0), "MWh": (1000.0, 1.0)},
    "c": {"C": (1.0, 1.0)},
    "pct": {"%": (1.0, 1.0)},
    "kmh": {"km/h": (1.0, 1.0), "m/s": (3.6, 1.0)},
}
"""By the suffix of a canonical column: delivered unit -> (multiplier, divisor) into the column's own unit."""


class MappingError(Exception):
    """A mapping that cannot be used, or files that no single mapping fits; the message names file, key and remedy."""


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


def _is_pattern_with_group(text: str) -> str:
    if re.compile(_is_pattern(text)).groups != 1:
        raise ValueError(f"{text!r} needs exactly one group, (…), around the value")
    return text


def _is_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{text!r} is no IANA time zone: use a name such as Africa/Douala or Europe/London") from error
    return text


def _is_format(text: str) -> str:
    if text == ISO8601:
        return text
    unknown = sorted(set(re.findall(r"%(.)", text)) - DIRECTIVES)
    if unknown:
        raise ValueError(f"{text!r}: %{unknown[0]} is not known; use {' '.join('%' + d for d in sorted(DIRECTIVES))}")
    sample = datetime(2001, 12, 31, 23, 30)
    if datetime.strptime(sample.astimezone().strftime(text), text).date() != sample.date():
        raise ValueError(f"{text!r} leaves out day, month or year")
    return text


Pattern = Annotated[str, AfterValidator(_is_pattern)]
PatternWithGroup = Annotated[str, AfterValidator(_is_pattern_with_group)]
Zone = Annotated[str, AfterValidator(_is_zone)]
InstantFormat = Annotated[str, AfterValidator(_is_format)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class From(_Frozen):
    """Where a canonical column comes from: exactly one of a delivered `column`, a `constant`, a `file_name` pattern."""

    column: str | None = Field(None, min_length=1)
    constant: str | int | float | None = None
    file_name: PatternWithGroup | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if sum(value is not None for value in (self.column, self.constant, self.file_name)) != 1:
            raise ValueError("give exactly one of column, constant and file_name")
        return self


class TextFrom(From):
    """Text, trimmed of white space."""


class NumberFrom(From):
    """A number as text with `decimal` and `thousands` marks; canonical = delivered × factor + offset.

    `unit` names the delivered unit: one that is known needs no `factor`.
    """

    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", "'", " "] | None = None
    unit: str | None = None
    factor: float | None = None
    offset: float = 0.0

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark")
        return self


class InstantFrom(From):
    """A date-time in one of `formats` (`iso8601`, or strptime directives).

    Without an offset it is local time of `timezone`, else the mapping's, else the home's. `date_order` outranks the order of
    %d and %m in the formats; `auto` takes the order that the whole file proves.
    """

    formats: tuple[InstantFormat, ...] = Field((ISO8601,), min_length=1)
    utc_offset: Literal["required", "absent", "optional"] = "optional"
    timezone: Zone | None = None
    date_order: Literal["day_first", "month_first", "auto"] | None = None
    is_end_of_interval: bool = False


class BooleanFrom(From):
    """Yes or no, in any of these spellings, upper or lower case."""

    true: tuple[str, ...] = ("true", "t", "yes", "y", "oui", "o", "1")
    false: tuple[str, ...] = ("false", "f", "no", "n", "non", "0")


class VersionFrom(From):
    """An integer, or an ISO 8601 date-time taken as microseconds since 1970."""


class SourceMapping(_Frozen):
    """What feeds one source: canonical column -> where it comes from."""

    columns: dict[str, InstantFrom | NumberFrom | BooleanFrom | VersionFrom | TextFrom]

    def delivered(self) -> set[str]:
        return {origin.column for origin in self.columns.values() if origin.column is not None}


class Recognise(_Frozen):
    """A file is of this dialect if its header holds all `columns`, and name and source folder fit where they are given."""

    columns: tuple[str, ...] = ()
    file_name: Pattern | None = None
    folder: str | None = None


class CsvDialect(_Frozen):
    """How a CSV file separates, quotes and encodes. UTF-8 may start with a byte order mark."""

    delimiter: Literal[",", ";", "\t", "|"] = ","
    quote: Literal['"', "'", ""] = '"'
    encoding: Literal["utf-8", "utf-8-sig", "latin-1", "cp1252"] = "utf-8"


class Mapping(_Frozen):
    """One dialect. `timezone` is the zone of its local times, and of a home that is created from its files."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    description: str
    timezone: Zone | None = None
    recognise: Recognise
    csv: CsvDialect = CsvDialect()
    same_path: Literal["corrects", "adds"] = "corrects"
    status_rank: tuple[str, ...] = ()
    sources: dict[str, SourceMapping] = Field(min_length=1)
    is_users: bool = Field(False, exclude=True)

    @field_validator("status_rank")
    @classmethod
    def _ranked_once(cls, ranks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(ranks)) != len(ranks):
            raise ValueError("a status is ranked twice")
        return ranks

    @property
    def header(self) -> frozenset[str]:
        """Columns that a header must hold: the recognised ones and those that fill required columns."""
        needed = {
            origin.column
            for name, fed in self.sources.items()
            for target, origin in fed.columns.items()
            if origin.column is not None and contract_source(name).column(target).required
        }
        return frozenset(self.recognise.columns) | needed

    @property
    def known(self) -> frozenset[str]:
        """Every delivered column that the mapping names."""
        return self.header.union(*(fed.delivered() for fed in self.sources.values()))

    @property
    def hash(self) -> str:
        """Hexadecimal sha256 of what the mapping says; two that read alike hash alike."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def fits(self, path: PurePosixPath, folder: str, header: Iterable[str]) -> bool:
        """Whether a file at `path` (relative to the landing root), of source folder `folder`, is of this dialect."""
        rule = self.recognise
        if rule.folder is not None and rule.folder != folder:
            return False
        if rule.file_name is not None and not re.search(rule.file_name, path.name):
            return False
        return self.header <= set(header)

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The more specific of two fitting mappings ranks higher: a user's own, one with a name pattern, more columns."""
        return self.is_users, self.recognise.file_name is not None, len(self.header)


def origin_type(column: Column) -> type[From]:
    """The kind of origin that can fill a canonical column."""
    if column.name == "version":
        return VersionFrom
    if column.type in ("timestamptz", "date"):
        return InstantFrom
    if column.type == "boolean":
        return BooleanFrom
    if column.type == "text":
        return TextFrom
    return NumberFrom


def conversion(column: Column, origin: NumberFrom) -> tuple[float, float, float]:
    """(multiplier, divisor, offset) from the delivered number into `column`'s unit.

    Raises ValueError for a unit that is not known and comes without a factor.
    """
    if origin.factor is not None:
        return origin.factor, 1.0, origin.offset
    if origin.unit is None:
        return 1.0, 1.0, origin.offset
    known = UNITS.get(column.name.rsplit("_", 1)[-1], {})
    if origin.unit not in known:
        raise ValueError(
            f"unit {origin.unit!r} of {column.name} is not known ({', '.join(known) or 'none is'}): add a factor"
        )
    multiplier, divisor = known[origin.unit]
    return multiplier, divisor, origin.offset


def parse_mapping(text: str, file: str, *, is_users: bool = False) -> Mapping:
    """The mapping that TOML `text` holds; `file` names it in errors.

    Raises MappingError, naming file and key.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{file}: no valid TOML: {error}") from error
    sources = document.get("sources")
    if isinstance(sources, dict):
        document["sources"] = {name: _parse_source(file, name, fed) for name, fed in sources.items()}
    return _validated(Mapping, {**document, "is_users": is_users}, file, "")


def canonical(source: Source) -> Mapping:
    """The contract's own dialect: columns by their canonical names, in the source's folder."""
    columns = {column.name: origin_type(column)(column=column.name) for column in source.delivered}
    return Mapping(
        name=f"canonical_{source.name}",
        description=f"The landing contract's own columns of {source.name}",
        recognise=Recognise(columns=source.required, folder=source.name),
        sources={source.name: SourceMapping(columns=columns)},
    )


@dataclass(frozen=True)
class Mappings:
    """The mappings that a home knows, shipped ones and the user's."""

    all: tuple[Mapping, ...]

    def dialects(self) -> list[CsvDialect]:
        """Every distinct way to read a header, the commonest first."""
        return list(dict.fromkeys([CsvDialect(), *(mapping.csv for mapping in self.all)]))

    def choose(self, path: PurePosixPath, folder: str, headers: MappingOf[CsvDialect, Sequence[str]]) -> Mapping:
        """The mapping that a file takes; `headers` holds its header as each dialect reads it.

        Raises MappingError where none fits, or two fit equally.
        """
        fitting = [m for m in self.all if m.csv in headers and m.fits(path, folder, headers[m.csv])]
        if not fitting:
            raise MappingError(self._no_fit(folder, headers))
        best = max(mapping.rank for mapping in fitting)
        winners = [mapping for mapping in fitting if mapping.rank == best]
        if len(winners) > 1:
            names = " and ".join(mapping.name for mapping in winners)
            raise MappingError(
                f"the mappings {names} fit equally: give one of them a file_name pattern, or a column that only it has"
            )
        return winners[0]

    def _no_fit(self, folder: str, headers: MappingOf[CsvDialect, Sequence[str]]) -> str:
        shown = max(headers.values(), key=len, default=())
        listed = ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")
        nearest = next((m for m in self.all if m.recognise.folder == folder), None)
        lacks = f"; as {nearest.name} it lacks {', '.join(sorted(nearest.header - set(shown)))}" if nearest else ""
        return (
            f"no mapping fits a file in {folder}/ with the columns {listed or '(none)'}{lacks}: "
            "rename its columns, or draft a mapping for it: energy-assets mapping new FILE (docs/landing-contract.md)"
        )


def load_mappings(user_directory: Path | None = None) -> Mappings:
    """The contract's own, the shipped and the user's mappings (`*.toml` in `user_directory`, where that exists).

    Raises MappingError, naming file and key.
    """
    shipped = [
        parse_mapping(file.read_text("utf-8"), file.name)
        for file in sorted(
            resources.files("energy_assets.landing").joinpath("mappings").iterdir(), key=lambda f: f.name
        )
        if file.name.endswith(".toml")
    ]
    files = sorted(user_directory.glob("*.toml")) if user_directory is not None and user_directory.is_dir() else []
    users = [_read_users(file) for file in files]
    names = [mapping.name for mapping in users]
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            raise MappingError(f"{file}: name: {name!r} is the name of another of your mappings too")
    return Mappings((*map(canonical, SOURCES), *shipped, *users))


def _read_users(file: Path) -> Mapping:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{file}: cannot be read: {error}") from error
    return parse_mapping(text, str(file), is_users=True)


def _parse_source(file: str, name: str, fed: object) -> SourceMapping:
    where = f"sources.{name}"
    try:
        source = contract_source(name)
    except KeyError:
        known = ", ".join(s.name for s in SOURCES)
        raise MappingError(f"{file}: {where}: no such source; there are {known}") from None
    columns = fed.get("columns") if isinstance(fed, dict) else None
    if not isinstance(fed, dict) or not isinstance(columns, dict):
        raise MappingError(f"{file}: {where}.columns: needed, a table of canonical columns")
    origins = {target: _parse_origin(file, source, target, origin) for target, origin in columns.items()}
    for target in source.required:
        if target not in origins:
            raise MappingError(f"{file}: {where}.columns.{target}: needed, {source.name} has no row without it")
    _check_interval_ends(file, source, origins)
    return _validated(SourceMapping, {**fed, "columns": origins}, file, where)


def _parse_origin(file: str, source: Source, target: str, origin: object) -> From:
    where = f"sources.{source.name}.columns.{target}"
    known = {column.name: column for column in source.delivered}
    if target not in known:
        raise MappingError(f"{file}: {where}: {source.name} has no such column; it has {', '.join(known)}")
    document = {"column": origin} if isinstance(origin, str) else origin
    parsed = _validated(origin_type(known[target]), document, file, where)
    if isinstance(parsed, NumberFrom):
        try:
            conversion(known[target], parsed)
        except ValueError as error:
            raise MappingError(f"{file}: {where}: {error}") from error
    return parsed


def _check_interval_ends(file: str, source: Source, origins: dict[str, From]) -> None:
    for target, origin in origins.items():
        if isinstance(origin, InstantFrom) and origin.is_end_of_interval and "interval_minutes" not in origins:
            raise MappingError(
                f"{file}: sources.{source.name}.columns.{target}.is_end_of_interval: needs the column interval_minutes, "
                "e.g. interval_minutes = { constant = 30 }"
            )


def _validated(model: type[Model], document: object, file: str, prefix: str) -> Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(part for part in (prefix, *map(str, first["loc"])) if part)
        raise MappingError(f"{file}: {key}: {first['msg'].removeprefix('Value error, ')}") from error
