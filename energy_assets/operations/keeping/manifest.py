"""A backup's manifest: what is in it, with hashes, so that a copy can be told from half of one.

What belongs here: the manifest's form, reading it, and checking files against it. What does not: making a backup (backup.py), using one (restore.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from energy_assets.home import write_atomically
from energy_assets.operations.errors import OperationError
from energy_assets.resources.contents import Held
from energy_assets.resources.serving_ddl import scripts

FILE = "manifest.json"
FORMAT = 1
"""Of the manifest and of how a backup lies on disk."""
AGAIN = "make another one with `energy-assets backup`, or take an older one (`energy-assets backup --list`)"


@dataclass(frozen=True)
class FileEntry:
    """A file of a backup."""

    bytes: int
    sha256: str
    modified_ns: int


@dataclass(frozen=True)
class Manifest:
    """What a backup holds."""

    home: str
    created_at: datetime
    made_by: str
    """Version of Energy Assets."""
    postgres_major: int
    is_embedded: bool
    """Whether the platform had roles and databases of its own, embedded or on a server; else it was one user's database that POSTGRES_URL named."""
    schema: tuple[str, ...]
    """Scripts that made the tables: a version that does not know one of them cannot read these."""
    first_day: str
    last_day: str | None
    """Last day that was written; None where none was."""
    settings: dict[str, Any]
    """Settings that the home ran under and that were not the defaults, addresses and secrets left out."""
    tables: dict[str, dict[str, Held]]
    """Database -> table -> what it holds."""
    files: dict[str, FileEntry]
    """Path below the backup -> file."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each part took."""

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.files.values())

    @property
    def rows(self) -> int:
        return sum(held.rows for tables in self.tables.values() for held in tables.values())

    def write(self, folder: Path) -> None:
        body = json.loads(json.dumps(asdict(self), default=str))
        document = {"format": FORMAT, **body}
        document["sha256"] = _own_hash(document)
        write_atomically(folder / FILE, json.dumps(document, indent=1, sort_keys=True) + "\n", mode=0o600)


def read(folder: Path) -> Manifest:
    """The manifest of the backup in `folder`.

    Raises OperationError where there is none, where it is damaged, or where a newer version made it.
    """
    path = folder / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        declared = document.pop("sha256")
        made_as = document["format"]
    except FileNotFoundError:
        raise OperationError(
            f"{folder} is no backup: it has no {FILE}. A backup that was interrupted has none either: {AGAIN}"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperationError(f"{path} is damaged ({error}): {AGAIN}") from error
    if made_as != FORMAT:
        raise OperationError(
            f"{folder} is a backup of form {made_as}, this version of Energy Assets reads form {FORMAT}: install the version that made it"
            f" ({document.get('made_by')})"
        )
    if declared != _own_hash(document):
        raise OperationError(f"{path} was changed since it was written: {AGAIN}")
    del document["format"]
    try:
        document["created_at"] = datetime.fromisoformat(document["created_at"])
        document["schema"] = tuple(document["schema"])
        document["files"] = {name: FileEntry(**entry) for name, entry in document["files"].items()}
        document["tables"] = {
            database: {name: Held(*held) for name, held in tables.items()}
            for database, tables in document["tables"].items()
        }
        return Manifest(**document)
    except (KeyError, TypeError, ValueError) as error:
        raise OperationError(f"{path} holds something else than this version expects ({error}): {AGAIN}") from error


def damages(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Files of the backup that are missing or are not what was written, in words; reads all of them."""
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (size := path.stat().st_size) != entry.bytes:
            yield f"{name} has {size:,} bytes, not {entry.bytes:,}"
        elif file_hash(path) != entry.sha256:
            yield f"{name} is not what was written: its sha256 differs"


def require_known_schema(manifest: Manifest) -> None:
    """Raises OperationError where a newer version made the tables."""
    if unknown := sorted({*manifest.schema} - {*schema()}):
        raise OperationError(
            f"the backup was made by a newer version ({manifest.made_by}; this is {version()}), which has tables that this one does not know"
            f" ({', '.join(unknown)}): install that version, then restore again"
        )


def schema() -> tuple[str, ...]:
    """The scripts that make the tables of this version, of both stores."""
    postgres = resources.files("energy_assets.resources").joinpath("postgres_ddl").iterdir()
    names = [f"postgres_ddl/{entry.name}" for entry in postgres if entry.name.endswith(".sql")]
    return tuple(sorted([*names, *(f"clickhouse_ddl/{script.name}" for script in scripts())]))


def version() -> str:
    return f"energy-assets {metadata.version('energy-assets')}"


def file_hash(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _own_hash(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
