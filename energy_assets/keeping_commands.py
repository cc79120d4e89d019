"""`energy-assets backup`, `restore`, …: the commands that keep a home's data over years.

What belongs here: their arguments and printing. What does not: work (operations/keeping/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from energy_assets.console import choose_home, chosen, current, errors, is_home_named, out, say
from energy_assets.home import HomeError

if TYPE_CHECKING:
    from energy_assets.operations.keeping.backup import Backup


def backup(
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Default: `backups` beside the home.", show_default=False),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Afterwards remove all but so many of this home there.", show_default=False),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Make none: list those that the home knows.")] = False,
) -> None:
    """Copy the whole home, as of one moment: runs that go on are waited for, and others wait while Postgres is read."""
    from energy_assets.operations.keeping.backup import backup as make
    from energy_assets.operations.keeping.backup import keep_newest, known_backups

    with errors():
        home = current()
        if listed:
            print_backups(known_backups(home))
            return
        made = make(home, to, say=say)
        told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in made.manifest.seconds.items())
        out.print(f"backup   {made.path}", markup=False)
        out.print(
            f"holds    {made.manifest.rows:,} rows, {len(made.manifest.files):,} files, {made.manifest.bytes / 1e6:,.1f} MB ({told})"
        )
        out.print(f"→ energy-assets restore {made.path} --home NAME", markup=False)
        for path in keep_newest(home, to, keep) if keep else ():
            out.print(f"removed  {path}", markup=False)


def restore(
    archive: Annotated[
        Path, typer.Argument(metavar="FILE_OR_FOLDER", help="A backup's folder, or a tar of it.", show_default=False)
    ],
    home_name: Annotated[
        str | None,
        typer.Option("--home", metavar="NEW", help="Home to make: a name or a path; it must be empty."),
    ] = None,
) -> None:
    """Make a home of a backup: every hash is checked before and after, and nothing is written over."""
    from energy_assets.operations.keeping.restore import make_current
    from energy_assets.operations.keeping.restore import restore as make

    with errors():
        if home_name:
            choose_home(home_name)
        if not is_home_named():
            raise HomeError("which home shall it become? give --home NEW, a name or a path")
        home = chosen()
        restored = make(archive, home, say=say)
        known = restored.manifest
        out.print(f"restored {home.path}, as it was at {known.created_at:%Y-%m-%d %H:%M} UTC", markup=False)
        out.print(
            f"holds    {known.rows:,} rows, each table as it was; {restored.served_days:,} days of tables copied to ClickHouse"
        )
        if restored.unfinished_runs:
            out.print(f"runs     {restored.unfinished_runs} that had not ended are noted as failed, or forgotten")
        for name, (then, now) in restored.other_settings.items():
            out.print(f"differs  ENERGY_{name.upper()} was {then}, here it is {now}", markup=False)
        is_current = make_current(home)
        out.print(f"→ energy-assets {'' if is_current else f'--home {home.name} '}up", markup=False)


def print_backups(known: list[Backup]) -> None:
    if not known:
        out.print("no backup is known  → energy-assets backup")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("made at (UTC)", "through", "rows", "MB", "by", "where"):
        table.add_column(heading, justify="right" if heading in ("rows", "MB") else "left")
    for entry in known:
        told = entry.manifest
        table.add_row(
            f"{told.created_at:%Y-%m-%d %H:%M}",
            told.last_day or "no day",
            f"{told.rows:,}",
            f"{told.bytes / 1e6:,.1f}",
            told.made_by,
            str(entry.path),
        )
    out.print(table)


KEEPING_COMMANDS = (backup, restore)
