"""A copy of a home from which it can be made again on another machine.

What belongs here: what is copied, in which order, while what waits. What does not: the manifest's form (manifest.py), making a home of it (restore.py).

A backup is a folder: Postgres as `pg_dump` writes it, the home's files, and last a manifest with hashes. It lies under a hidden name
until it is whole. Of ClickHouse it holds only days that Postgres has dropped: all else there is a copy of Postgres, which `restore` makes anew.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import tomlkit
from pydantic import SecretStr

from energy_assets.embedded import credentials, ports, toml_file
from energy_assets.embedded.bootstrap import OWNERS
from energy_assets.embedded.connections import (
    DAGSTER_DATABASE,
    DAGSTER_SCHEMA,
    DATABASE,
    SUPERSET_DATABASE,
    connections,
    in_database,
    postgres_url,
)
from energy_assets.home import CALENDAR_FILE, Home, write_atomically
from energy_assets.operations.errors import OperationError
from energy_assets.operations.keeping import manifest as manifests
from energy_assets.operations.keeping.manifest import FileEntry, Manifest
from energy_assets.operations.keeping.programs import dump, program, server_major
from energy_assets.resources.answers import answer
from energy_assets.resources.contents import Held, contents
from energy_assets.resources.turns import alone, files_kept
from energy_assets.settings import Settings, settings

Say = Callable[[str], None]

FOLDER = "backups"
FILES = "files"
"""Below a backup, what the home's directory holds."""
DUMPS = "postgres"
SERVED = "clickhouse"
KEPT_SECRETS = f"{FILES}/kept.toml"
"""Keys that data depend on; passwords of stores are made anew."""
KEPT_SECTIONS = ("superset",)
NOT_COPIED = (
    *("postgres", "clickhouse", "dagster", "superset", "logs", "dbt", "dbt_docs", "data_docs"),
    *("credentials.toml", "ports.toml", "backups.toml", "erasure.pending.json"),
)
"""Of a home's directory: the stores' data, what is made anew, and what belongs to this machine."""
SERVERS_SCHEMAS = (*OWNERS, DAGSTER_SCHEMA)
"""What is the platform's of a database that POSTGRES_URL names."""
SETTLED_SECONDS = 10.0


@dataclass(frozen=True)
class Backup:
    """A whole backup on disk."""

    path: Path
    manifest: Manifest


def default_folder(home: Home) -> Path:
    """Where backups of `home` go where nobody says otherwise: beside the homes, never inside of one."""
    return home.path.parent / FOLDER


