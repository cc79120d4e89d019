"""Postgres' own programs that copy a database: which of them fits a server, and running one.

What belongs here: pg_dump and pg_restore. What does not: what is dumped and when (backup.py, restore.py).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from energy_assets.embedded import postgres
from energy_assets.embedded.bootstrap import OWN_THE_SCHEMAS
from energy_assets.embedded.errors import StoreError
from energy_assets.operations.errors import OperationError

COMPRESSION = "gzip:3"
MOST_LINES, MOST_OF_A_LINE = 10, 300


def server_major(dsn: str) -> int:
    """Major version of the Postgres at `dsn`. Raises psycopg2.Error where it does not answer."""
    with closing(psycopg2.connect(dsn, connect_timeout=10)) as server:
        return server.server_version // 10_000


def program(name: str, major: int) -> Path:
    """`pg_dump` or `pg_restore` of the major version: ours, else the system's. Raises OperationError where neither is."""
    found = []
    for path in _candidates(name, major):
        own = _major_of(path)
        if own == major:
            return path
        found.append(f"{path} is of {own}")
    raise OperationError(
        f"Postgres {major} needs {name} of its own major version, and {'; '.join(found) or 'there is none'}: install the client programs of"
        f" Postgres {major} (Debian: postgresql-client-{major}) and have them in PATH"
    )


def dump(dsn: str, target: Path, *, schemas: Sequence[str] = (), major: int) -> None:
    """Write the database at `dsn`, or these schemas of it, to `target`, as of one moment. Raises OperationError with pg_dump's words."""
    only = [option for schema in schemas for option in ("--schema", schema)]
    options = ["--format=custom", f"--compress={COMPRESSION}", f"--file={target}", *only]
    _run(program("pg_dump", major), options, dsn, what=f"writing {target.name}")


def load(source: Path, dsn: str, *, schemas: Sequence[str] = (), major: int) -> None:
    """Make in the empty database at `dsn` what `source` holds, owners and rights included; or, where `schemas` are named, what is in these
    of it, which are there already, as the user of `dsn`. Raises OperationError with pg_restore's words."""
    only = [option for schema in schemas for option in ("--schema", schema)]
    options = ["--exit-on-error", *(["--no-owner", "--no-acl", *only] if only else [])]
    _run(program("pg_restore", major), options, dsn, str(source), what=f"reading {source.name}")


def _run(path: Path, options: Sequence[str], dsn: str, *arguments: str, what: str) -> None:
    address, password = _without_password(dsn)
    done = subprocess.run(
        [str(path), "--no-password", *options, f"--dbname={address}", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        # The password stands in the environment, which others cannot read; a command line they can. What else libpq takes from there
        # (PGPASSFILE, PGSSLROOTCERT, …) the platform's own connections took too.
        env={**os.environ, **({"PGPASSWORD": password} if password else {}), "LC_ALL": "C"},
        check=False,
    )
    if done.returncode:
        # Its first line says what was wrong; a later one may hold a statement that names every table.
        said = "\n".join(line[:MOST_OF_A_LINE] for line in done.stderr.strip().splitlines()[:MOST_LINES])
        remedy = f"\n→ {OWN_THE_SCHEMAS}" if "permission denied" in said else ""
        raise OperationError(f"{what} failed ({path.name} answered {done.returncode}):\n{said}{remedy}")


def _candidates(name: str, major: int) -> list[Path]:
    try:
        ours = [postgres.programs() / name]
    except StoreError:
        ours = []
    debian = Path(f"/usr/lib/postgresql/{major}/bin/{name}")
    system = [Path(found)] if (found := shutil.which(name)) else []
    return [path for path in (*ours, *system, debian) if path.is_file()]


def _major_of(path: Path) -> int:
    said = subprocess.run([str(path), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\) (\d+)", said)
    if found is None:
        raise OperationError(f"{path} does not say its version: {said.strip()!r}")
    return int(found[1])


def _without_password(dsn: str) -> tuple[str, str | None]:
    """The address without the password, wherever in it that stood, and the password."""
    known = parse_dsn(dsn)
    password = known.pop("password", None)
    return make_dsn(**known), password
