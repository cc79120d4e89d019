"""Bring a home's dashboards up: the order stores → installation → Superset's tables and our pages → server.

What belongs here: that order, and what of it is done already. What does not: the steps themselves.
"""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

from energy_assets.dashboards.bundle import SUPERSET, Bundle, Document, read
from energy_assets.dashboards.tidy import dump
from energy_assets.dashboards.translate import catalogue, translated
from energy_assets.dashboards.validate import problems
from energy_assets.embedded import credentials, ports, processes
from energy_assets.embedded.connections import connections
from energy_assets.home import Home
from energy_assets.operations.dashboards.install import LOCK, PYTHON, ensure_installed, is_installed
from energy_assets.operations.dashboards.service import REDIS, USER, Say, Superset, end, sha256, workers_redis
from energy_assets.operations.errors import OperationError
from energy_assets.operations.stores import bring_up as bring_up_stores
from energy_assets.resources.serving_ddl import scripts, tables_of
from energy_assets.settings import Settings, settings

SET_UP = SUPERSET / "set_up.py"
SET_UP_SECONDS = 600
FIRST_PAGE = "overview"
_MEMORY = """
create table if not exists energy_assets_set_up
    (what text primary key, sha256 text not null, set_up_at timestamptz not null default now())
"""
"""Beside Superset's own tables, so that what was set up and the memory of it are lost together."""


@dataclass(frozen=True)
class Dashboards:
    """What a person needs to open them."""

    address: str
    pages: dict[str, str]
    """Address of each page, by its title."""
    user: str
    credentials_file: Path


def bring_up(home: Home, *, port: int | None, say: Say, is_reset: bool = False) -> Dashboards:
    """Have Superset serve the pages of `dashboards/superset`; twice is once.

    With `is_reset` they are written over whatever became of them in Superset.

    Raises OperationError where it cannot, or where the settings name real servers and not the users that Superset needs there.
    """
    known_settings = settings()
    require_named_users(known_settings)
    bundle = read()
    if found := problems(bundle, tables_of(scripts())):
        raise OperationError("the dashboards do not fit the tables:\n" + "\n".join(found))
    with _only_one(home, say):
        bring_up_stores(home, say)
        ensure_installed(say)
        secrets, _ = credentials.ensure(home)
        home.superset.mkdir(mode=0o700, exist_ok=True)
        known = connections(home, known_settings)
        held = ports.remembered(home).get("superset", 0)
        if port is not None and port != held:
            _require_free(port)
        superset = Superset.of(home, port or held, known, secrets)
        is_current = bool(superset.port) and superset.is_current()
        if not is_current:
            end(home, say)
            if port is not None:
                _require_free(port)
            superset = replace(superset, port=port or ports.choose(home, "superset", say=say))
        is_imported = _set_up_once(superset, bundle, say, is_reset=is_reset)
        if not is_current:
            superset.start(say)
            ports.remember(home, superset=superset.port)
    pages = addresses(superset, bundle)
    if is_imported:
        _record_import(home, pages)
    return Dashboards(superset.address, pages, USER, home.credentials_file)


def prepared(home: Home, port: int, say: Say, *, sets_up: bool) -> Superset:
    """The Superset of a home whose stores are up, for who runs it in the foreground; with `sets_up` its tables and pages are there.

    Raises OperationError where its packages are not installed, or where a worker has no Redis to take work from.
    """
    known_settings = settings()
    require_named_users(known_settings)
    if not is_installed():
        raise OperationError("Superset is not installed here: energy-assets dashboards installs it")
    if not sets_up:
        workers_redis()
    secrets, _ = credentials.ensure(home)
    home.superset.mkdir(mode=0o700, exist_ok=True)
    superset = Superset.of(home, port, connections(home, known_settings), secrets)
    if sets_up:
        bundle = read()
        with _only_one(home, say):
            if _set_up_once(superset, bundle, say, is_reset=False):
                _record_import(home, addresses(superset, bundle))
    return superset


def import_pages(home: Home, *, say: Say) -> dict[str, str]:
    """Write the files of `dashboards/superset` over what Superset has; address of each page, by its title.

    Raises OperationError where this home has no Superset yet.
    """
    bundle, superset = read(), installed(home)
    with _only_one(home, say):
        _set_up_once(superset, bundle, say, is_reset=True)
    return addresses(superset, bundle)


def installed(home: Home) -> Superset:
    """The Superset that this home has. Raises OperationError where it has none yet."""
    port = ports.remembered(home).get("superset")
    if not port or not is_installed():
        raise OperationError(
            "this home has no Superset yet: make dashboards installs it, imports the pages and serves them"
        )
    secrets, _ = credentials.ensure(home)
    return Superset.of(home, port, connections(home, settings()), secrets)


def addresses(superset: Superset, bundle: Bundle) -> dict[str, str]:
    """Where each page is served, by its title: the overview first, the others by their names."""
    known = sorted(bundle.dashboards, key=lambda page: (page.key != FIRST_PAGE, page.key))
    return {
        page.content["dashboard_title"]: f"{superset.address}/superset/dashboard/{page.content['slug']}/"
        for page in known
    }


