"""What every command of the command line shares: where it prints, the home that it acts on, and errors in words.

What belongs here: consoles, the chosen home, known errors as one message with its remedy. What does not: commands (cli.py, case_commands.py).
"""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from energy_assets import home as homes
from energy_assets.home import Home, HomeError

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

# A pipe has no width of its own: tables keep their columns whole there.
# Names of files and columns may look like `:emoji:`.
out = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 240)
err = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)

EXIT_FAILED = 1
EXIT_RED = 3

DayArgument = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")]

_chosen: dict[str, str] = {}
_noted: list[Home] = []
"""The home whose access log this command stands in already."""
logger = logging.getLogger("energy_assets.cli")


class Language(StrEnum):
    en = "en"
    fr = "fr"


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"


def choose_home(name: str) -> None:
    """Let the command act on this home, a name or a path, instead of the current one."""
    _chosen["home"] = name


def is_home_named() -> bool:
    """Whether the command line names a home."""
    return "home" in _chosen


def chosen() -> Home:
    """The home that --home names, which may be still to make; else the current one. Raises HomeError where there is none."""
    return homes.named(_chosen["home"]) if "home" in _chosen else homes.current()


def current() -> Home:
    """The home to act on. Raises HomeError where it was never made."""
    home = chosen()
    if not home.exists():
        names = ", ".join(known.name for known in homes.all_homes()) or "none yet"
        raise HomeError(
            f"there is no home {home.name} at {home.path}; there are: {names}\n"
            f"→ energy-assets --home {_chosen['home']} ingest DIR makes it"
        )
    log_to(home)
    return home


def log_to(home: Home) -> None:
    """Let this command's messages go to the home's log too."""
    from energy_assets.access import loggable, note
    from energy_assets.logs import configure
    from energy_assets.settings import log_level

    if not _noted:
        _noted.append(home)
        try:
            note(home, sys.argv[1:])
        except OSError as error:  # a full disk is no reason to refuse the command that looks into it
            say(f"the access log cannot be written: {error.filename}: {error.strerror}")
    if configure(home, log_level()):
        logger.info("energy-assets %s", shlex.join(loggable(sys.argv[1:])))


def current_or_new() -> Home:
    """The home to bring data into: the chosen or current one, else `utility`."""
    try:
        home = chosen()
    except HomeError:
        return homes.named("utility")
    if home.exists():
        log_to(home)
    return home


def warehouse() -> Warehouse:
    import os

    from energy_assets.resources.warehouse import Warehouse

    home = current()
    os.environ["ENERGY_HOME"] = str(home.path)
    return Warehouse(home=str(home.path))


def say(line: str) -> None:
    err.print(line, markup=False)