def backup(
    home: Home, folder: Path | None = None, *, say: Say = lambda line: None, now: datetime | None = None
) -> Backup:
    """Copy `home` below `folder`. Waits for runs that go on, and lets none begin while Postgres is read.

    Raises OperationError where the folder lies in the home, or where no program fits the server; nothing is left behind then.
    """
    folder = (folder or default_folder(home)).absolute()
    if folder.is_relative_to(home.path):
        raise OperationError(f"{folder} lies in the home itself and would be lost with it: give --to another folder")
    made_at = (now or datetime.now(UTC)).replace(microsecond=0)
    name = f"{home.name}-{made_at:%Y%m%dT%H%M%SZ}"
    if (folder / name).exists():
        raise OperationError(f"{folder / name} is there already: wait a second, then make another")
    sources = databases(home, settings())
    lock_dsn = connections(home, settings()).transformer_dsn
    major = server_major(sources[DATABASE].dsn)
    program("pg_dump", major)
    seconds: dict[str, float] = {}
    with files_kept(lock_dsn, say=say):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.glob(f".{home.name}-*.partial"):  # nobody else makes a backup of this home now
            shutil.rmtree(left)
        draft = folder / f".{name}.partial"
        draft.mkdir(mode=0o700)
        try:
            with alone(lock_dsn, say=say):
                _let_runs_end(home)
                (draft / DUMPS).mkdir(mode=0o700)
                with _timed(seconds, "Postgres"):
                    for database, source in sources.items():
                        dump(source.dsn, draft / DUMPS / f"{database}.dump", schemas=source.schemas, major=major)
                with _timed(seconds, "hashes of tables"):
                    tables = {database: held(source) for database, source in sources.items()}
                days = _written_days(sources[DATABASE].dsn)
                with _timed(seconds, "ClickHouse"):
                    _copy_dropped_days(home, draft / SERVED)
            with _timed(seconds, "files"):
                _copy_files(home, draft / FILES)
                _keep_secrets(home, draft / KEPT_SECRETS)
                entries = dict(_entries(draft))
            manifest = Manifest(
                home=home.name,
                created_at=made_at,
                made_by=manifests.version(),
                postgres_major=major,
                is_embedded=settings().postgres_user_url is None,
                schema=manifests.schema(),
                first_day=home.calendar().first_day.isoformat(),
                last_day=days,
                settings=told_settings(settings()),
                tables=tables,
                files=entries,
                seconds=seconds,
            )
            manifest.write(draft)
            os.sync()
            draft.rename(folder / name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        remember(home, folder)
    return Backup(folder / name, manifest)


@dataclass(frozen=True)
class Source:
    """A database to copy; without schemas, all of it."""

    dsn: str
    schemas: tuple[str, ...] = ()


def databases(home: Home, known: Settings) -> dict[str, Source]:
    """What a backup holds of Postgres, by the name of its dump. Where the platform has roles of its own, the superuser reads, who may
    read all."""
    if known.postgres_user_url:
        return {DATABASE: Source(known.postgres_user_url, SERVERS_SCHEMAS)}
    superuser = _superuser_url(home, known)
    return {name: Source(in_database(superuser, name)) for name in (DATABASE, DAGSTER_DATABASE, SUPERSET_DATABASE)}


def servers_superuser(known: Settings) -> str:
    """The superuser of the server on which the platform has roles of its own. Raises OperationError where the settings do not name it."""
    if known.postgres_admin_url is None:
        raise OperationError(
            "the databases on the server that POSTGRES_URL names are read and made whole by its superuser alone: set POSTGRES_ADMIN_URL to it for"
            " this command, then again"
        )
    return known.postgres_admin_url.get_secret_value()


def _superuser_url(home: Home, known: Settings) -> str:
    """The server on which the platform has roles of its own, as its superuser."""
    if known.has_roles_on_server:
        return servers_superuser(known)
    password, port = credentials.read(home).postgres.superuser, ports.remembered(home).get("postgres")
    if port is None:
        raise OperationError(f"the Postgres of home {home.name} was never started: energy-assets up, then again")
    return postgres_url("postgres", password, port, "postgres")


def held(source: Source) -> dict[str, Held]:
    """What the database's tables hold."""
    with closing(psycopg2.connect(source.dsn)) as connection, connection, connection.cursor() as cursor:
        return contents(cursor, source.schemas or None)


def known_backups(home: Home) -> list[Backup]:
    """Backups of `home` in every folder that it made one in, the oldest first; what was moved elsewhere is not known."""
    found = [backup for folder in folders(home) for backup in backups_in(folder) if backup.manifest.home == home.name]
    return sorted(found, key=lambda known: known.manifest.created_at)


def backups_in(folder: Path) -> Iterator[Backup]:
    """The whole backups in `folder`; one whose manifest is damaged is passed over."""
    for path in sorted(folder.glob(f"[!.]*/{manifests.FILE}")):
        try:
            yield Backup(path.parent, manifests.read(path.parent))
        except OperationError:
            continue


def folders(home: Home) -> list[Path]:
    """Folders in which backups of the home were made."""
    path = home.path / "backups.toml"
    listed = [Path(name) for name in toml_file.read(path)["folders"]] if path.is_file() else []
    return list(dict.fromkeys([*listed, default_folder(home)]))


def remember(home: Home, folder: Path) -> None:
    """Note in the home that a backup of it was made in `folder`: what must be erased is erased there too."""
    listed = [str(path) for path in dict.fromkeys([*folders(home), folder])]
    write_atomically(home.path / "backups.toml", tomlkit.dumps({"folders": listed}))


def keep_newest(home: Home, folder: Path | None, number: int) -> list[Path]:
    """Remove all but the `number` newest backups of the home in `folder`; the paths of those that went."""
    folder = (folder or default_folder(home)).absolute()
    known = [backup for backup in known_backups(home) if backup.path.parent == folder]
    old = known[:-number]
    for entry in old:
        remove(entry)
    return [entry.path for entry in old]


def remove(known: Backup) -> None:
    """Take a backup away. Half a removed one has no manifest: it is none any more."""
    (known.path / manifests.FILE).unlink()
    shutil.rmtree(known.path)


def told_settings(known: Settings) -> dict[str, Any]:
    """Settings that are not the defaults, without addresses (of servers and people) and secrets."""
    told = {}
    for name, declared in Settings.model_fields.items():
        value = getattr(known, name)
        is_private = isinstance(value, SecretStr) or name.endswith("_url") or name.startswith("alert_")
        if not is_private and value != declared.get_default(call_default_factory=True):
            told[name] = value
    return told


def _let_runs_end(home: Home) -> None:
    """A run gives its days back a moment before Dagster notes its end: wait for that, but not for one that was killed."""
    dsn = connections(home, settings()).dagster_dsn
    until = time.monotonic() + SETTLED_SECONDS
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("select to_regclass('runs') is not null")
        if not answer(cursor):
            return
        while time.monotonic() < until:
            cursor.execute(
                "select exists (select from runs where status in ('STARTED', 'CANCELING') and update_timestamp > now() at time zone 'utc' - interval '1 day')"
            )
            if not answer(cursor):
                return
            time.sleep(0.2)


def _written_days(dsn: str) -> str | None:
    with closing(psycopg2.connect(dsn)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("select max(reading_date)::text from quality.day_versions where row_count > 0")
        return answer(cursor)


def _copy_dropped_days(home: Home, target: Path) -> None:
    """Of each served table the days that only ClickHouse still has, as Parquet, table/day.parquet."""
    from energy_assets.assets.serving import SERVED as TABLES
    from energy_assets.resources.serving import Serving
    from energy_assets.resources.serving_ddl import DATABASE as SERVING_DATABASE
    from energy_assets.resources.serving_ddl import quoted
    from energy_assets.resources.warehouse import Warehouse

    warehouse = Warehouse(home=str(home.path))
    for served in TABLES:
        days = warehouse.rows(
            "select reading_date from quality.day_states as source join quality.day_versions as copied using (reading_date)"
            " where source.table_name = %s and source.state = 'dropped' and copied.table_name = %s and copied.row_count > 0 order by 1",
            (served.source, served.ledger_name),
        )
        if not days:
            continue
        (target / served.table).mkdir(mode=0o700, parents=True)
        with Serving(home=str(home.path)).client() as client:
            for (day,) in days:
                stream: Any = client.raw_stream(
                    f"SELECT {', '.join(quoted(column.name) for column in served.columns if column.is_stored)}"
                    f" FROM {quoted(SERVING_DATABASE, served.table)} WHERE {quoted(served.date_column)} = {{day:Date}}",
                    parameters={"day": day.isoformat()},
                    fmt="Parquet",
                )
                with (target / served.table / f"{day}.parquet").open("wb") as file:
                    shutil.copyfileobj(stream, file)


def _copy_files(home: Home, target: Path) -> None:
    """Copy what lies in the home's directory. What is being written, and what goes away meanwhile, is passed over."""
    target.mkdir(mode=0o700)
    for path in sorted(home.path.iterdir()):
        if path.name not in NOT_COPIED and not path.name.startswith("."):
            _copy(path, target / path.name)
    if not (target / CALENDAR_FILE).is_file():
        raise OperationError(f"{home.calendar_file} went away while it was copied: is the home being removed?")


def _copy(path: Path, target: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        target.mkdir(mode=0o700)
        for child in sorted(path.iterdir()):
            if not child.name.startswith("."):
                _copy(child, target / child.name)
        return
    try:
        shutil.copy2(path, target)
        target.chmod(0o600)
    except FileNotFoundError:
        return


def _keep_secrets(home: Home, target: Path) -> None:
    stored = toml_file.read(home.credentials_file) if home.credentials_file.is_file() else {}
    kept = {section: stored[section] for section in KEPT_SECTIONS if section in stored}
    write_atomically(target, tomlkit.dumps(kept), mode=0o600)


def _entries(draft: Path) -> Iterator[tuple[str, FileEntry]]:
    """Every file of the backup with its hash, read from what was written."""
    for path in sorted(draft.rglob("*")):
        if path.is_file():
            path.chmod(0o600)
            found = path.stat()
            yield (
                path.relative_to(draft).as_posix(),
                FileEntry(found.st_size, manifests.file_hash(path), found.st_mtime_ns),
            )


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - started, 1)
