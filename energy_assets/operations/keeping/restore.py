"""Make a home of a backup, on this machine or another: checked before, and again when it is there.

What belongs here: the order of that, and what is made anew because no backup holds it (passwords, ports, ClickHouse).
What does not: making a backup (backup.py).

A home is restored under a hidden name and gets its own at the end: an interrupted restore leaves nothing that could be taken for a home.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import tomlkit
from psycopg2 import sql

from energy_assets import home as homes
from energy_assets.embedded import supervisor, toml_file
from energy_assets.embedded.bootstrap import DATABASE_OWNERS
from energy_assets.embedded.connections import in_database
from energy_assets.home import Home, acting_on, write_atomically
from energy_assets.operations.errors import OperationError
from energy_assets.operations.instance import dagster_instance
from energy_assets.operations.keeping import manifest as manifests
from energy_assets.operations.keeping.backup import (
    DUMPS,
    FILES,
    KEPT_SECRETS,
    SERVED,
    SERVERS_SCHEMAS,
    Say,
    Source,
    databases,
    held,
    servers_superuser,
    told_settings,
)
from energy_assets.operations.keeping.manifest import AGAIN, Manifest
from energy_assets.operations.keeping.programs import load, program, server_major
from energy_assets.operations.keeping.serve import serve_anew
from energy_assets.operations.stores import bring_up
from energy_assets.resources.contents import names_in
from energy_assets.resources.serving import connect, held_tables
from energy_assets.resources.serving_ddl import DATABASE as SERVING_DATABASE
from energy_assets.settings import settings

SHOWN = 5
ANOTHER_DATABASE = (
    "give an empty one (as whoever may there: drop database NAME; create database NAME owner USER), then restore"
)
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass
class Restored:
    """A home that was made of a backup."""

    home: Home
    manifest: Manifest
    served_days: int = 0
    """Days of tables that were copied to ClickHouse."""
    unfinished_runs: int = 0
    other_settings: dict[str, tuple[object, object]] = field(default_factory=dict)
    """Setting -> its value at the backup, and here."""


def restore(archive: Path, home: Home, *, say: Say = lambda line: None) -> Restored:
    """Make `home`, which must be empty, of the backup in `archive`: its folder, or a tar of that.

    Raises OperationError where the archive is damaged or made by a newer version, where the home is not empty, or where what came
    out of it is not what went in.
    """
    _require_empty(home)
    with _opened(archive, home) as folder:
        manifest = manifests.read(folder)
        manifests.require_known_schema(manifest)
        _require_same_kind(manifest)
        _require_empty_servers()
        say(f"checking {len(manifest.files):,} files, {manifest.bytes / 1e6:,.0f} MB")
        _require_whole(folder, manifest)
        draft = Home(home.path.with_name(f".{home.name}.restoring"))
        supervisor.down(draft)
        shutil.rmtree(draft.path, ignore_errors=True)
        try:
            with acting_on(draft):
                restored = _make(draft, folder, manifest, say)
        except BaseException:
            supervisor.down(draft, say=say)
            shutil.rmtree(draft.path, ignore_errors=True)
            raise
        supervisor.down(draft, say=say)
    if home.path.is_dir():
        home.path.rmdir()
    draft.path.rename(home.path)
    restored.home = home
    return restored


def _make(home: Home, folder: Path, manifest: Manifest, say: Say) -> Restored:
    home.path.mkdir(mode=0o700, parents=True)
    shutil.copytree(folder / FILES, home.path, dirs_exist_ok=True)
    for name, entry in manifest.files.items():  # a tar keeps less of a file's time, by which the ledger knows it again
        if name.startswith(f"{FILES}/"):
            os.utime(home.path / name.removeprefix(f"{FILES}/"), ns=(entry.modified_ns, entry.modified_ns))
    _take_secrets(home, folder / KEPT_SECRETS)
    supervisor.up(home, settings(), say=say)
    sources = databases(home, settings())
    for database, source in sources.items():
        say(f"reading {database}")
        if manifest.is_embedded:
            _make_empty(sources, database)
        with _said_what_is_left(manifest):
            load(
                folder / DUMPS / f"{database}.dump",
                source.dsn,
                schemas=source.schemas,
                major=server_major(source.dsn),
            )
        _require_same(database, manifest, source)
        _analyze(source)
    bring_up(home, say)
    restored = Restored(home, manifest)
    restored.unfinished_runs = _end_runs(home)
    say("copying to ClickHouse")
    restored.served_days = serve_anew(home, folder / SERVED)
    here = told_settings(settings())
    names = sorted({*manifest.settings, *here})
    restored.other_settings = {
        name: (manifest.settings.get(name), here.get(name))
        for name in names
        if manifest.settings.get(name) != here.get(name)
    }
    return restored


def _end_runs(home: Home) -> int:
    """Runs that went on or waited when the backup was made go on nowhere: those that wrote something are noted as failed, others never were."""
    from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

    ended = {DagsterRunStatus(name) for name in ENDED}
    with dagster_instance(home) as instance:
        unfinished = instance.get_runs(RunsFilter(statuses=[known for known in DagsterRunStatus if known not in ended]))
        for run in unfinished:
            wrote = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
            if wrote:
                instance.report_run_failed(
                    run, "the home was restored from a backup that was made while this run went on"
                )
            else:
                instance.delete_run(run.run_id)
    return len(unfinished)


def _require_empty(home: Home) -> None:
    if home.path.exists() and any(home.path.iterdir()):
        raise OperationError(
            f"{home.path} is not empty, and nothing is written over: restore to another one with --home NAME, or move that one away"
        )


def _require_same_kind(manifest: Manifest) -> None:
    if manifest.is_embedded and settings().postgres_user_url:
        raise OperationError(
            "the backup is of a home with databases of its own, and POSTGRES_URL names one user's database: unset it, or name a server without a"
            " user (with POSTGRES_ADMIN_URL), then restore"
        )
    if not manifest.is_embedded and not settings().postgres_user_url:
        raise OperationError(
            f"the backup is of a home whose Postgres was a server: set POSTGRES_URL to an empty database of Postgres {manifest.postgres_major}"
        )
    if settings().postgres_url:
        program("pg_restore", server_major(_server_url()))


def _server_url() -> str:
    """The Postgres that the settings name, as whoever reads a dump into it."""
    return settings().postgres_user_url or servers_superuser(settings())


def _require_whole(folder: Path, manifest: Manifest) -> None:
    found = list(manifests.damages(folder, manifest))
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise OperationError(
            f"{folder} is damaged, nothing was restored: {'; '.join(found[:SHOWN])}{more}\n→ copy it here again, {AGAIN}"
        )


def _require_empty_servers() -> None:
    """Raises OperationError where a server that the settings name holds something already: nothing is written over there either."""
    if url := settings().postgres_user_url:
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            if found := names_in(cursor, SERVERS_SCHEMAS):
                raise OperationError(
                    f"the database that POSTGRES_URL names holds {_some(found)} already, of a home or of a restore that was interrupted, and"
                    f" nothing is written over: {ANOTHER_DATABASE}"
                )
    if settings().has_roles_on_server:
        _require_no_databases(_server_url())
    if url := settings().clickhouse_url:
        with closing(connect(url)) as client:
            if found := held_tables(client):
                raise OperationError(
                    f"the ClickHouse that CLICKHOUSE_URL names holds rows in {_some(found)} already, and nothing is written over: what it holds"
                    f" of this home is a copy, which a restore makes anew. Once you are sure, DROP DATABASE {SERVING_DATABASE} there, then restore"
                )


def _require_no_databases(superuser: str) -> None:
    with closing(psycopg2.connect(in_database(superuser, "postgres"))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select datname from pg_database where datname = any(%s) order by datname", (list(DATABASE_OWNERS),)
        )
        if found := [name for (name,) in cursor]:
            raise OperationError(
                f"the server that POSTGRES_URL names has {_some(found)} already, of a home or of a restore that was interrupted, and nothing is"
                " written over: name another server, or drop these there (drop database NAME) once you are sure, then restore"
            )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


@contextmanager
def _said_what_is_left(manifest: Manifest) -> Iterator[None]:
    """A home's own database goes with its draft; what was read into a server's stays there, and this user may not drop it."""
    try:
        yield
    except OperationError as error:
        if manifest.is_embedded:
            raise
        raise OperationError(
            f"{error}\n→ the database that POSTGRES_URL names may hold a part of it now: {ANOTHER_DATABASE}"
        ) from error


def _require_same(database: str, manifest: Manifest, source: Source) -> None:
    """Raises OperationError where a table holds something else than when it was copied."""
    found, wanted = held(source), manifest.tables[database]
    differing = [
        f"{name} ({wanted.get(name)} then, {found.get(name)} now)"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]
    if differing:
        raise OperationError(
            f"{database} is not what was copied, in {len(differing)} tables: {'; '.join(differing[:SHOWN])}. {AGAIN}"
        )


def _make_empty(sources: Mapping[str, Source], database: str) -> None:
    """Replace a database of a home that was just made by an empty one, for pg_restore to fill."""
    other = next(source for name, source in sources.items() if name != database)
    with closing(psycopg2.connect(other.dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database)))
        cursor.execute(sql.SQL("create database {} template template0").format(sql.Identifier(database)))


def _analyze(source: Source) -> None:
    with closing(psycopg2.connect(source.dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("analyze")


def _take_secrets(home: Home, kept: Path) -> None:
    """Keys that data depend on; `up` adds passwords."""
    stored = toml_file.read(kept)
    (home.path / kept.name).unlink()
    if stored:
        write_atomically(home.credentials_file, tomlkit.dumps(stored), mode=0o600)


@contextmanager
def _opened(archive: Path, home: Home) -> Iterator[Path]:
    """The folder of a backup, taken out of its tar where it is one."""
    if archive.is_dir():
        yield archive
        return
    if not archive.exists():
        raise OperationError(f"{archive} does not exist: give the folder of a backup, or a tar of it")
    home.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.path.parent, prefix=".restoring-") as directory:
        try:
            with tarfile.open(archive) as packed:
                packed.extractall(directory, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise OperationError(
                f"{archive} cannot be read ({error}): it is damaged or no tar of a backup; copy it here again, {AGAIN}"
            ) from error
        found = sorted(Path(directory).rglob(manifests.FILE), key=lambda path: len(path.parts))
        yield found[0].parent if found else Path(directory)


def make_current(home: Home) -> bool:
    """Make the restored home the current one where there is none; whether it is."""
    try:
        return homes.current().path == home.path
    except homes.HomeError:
        homes.activate(home)
        return True