@contextmanager
def errors() -> Iterator[None]:
    """Known errors become one message with its remedy and exit code 1; anything else is a defect and shows its trace."""
    from clickhouse_connect.driver.exceptions import OperationalError as ClickHouseDown
    from psycopg2 import OperationalError as PostgresDown
    from pydantic import ValidationError
    from pydantic_settings import SettingsError
    from sqlalchemy.exc import OperationalError as DagsterStorageDown

    from energy_assets.dashboards.bundle import BundleError
    from energy_assets.embedded.errors import StoreError
    from energy_assets.landing.files import DeliveryError
    from energy_assets.landing.mapping import MappingError
    from energy_assets.landing.scan import ScanError
    from energy_assets.operations.errors import OperationError
    from energy_assets.resources.serving_schema import SchemaError

    try:
        yield
    except typer.Exit as ended:
        if ended.exit_code:
            logger.warning("ended with exit code %d", ended.exit_code)
        raise
    except (
        HomeError,
        StoreError,
        DeliveryError,
        MappingError,
        ScanError,
        OperationError,
        SchemaError,
        BundleError,
    ) as error:
        fail(str(error), error)
    except ValidationError as error:
        fail(
            "\n".join(f"{variable_of(e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()),
            error,
        )
    except SettingsError as error:
        fail(no_json(error), error)
    except (PostgresDown, ClickHouseDown, DagsterStorageDown) as error:
        fail_if_disk_is_full(error)
        first = str(error).strip().splitlines()[0]
        fail(f"a store does not answer: {first}\n→ {remedy_of_store(error)}; energy-assets doctor looks closer", error)
    except OSError as error:
        fail_if_disk_is_full(error)
        if not error.filename:
            logger.exception("a defect")
            raise
        fail(
            f"{error.filename}: {error.strerror}\n→ see that this path is there, yours to use, and the disk not full",
            error,
        )
    except Exception as error:
        fail_if_disk_is_full(error)
        fail_if_role_may_not(error)
        fail_if_nothing_is_parsed(error)
        logger.exception("a defect")
        raise


def fail_if_disk_is_full(error: Exception) -> None:
    """Say so, with the disk's place, where that is what `error` is about."""
    from energy_assets import full_disk

    if not full_disk.is_full_disk(error):
        return
    try:
        home = chosen()
    except HomeError:
        home = None
    fail(full_disk.message(error, home), error)


def fail_if_role_may_not(error: Exception) -> None:
    """Say so where a Postgres of the operator's refuses the user that POSTGRES_URL names; of an embedded one it is a defect."""
    from psycopg2.errors import InsufficientPrivilege

    from energy_assets.embedded.bootstrap import OWN_THE_SCHEMAS
    from energy_assets.settings import settings

    refused = error if isinstance(error, InsufficientPrivilege) else getattr(error, "orig", None)
    if isinstance(refused, InsufficientPrivilege) and settings().postgres_user_url:
        first = str(refused).strip().splitlines()[0]
        fail(f"POSTGRES_URL's user may not do this: {first}\n→ {OWN_THE_SCHEMAS}", error)


def fail_if_nothing_is_parsed(error: Exception) -> None:
    """Say so where dbt's manifest was removed, as `make clean` does; told by name, for importing dagster_dbt takes a second of every command."""
    if type(error).__name__ == "DagsterDbtManifestNotFoundError":
        fail(
            f"{error} It is made by `make install`, and removed by `make clean` and `make dbt-clean`\n→ make install, then again",
            error,
        )


def no_json(error: ValueError) -> str:
    """What is said of a setting of several values that is no JSON: pydantic names its field, and gives the place as the cause."""
    field = re.search(r'field "(\w+)"', str(error))
    variable = variable_of((field[1],)) if field else "a setting"
    return f"{variable}: is no JSON ({error.__cause__}): write it in single quotes, as docs/keeping-data.md and energy_assets/settings.py show it"


def variable_of(loc: tuple[int | str, ...]) -> str:
    """The environment variable that pydantic's place of an error is about; the stores' addresses have names of their own."""
    name = "_".join(map(str, loc)).upper()
    return (
        name
        if name in ("POSTGRES_URL", "POSTGRES_ADMIN_URL", "CLICKHOUSE_URL", "CLICKHOUSE_BI_URL")
        else f"ENERGY_{name}"
    )


def remedy_of_store(error: Exception) -> str:
    """What to do about a store that does not answer: an embedded one is started, a real one looked after by others."""
    from clickhouse_connect.driver.exceptions import OperationalError as ClickHouseDown

    from energy_assets.settings import settings

    name = "CLICKHOUSE_URL" if isinstance(error, ClickHouseDown) else "POSTGRES_URL"
    is_real = getattr(settings(), name.lower())
    if is_real:
        return f"see to the server that {name} names, or correct or unset that"
    of_home = f" --home {_chosen['home']}" if "home" in _chosen else ""
    return f"energy-assets{of_home} up, then again"


def fail(message: str, error: Exception, heading: str = "error") -> NoReturn:
    logger.error(message)
    err.print(f"[red]{heading}[/]", end=" ")
    err.print(message, markup=False)
    raise typer.Exit(EXIT_FAILED) from error


def print_rows(names: list[str], rows: Sequence[tuple[Any, ...]], format: Format) -> None:
    import csv
    import json

    if format is Format.json:
        out.print_json(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str))
    elif format is Format.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows(rows)
    else:
        table = Table(box=None, pad_edge=False)
        for name in names:
            table.add_column(name)
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row))
        out.print(table)
