"""Keyed hashes in the place of identifiers of persons, in what ClickHouse serves.

What belongs here: which columns and words are replaced, and by what. What does not: the key (landing/keyed.py), when all days are served
anew (operations/keeping/serve.py).

A meter's key is the same in every table and on every day, so that pages filter and join by it as by the meter. Transformers, feeders and
areas are nobody's. Coordinates are rounded to about a kilometre.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.home import Home
from energy_assets.landing.keyed import key_of, pseudonym

if TYPE_CHECKING:
    import pyarrow as pa

    from energy_assets.resources.warehouse import Warehouse

MARK = "pseudonymised"
"""File of a home: ClickHouse holds keys."""
KEY_DIGITS = 16
PERSONS = ("meter_id", "customer_id")
"""Columns that hold nothing but identifiers of persons."""
COORDINATES = {"latitude": 2, "longitude": 2}
"""Decimals that are kept."""
RECENT_DAYS = 35

WORD = re.compile(r"[^\s,;:()\[\]{}\"'<>|=/]+")
SEPARATORS = re.compile(r"([-_.])")


def is_pseudonymised(home: Home) -> bool:
    """Whether ClickHouse holds keys, whatever the settings say by now."""
    return mark_of(home).is_file()


def mark_of(home: Home) -> Path:
    return home.path / MARK


def meter_key(key: bytes, identifier: str) -> str:
    """The key by which a meter or customer is served."""
    return pseudonym(key, identifier)[:KEY_DIGITS]


def known_identifiers(warehouse: Warehouse) -> set[str]:
    """Meters and customers of the register, and meters that were read lately: what words are looked through for."""
    found = warehouse.rows(
        "select meter_id from raw_data.meters union select customer_id from raw_data.meters where customer_id is not null"
    )
    if warehouse.rows("select to_regclass('intermediate.int_readings_daily') is not null")[0][0]:
        found += warehouse.rows(
            "select distinct meter_id from intermediate.int_readings_daily"
            " where reading_date > (select max(reading_date) - %s from intermediate.int_readings_daily)",
            (RECENT_DAYS,),
        )
    return {row[0] for row in found}


class Pseudonyms:
    """Replaces identifiers by keys, or keys by identifiers again, in tables on their way to ClickHouse."""

    def __init__(self, names: Mapping[str, str], key: bytes | None = None) -> None:
        """`names`: what is replaced by what. With `key`, every value of a column of persons is replaced, also one that is not among them."""
        self._names = dict(names)
        self._key = key
        self._odd = [name for name in self._names if not WORD.fullmatch(name)]

    @classmethod
    def of(cls, warehouse: Warehouse) -> Pseudonyms:
        key = key_of(Home.at(warehouse.home))
        return cls({name: meter_key(key, name) for name in known_identifiers(warehouse)}, key)

    @classmethod
    def undone(cls, warehouse: Warehouse) -> Pseudonyms:
        key = key_of(Home.at(warehouse.home))
        return cls({meter_key(key, name): name for name in known_identifiers(warehouse)})

    def replaced(self, table: pa.Table) -> pa.Table:
        """The same rows under the other names."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for name in [name for name in PERSONS if name in table.schema.names]:
            self._learn(table[name].unique().to_pylist())
        for position, field in enumerate(table.schema):
            if field.name in COORDINATES:
                if self._key is not None:
                    table = table.set_column(
                        position, field, pc.round(table[field.name], COORDINATES[field.name]).cast(field.type)
                    )
            elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
                table = table.set_column(position, field, self._column(table[field.name]).cast(field.type))
        return table

    def word(self, text: str) -> str:
        """`text` with each identifier in it replaced."""
        for name in self._odd:
            text = text.replace(name, self._names[name])
        return WORD.sub(lambda found: self._of_word(found[0]), text)

    def _column(self, column: pa.ChunkedArray) -> pa.Array:
        import pyarrow as pa

        encoded = column.combine_chunks().dictionary_encode()
        texts = [
            None if text is None else self._names.get(text) or self.word(text)
            for text in encoded.dictionary.to_pylist()
        ]
        return pa.array(texts, pa.string()).take(encoded.indices)

    def _of_word(self, word: str) -> str:
        """A word may begin with an identifier, as the name of a case does."""
        if word in self._names:
            return self._names[word]
        pieces = SEPARATORS.split(word)
        for end in range(len(pieces) - 2, 0, -2):
            head = "".join(pieces[:end])
            if head in self._names:
                return self._names[head] + "".join(pieces[end:])
        return word

    def _learn(self, identifiers: Iterable[str | None]) -> None:
        if self._key is None:
            return
        for name in identifiers:
            if name and name not in self._names:
                self._names[name] = meter_key(self._key, name)
                if not WORD.fullmatch(name):
                    self._odd.append(name)
