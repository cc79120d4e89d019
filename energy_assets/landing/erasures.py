"""Customers who were erased: what is kept of them so that no file brings them back, which is nothing that names them.

What belongs here: tombstones (keyed hashes), their file, and leaving out rows that belong to one. What does not: erasing (operations/keeping/erasure.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from energy_assets.home import Home
from energy_assets.landing.contract import Source
from energy_assets.landing.keyed import key_of, pseudonym

FILE = "erasures.jsonl"
EPOCH = date(1970, 1, 1)
REPLACEMENT = "(erased)"
WORD = re.compile(r"[A-Za-z0-9][^\s,;:()\[\]{}\"'<>|=/.]*")
SUBJECTS = ("meter_id", "subject_id")
"""Columns that name the meter that a row is about."""
CUSTOMER = "customer_id"


@dataclass(frozen=True)
class Period:
    """Local days on which a customer held a meter, half-open; None: without bound."""

    meter: str
    first_day: date | None
    end_day: date | None

    def holds(self, days: np.ndarray) -> np.ndarray:
        """Which of `days` (since 1970; -1 where unknown, which is taken for held) are in the period."""
        held = np.ones(len(days), bool)
        if self.first_day is not None:
            held &= (days >= (self.first_day - EPOCH).days) | (days < 0)
        if self.end_day is not None:
            held &= days < (self.end_day - EPOCH).days
        return held


@dataclass(frozen=True)
class Tombstone:
    """That a customer was erased. Identifiers are keyed hashes; `meters` are hashes with their periods."""

    customer: str
    meters: tuple[Period, ...]
    erased_at: datetime
    erased_by: str
    reason: str
    counts: dict[str, int] = field(default_factory=dict)
    """What was erased, by kind."""


def tombstones(home: Home) -> list[Tombstone]:
    """Who was erased, the newest entry of each."""
    path = home.path / FILE
    if not path.is_file():
        return []
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        told["meters"] = tuple(Period(m["meter"], _day(m["first_day"]), _day(m["end_day"])) for m in told["meters"])
        told["erased_at"] = datetime.fromisoformat(told["erased_at"])
        found[told["customer"]] = Tombstone(**told)
    return list(found.values())


def bury(home: Home, tombstone: Tombstone) -> None:
    """Add the entry to the home's file, which is only ever added to."""
    line = json.dumps(asdict(tombstone), default=str) + "\n"
    descriptor = os.open(home.path / FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


class Erased:
    """Leaves rows of erased customers out of what is read."""

    def __init__(self, home: Home | None = None) -> None:
        self._tombstones = tombstones(home) if home else []
        self._key = key_of(home) if home and self._tombstones else b""
        self._known: dict[str, str] = {}

    def without(self, source: Source, rows: pa.Table) -> pa.Table:
        """`rows` but for those of erased customers."""
        if not self._tombstones or not rows.num_rows:
            return rows
        gone = np.zeros(rows.num_rows, bool)
        if CUSTOMER in rows.schema.names:
            customers = {tombstone.customer for tombstone in self._tombstones}
            gone |= np.isin(self._hashes(rows[CUSTOMER]), list(customers))
        elif subject := next((name for name in SUBJECTS if name in rows.schema.names), None):
            hashes = self._hashes(rows[subject])
            periods = [period for tombstone in self._tombstones for period in tombstone.meters]
            gone |= held_rows(hashes, days_of(source, rows), periods)
        kept = rows.filter(pa.array(~gone)) if gone.any() else rows
        return self.without_words(kept) if source.is_records else kept

    def without_words(self, rows: pa.Table) -> pa.Table:
        """Notes, reasons and rejected values without words that are the identifier of an erased customer, or of a meter that only they held."""
        if not self._tombstones:
            return rows
        named = {tombstone.customer for tombstone in self._tombstones} | {
            period.meter
            for tombstone in self._tombstones
            for period in tombstone.meters
            if period.first_day is None and period.end_day is None
        }

        def replaced(found: re.Match[str]) -> str:
            return REPLACEMENT if self._hash(found[0]) in named else found[0]

        for position, of in enumerate(rows.schema):
            if pa.types.is_string(of.type) and of.name not in (CUSTOMER, *SUBJECTS):
                texts = [text and WORD.sub(replaced, text) for text in rows[of.name].to_pylist()]
                rows = rows.set_column(position, of, pa.array(texts, of.type))
        return rows

    def _hash(self, name: str) -> str:
        if name not in self._known:
            self._known[name] = pseudonym(self._key, name)
        return self._known[name]

    def _hashes(self, identifiers: pa.ChunkedArray) -> np.ndarray:
        encoded = identifiers.combine_chunks().dictionary_encode()
        names = encoded.dictionary.to_pylist()
        hashes = np.array([*map(self._hash, names), ""])
        return hashes[encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)]


def held_rows(subjects: np.ndarray, days: np.ndarray, periods: Iterable[Period]) -> np.ndarray:
    """Which rows are about a meter in one of its `periods`: `subjects` and `days` (since 1970) have one entry a row."""
    held = np.zeros(len(subjects), bool)
    for period in periods:
        mine = subjects == period.meter
        held |= mine & period.holds(days)
    return held


def days_of(source: Source, rows: pa.Table) -> np.ndarray:
    """The local day of each row, in days since 1970; -1 where the source has none."""
    column = source.date_column or next(
        (name for name in source.starts if name in rows.schema.names and name not in ("valid_from",)), None
    )
    if column is None:
        return np.full(rows.num_rows, -1)
    return rows[column].cast(pa.int32()).fill_null(-1).to_numpy()


def without_rows(
    path: Path, source: Source, periods: Sequence[Period], customer: str, alone: Sequence[str]
) -> pa.Table | None:
    """The rows of a part but for those of meters in `periods`, and of a register those of `customer` and of meters that only they held.

    None where it holds none of these.
    """
    import pyarrow.parquet as pq

    names = pq.read_schema(path).names
    subject = next((name for name in (CUSTOMER, *SUBJECTS) if name in names), None)
    if subject is None:
        return None
    looked_at = [subject, *(name for name in ("meter_id", source.date_column, *source.starts) if name in names)]
    rows = pq.read_table(path, columns=list(dict.fromkeys(looked_at)))
    subjects = np.array(rows[subject].to_pylist(), dtype=object)
    if subject == CUSTOMER:
        gone = (subjects == customer) | np.isin(rows["meter_id"].to_pylist(), list(alone))
    else:
        gone = held_rows(subjects, days_of(source, rows), periods)
    return pq.read_table(path).filter(pa.array(~gone)) if gone.any() else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
