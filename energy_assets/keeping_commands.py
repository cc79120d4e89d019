"""`energy-assets backup`, `restore`, …: the commands that keep a home's data over years.

What belongs here: their arguments and printing. What does not: work (operations/keeping/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from energy_assets.console import choose_home, chosen, current, errors, is_home_named, log_to, out, say
from energy_assets.home import HomeError, acting_on

if TYPE_CHECKING:
    from energy_assets.operations.keeping.backup import Backup
    from energy_assets.operations.keeping.erasure import Erasure
    from energy_assets.operations.keeping.retention import Kept


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
        log_to(home)
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


def retention(
    apply: Annotated[
        bool, typer.Option("--apply", help="Drop what is past its period. Default: show what would go.")
    ] = False,
) -> None:
    """Show what each table holds, a day of it and in all, how long it is needed, and what ENERGY_RETENTION_DAYS lets go."""
    from energy_assets.operations.keeping.retention import apply as drop
    from energy_assets.operations.keeping.retention import kept_by, landed_files, served_by

    with errors(), acting_on(current()) as home:
        kept, served = kept_by(home), served_by(home)
        *tables, landing = kept
        print_kept("Postgres and parts", tables)
        print_kept("ClickHouse", served)
        files = landed_files(home, landing)
        if files:
            out.print(
                f"landing  {len(files):,} files that were read, {sum(f.stat().st_size for f in files) / 1e6:,.1f} MB"
            )
        going = sum(held.bytes for table in (*tables, *served) for held in table.going)
        if not apply:
            spare = [table for table in tables if table.is_made_anew and table.not_needed]
            told = ", ".join(f"{table.name} {table.not_needed / 1e6:,.1f} MB" for table in spare)
            if told:
                out.print(f"older than anybody reads, and made anew from parts where asked for: {told}")
            out.print(
                f"{going / 1e6:,.1f} MB would go: energy-assets retention --apply"
                if going or files
                else "nothing is past its period; ENERGY_RETENTION_DAYS and ENERGY_SERVING_RETENTION_DAYS name periods"
            )
            return
        gone = drop(home, say)
        out.print(f"dropped {gone / 1e6:,.1f} MB")


def erase_customer(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER_ID", help="As in the register of meters.")],
    reason: Annotated[
        str, typer.Option(help="Why; kept with the tombstone, without the name.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Default: list what would be touched.")] = False,
) -> None:
    """Erase a customer from tables, parts, delivered files, logs and backups; what stays is a tombstone that names nobody."""
    from energy_assets.operations.keeping.erasure import erase, look

    with errors(), acting_on(current()) as home:
        found = erase(home, customer, reason=reason, say=say) if yes else look(home, customer)
        print_erasure(found, is_done=yes)


def print_erasure(found: Erasure, *, is_done: bool) -> None:
    held = found.held
    for period in held.periods:
        days = (
            f"{period.first_day or 'the first day'} … {'before ' + str(period.end_day) if period.end_day else 'today'}"
        )
        out.print(f"meter    {'' if is_done else period.meter + '  '}{days}", markup=False)
    for table, count in sorted(found.rows.items()):
        out.print(f"rows     {count:>9,}  {table}", markup=False)
    out.print(f"rows     {found.part_rows:>9,}  parts, in {found.part_files:,} files")
    for path in found.landed:
        out.print(
            f"file     {path}, removed: what else it held is in parts" if is_done else f"file     {path}", markup=False
        )
    for path in found.left:
        out.print(f"left     {path} names the customer: not read yet, or of an unknown form", markup=False)
    for path in found.backups:
        out.print(f"backup   {path}{' removed' if is_done else ' would be removed'}", markup=False)
    for path in found.new_backups:
        out.print(f"backup   {path} made in its place", markup=False)
    if is_done:
        out.print(f"reworded {found.reworded:,} rows and files that named the customer in words")
        out.print("stays    energy of transformers and areas, load profiles and models: they name nobody")
        out.print(
            "         a balance that is computed again of these days lacks the customer's energy, and shows it as lost"
        )
        out.print("→ copies that left this home (backups elsewhere, exported lists, sheets) are yours to remove")
    else:
        out.print(
            "also, where they name the customer: events and checks of Dagster, Superset's tables and cache, logs, Data Docs"
        )
        out.print('nothing was changed  → energy-assets erase-customer CUSTOMER_ID --reason "…" --yes')


def print_kept(title: str, kept: list[Kept]) -> None:
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column("")
    for heading in ("days", "MB", "MB a day", "least to keep", "kept", "going", "MB"):
        table.add_column(heading, justify="right")
    table.add_column("read back by")
    for entry in kept:
        if entry.days:
            going = entry.going
            table.add_row(
                entry.name,
                f"{len(entry.days):,}",
                f"{entry.bytes / 1e6:,.1f}",
                f"{entry.bytes_a_day / 1e6:,.2f}",
                f"{entry.need.days}" if entry.need.days else "",
                f"{entry.period}" if entry.period else "all",
                f"{len(going):,}" if going else "",
                f"{sum(held.bytes for held in going) / 1e6:,.1f}" if going else "",
                entry.need.reader if entry.need.days else "",
            )
    table.add_row(
        "all", "", f"{sum(e.bytes for e in kept) / 1e6:,.1f}", f"{sum(e.bytes_a_day for e in kept) / 1e6:,.2f}"
    )
    out.print(table)


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


def access(
    lines: Annotated[int, typer.Option("-n", min=1, help="Last lines to show.")] = 50,
    queries: Annotated[bool, typer.Option(help="With what readers asked ClickHouse.")] = True,
) -> None:
    """Show who gave which command that shows or changes what is about people, and who asked ClickHouse what."""
    from energy_assets.access import noted

    with errors():
        table = Table(box=None, pad_edge=False)
        for heading in ("at (UTC)", "user", "command", "arguments"):
            table.add_column(heading)
        for entry in noted(current(), lines, with_queries=queries):
            table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", escape(entry.user), entry.command, escape(entry.arguments))
        out.print(table)


def who(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As pages show it: of a meter, a customer or a case.")],
) -> None:
    """Say which meter or customer is served under a key (ENERGY_PSEUDONYMISE)."""
    from energy_assets.operations.keeping.serve import identifier_of

    with errors():
        out.print(identifier_of(current(), key), markup=False)


KEEPING_COMMANDS = (backup, restore, retention, erase_customer, access, who)