def _record_import(home: Home, pages: dict[str, str]) -> None:
    """Let Dagster know, as if a run had imported them."""
    from energy_assets.operations.instance import dagster_instance

    with dagster_instance(home) as instance:
        from energy_assets.assets.dashboards import imported

        for event in imported(pages):
            instance.report_runless_asset_event(event)


def require_named_users(known: Settings) -> None:
    """Raises OperationError where a real server is used and nothing says as whom Superset may use it."""
    if known.postgres_user_url and not known.superset_database_url:
        raise OperationError(
            "Superset keeps its own tables in a database of its own, which POSTGRES_URL does not name: create one "
            "(create role superset login password '…'; create database superset owner superset) and set "
            "ENERGY_SUPERSET_DATABASE_URL=postgresql://superset:…@host:port/superset"
        )
    if known.clickhouse_url and not known.clickhouse_bi_url:
        raise OperationError(
            "CLICKHOUSE_URL's user writes, and who looks at dashboards must not: create one who only reads "
            "(clickhouse_ddl/grants/bi.sql says how) and set "
            "CLICKHOUSE_BI_URL=http://bi:…@host:port/"
        )


def _require_free(port: int) -> None:
    if not ports.is_free(port):
        raise OperationError(f"port {port} is taken by another program: choose another with --port, or leave it out")


def _set_up_once(superset: Superset, bundle: Bundle, say: Say, *, is_reset: bool) -> bool:
    """Make Superset's tables, administrator and pages, unless just these were made already; whether it did.

    A page that somebody changed in Superset stays as it is until a file changes, or until it is reset.
    """
    known = catalogue(settings().language)
    pages = [(document, dump(translated(document, known))) for document in bundle.documents]
    wanted = sha256(
        *(text for _, text in pages),
        *(path.read_text(encoding="utf-8") for path in (SET_UP, LOCK)),
        superset.clickhouse_uri,
        superset.secrets.superset.admin,
        superset.secrets.superset.secret_key,
        # With workers the database is told to hand questions to them.
        *([REDIS] if settings().superset_redis_url else []),
    )
    with closing(psycopg2.connect(superset.database_url.replace("+psycopg2", "", 1))) as database:
        with database, database.cursor() as cursor:
            cursor.execute(_MEMORY)
            cursor.execute("select sha256 from energy_assets_set_up where what = 'bundle'")
            held = cursor.fetchone()
        if held == (wanted,) and not is_reset:
            return False
        say("setting up Superset's tables and pages: half a minute")
        _run_set_up(superset, pages)
        with database, database.cursor() as cursor:
            cursor.execute(
                "insert into energy_assets_set_up (what, sha256) values ('bundle', %s)"
                " on conflict (what) do update set sha256 = excluded.sha256, set_up_at = now()",
                (wanted,),
            )
    return True


def _run_set_up(superset: Superset, pages: Sequence[tuple[Document, str]]) -> None:
    with TemporaryDirectory(dir=superset.home.superset, prefix=".pages-") as directory:
        for document, text in pages:
            path = Path(directory) / document.folder / f"{document.key}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        run_script(superset, SET_UP, {"ENERGY_SUPERSET_PAGES": directory}, what="set up")


def run_script(superset: Superset, script: Path, more: Mapping[str, str], *, what: str) -> None:
    """Run a script of `dashboards/superset/` with Superset's Python. Raises OperationError, with the end of its log, where it fails."""
    told = superset.environment() | {
        "ENERGY_SUPERSET_USER": USER,
        "ENERGY_SUPERSET_PASSWORD": superset.secrets.superset.admin,
        "ENERGY_SUPERSET_CLICKHOUSE_URI": superset.clickhouse_uri,
        **more,
    }
    log = superset.set_up_log
    processes.rotate(log)
    since = log.stat().st_size
    try:
        done = subprocess.run(
            [str(PYTHON), "-P", str(script)],
            cwd=superset.home.superset,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SET_UP_SECONDS,
            check=False,
        )
        said, failure = done.stdout, f"code {done.returncode}" if done.returncode else None
    except subprocess.TimeoutExpired as late:
        said, failure = late.output or b"", f"it did not end within {SET_UP_SECONDS} s"
    with log.open("a", encoding="utf-8") as output:
        output.write(superset.without_secrets(said.decode(errors="replace")))
    if failure:
        raise OperationError(
            f"Superset could not be {what} ({failure}). Last lines of {log}:\n{processes.tail(log, since=since)}"
        )


@contextmanager
def _only_one(home: Home, say: Say) -> Iterator[None]:
    """One command at a time brings the dashboards of a home up. The lock goes with its process, however that ends."""
    home.path.mkdir(parents=True, exist_ok=True)
    with (home.path / ".dashboards.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another `energy-assets dashboards` is at work: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
