"""A Parquet file as tables of the columns that are needed, in bounded memory whatever its pages unpack to.

What belongs here: headers, batches and their bounds. What does not: what the columns mean (reader.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from energy_assets.landing.damage import as_unreadable
from energy_assets.landing.formats import UnreadableFile, refuse_disproportion, refuse_other_names

BATCH_ROWS = 250_000
BATCH_BYTES = 32 << 20
CUT_CHARACTERS = 300
"""No text that can be taken is as long: what is longer is cut there, and marked so that it passes for nothing shorter."""
CUT_MARK = "\N{HORIZONTAL ELLIPSIS}"


def read_names(path: Path) -> list[str]:
    """Names of the columns, as they are.

    Raises UnreadableFile for a file that is empty, broken or no Parquet.
    """
    if not path.stat().st_size:
        raise UnreadableFile("the file is empty: deliver it again")
    refuse_other_names(path)
    with as_unreadable(path):
        return pq.read_schema(path).names


def read_tables(path: Path, names: list[str], needed: Collection[int] | None) -> Iterator[pa.Table]:
    """The rows of the columns at the positions `needed` (None: of all), as they are delivered; overlong texts are cut.

    Raises UnreadableFile for a broken file, at the latest after its last table.
    """
    positions = range(len(names)) if needed is None else sorted(needed)
    with as_unreadable(path), _opened(path) as file:
        refuse_disproportion(path.stat().st_size, _unpacked_bytes(file.metadata), rows=file.metadata.num_rows)
        columns = [file.schema_arrow.names[position] for position in positions]
        for batch in file.iter_batches(
            batch_size=_rows_at_once(file.metadata), columns=None if needed is None else columns
        ):
            yield pa.table([_bounded(names[p], batch.column(i)) for i, p in enumerate(positions)], names=columns)


def _opened(path: Path) -> pq.ParquetFile:
    """The file, its texts as dictionaries: one of a megabyte that a million rows repeat is cut once, before they all get it."""
    metadata = pq.read_metadata(path)
    leaves = {metadata.schema.column(index).path for index in range(metadata.num_columns)}
    plain = [name for name in metadata.schema.to_arrow_schema().names if name in leaves]
    return pq.ParquetFile(path, metadata=metadata, read_dictionary=plain)


def _unpacked_bytes(metadata: pq.FileMetaData) -> int:
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def _rows_at_once(metadata: pq.FileMetaData) -> int:
    """So many rows that a batch of the longest is of bounded size."""
    longest = max(
        (
            metadata.row_group(group).total_byte_size / max(metadata.row_group(group).num_rows, 1)
            for group in range(metadata.num_row_groups)
        ),
        default=1,
    )
    return int(min(max(BATCH_BYTES / max(longest, 1), 1), BATCH_ROWS))


def _bounded(name: str, column: pa.Array) -> pa.Array:
    """The column with texts cut and decoded; other types as they are."""
    if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        column.validate(full=True)
        return column
    try:
        texts = column.dictionary.cast(pa.large_string())
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UnreadableFile(f"the column {name} holds text that is no UTF-8: write it as UTF-8") from error
    column.indices.validate(full=True)
    return _cut(texts).take(column.indices)


def _cut(texts: pa.Array) -> pa.Array:
    text = pl.col("text").str.strip_chars()
    frame = pl.LazyFrame({"text": pl.from_arrow(texts)}).select(
        pl.when(text.str.len_chars() > CUT_CHARACTERS)
        .then(text.str.slice(0, CUT_CHARACTERS) + CUT_MARK)
        .otherwise("text")
    )
    return frame.collect().to_series().to_arrow().cast(pa.string())


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
