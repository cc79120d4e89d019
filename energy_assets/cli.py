"""`energy-assets`: the command line. Thin: every command calls one function of operations/ or embedded/ and prints.

What belongs here: arguments, printing, exit codes. What does not: work.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from energy_assets import home as homes
from energy_assets.access import user
from energy_assets.case_commands import case_app, cases, explain, performance, sheet
from energy_assets.console import (
    EXIT_FAILED,
    EXIT_RED,
    DayArgument,
    Format,
    choose_home,
    chosen,
    current,
    current_or_new,
    err,
    errors,
    fail,
    out,
    print_rows,
    say,
    warehouse,
)
from energy_assets.home import DEFAULT_TIMEZONE, Calendar, Home, HomeError
from energy_assets.keeping_commands import KEEPING_COMMANDS
from energy_assets.part_commands import PART_COMMANDS

if TYPE_CHECKING:
    from energy_assets.landing.scan import ScanReport
    from energy_assets.operations.balance import Balance, Truth
    from energy_assets.operations.demo import DemoReport
    from energy_assets.operations.demo_visits import Visited
    from energy_assets.operations.forecast import Foretold
    from energy_assets.operations.runs import Progress, RangeOutcome, Runner
    from energy_assets.operations.theft import JudgedList
    from energy_assets.resources.deliveries import Delivery

OBJECTS_A_LOOK = 20_000
"""New objects after which Python's collector looks for cycles. By default it does after 700, so that it goes many times over the 600,000 that imports
leave: 2.0 of the 18 processor seconds of a day of 60 meters, 0.7 so."""

app = typer.Typer(
    help="Find the energy that an electricity utility loses: readings in, energy balances and cases out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def choose(
    home: Annotated[
        str | None, typer.Option(help="Home to act on, instead of the current one: a name or a path.")
    ] = None,
) -> None:
    """Find the energy that an electricity utility loses: readings in, energy balances and cases out."""
    gc.set_threshold(OBJECTS_A_LOOK, *gc.get_threshold()[1:])
    # The collector would look through all that was imported once more before the process ends, 1.5 s after a day's run.
    atexit.register(gc.freeze)
    # What a command writes, and whatever it starts, is about customers: it is for its user alone.
    os.umask(0o077)
    # Its errors are raised as well: one message is enough.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    # What is logged is also printed, in words for people: Python's last resort would print it again.
    logging.getLogger("energy_assets").addHandler(logging.NullHandler())
    if home:
        choose_home(home)


mapping_app = typer.Typer(help="Dialects of delivered files.", no_args_is_help=True)
app.add_typer(mapping_app, name="mapping")
app.command()(cases)
app.command()(explain)
app.command()(sheet)
app.command()(performance)
app.add_typer(case_app, name="case")
for command in (*KEEPING_COMMANDS, *PART_COMMANDS):
    app.command()(command)


SelectOption = Annotated[
    str | None,
    typer.Option(
        help="Assets, comma-separated: schema/table, or a schema for all of it; quality is every gate. Default: the whole chain.",
        show_default=False,
    ),
]


class DataFormat(StrEnum):
    parquet = "parquet"
    csv = "csv"


class Store(StrEnum):
    postgres = "postgres"
    clickhouse = "clickhouse"


@app.command()
def up() -> None:
    """Start the stores of the current home; what runs already is left alone."""
    from energy_assets.operations.stores import bring_up

    with errors():
        home = current()
        bring_up(home, say, may_name_again=True)
        print_status(home)


@app.command()
def down(every: Annotated[bool, typer.Option("--all", help="Stop everything of every home.")] = False) -> None:
    """Stop the stores, and the UI and the dashboards that run on them. Nothing is lost: `up` starts them again."""
    from energy_assets.embedded import supervisor
    from energy_assets.operations.dashboards.service import end as end_dashboards
    from energy_assets.operations.ui import end as end_ui

    with errors():
        for home in homes.all_homes() if every else [current()]:
            ended = [("the UI", end_ui(home, say)), ("Superset", end_dashboards(home, say))]
            stopped = [name for name, ran in ended if ran] + supervisor.down(home, say=say)
            out.print(
                f"{home.name}: stopped {' and '.join(stopped)}" if stopped else f"{home.name}: nothing was running"
            )


@app.command()
def status() -> None:
    """Show the stores of the current home."""
    with errors():
        print_status(current())


@app.command()
def logs(
    name: Annotated[
        str,
        typer.Argument(
            help="postgres, clickhouse, webserver, daemon, code-server, docs, dbt-docs; events: everything, as JSON"
        ),
    ] = "postgres",
    lines: Annotated[int, typer.Option("-n", help="Last lines to show.")] = 50,
) -> None:
    """Show the end of a program's log."""
    from collections import deque

    with errors():
        home = current()
        written = {path.stem: path for path in home.logs.glob("*") if path.suffix in (".log", ".jsonl")}
        log = written.get(name)
        if log is None:
            known = ", ".join(sorted(written)) or "none yet"
            raise HomeError(f"{name} has no log in home {home.name}: there are {known}")
        with log.open(errors="replace") as handle:
            for line in deque(handle, maxlen=lines):
                out.print(line.rstrip(), markup=False)


@app.command()
def doctor() -> None:
    """Look at the machine and the home, and name the remedy for whatever is wrong."""
    from energy_assets.embedded.doctor import doctor as examine
    from energy_assets.operations.served_tables import served_table_findings

    with errors():
        try:
            home = chosen()
        except HomeError:
            home = homes.named("demo")
        findings = [*examine(home), *served_table_findings(home)]
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        for finding in findings:
            out.print(f"[{colours[finding.level]}]{finding.level:<5}[/] {escape(f'{finding.name}: {finding.what}')}")
            if finding.remedy:
                out.print(f"      → {finding.remedy}", markup=False)
        if any(finding.level == "fail" for finding in findings):
            raise typer.Exit(EXIT_FAILED)


@app.command()
def ui(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page; remembered when not given.")
    ] = None,
) -> None:
    """Serve Dagster's page and run its sensors and schedules, until interrupted."""
    from energy_assets.operations.stores import bring_up
    from energy_assets.operations.ui import serve
    from energy_assets.resources.due import red_gates
    from energy_assets.resources.why import red_gate_lines

    with errors():
        home = current()
        bring_up(home, say)

        def ready(page: str, docs: str) -> None:
            out.print(f"{home.name}: {page}  (Ctrl-C stops it)")
            for line in red_gate_lines(red_gates(warehouse()), page):
                out.print(line, markup=False, soft_wrap=True)
            out.print(f"Data Docs, dbt docs: {docs}")

        serve(home, port=port, say=say, ready=ready)


@app.command()
def dashboards(
    end: Annotated[bool, typer.Option("--down", help="Stop Superset; the stores go on.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the pages; remembered when not given.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Write the pages over what was changed in Superset.")] = False,
    export: Annotated[
        bool, typer.Option("--export", help="Write what was changed in Superset into the files.")
    ] = False,
) -> None:
    """Serve the dashboards with Superset, in the background; installs and sets up what is missing."""
    from energy_assets.operations.dashboards.bring_up import bring_up
    from energy_assets.operations.dashboards.service import end as end_dashboards

    with errors():
        home = current()
        if end:
            out.print(f"{home.name}: {'stopped Superset' if end_dashboards(home, say) else 'no Superset was running'}")
            return
        if export:
            from energy_assets.operations.dashboards.export import export as export_pages

            for line in export_pages(home) or ["the files hold what Superset has"]:
                out.print(line, markup=False)
            return
        served = bring_up(home, port=port, say=say, is_reset=reset)
        for title, address in served.pages.items():
            out.print(f"{title}  {address}", markup=False)
        out.print(f"user {served.user}, password: [superset] admin in {served.credentials_file}", markup=False)
        out.print("stop it: make dashboards-down, or with everything else: make down", markup=False)


@app.command()
def metrics(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to serve on; remembered when not given.")
    ] = None,
) -> None:
    """Serve the home's metrics to Prometheus, until interrupted; the stores may come and go meanwhile."""
    from energy_assets.monitoring.server import serve

    with errors():
        home = current()

        def ready(address: str) -> None:
            out.print(f"{home.name}: {address}  (Ctrl-C stops it)")

        serve(home, port=port, say=say, ready=ready)


@app.command()
def simulate(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder to write the landing sources and truth/ to.")],
    meters: Annotated[int, typer.Option(min=1)] = 100,
    days: Annotated[int, typer.Option(min=1)] = 30,
    seed: Annotated[int, typer.Option(help="The same seed writes the same files.")] = 1,
    theft_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of meters that steal at some time.")] = 0.05,
    transformers: Annotated[
        int | None, typer.Option(min=1, help="Default: one for about 25 meters.", show_default=False)
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option(help="Steal in this way only; may be repeated. Default: in every way.")
    ] = None,
    look_alikes: Annotated[bool, typer.Option(help="Vacancy, wrong multipliers, drifting clocks, …")] = True,
    defects: Annotated[bool, typer.Option(help="Missing, late, repeated, spoiled readings.")] = True,
    data_format: Annotated[DataFormat, typer.Option("--format")] = DataFormat.parquet,
    first_day: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="First day to write.", show_default="2024-01-01"),
    ] = datetime(2024, 1, 1),
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="The fleet's first day, to write later days of the same fleet. Default: the first day to write.",
            show_default=False,
        ),
    ] = None,
    horizon: Annotated[
        int, typer.Option(min=1, help="Thefts and look-alikes begin within so many days of the fleet's first.")
    ] = 60,
    timezone: Annotated[str, typer.Option(help="Zone of the utility's days.")] = DEFAULT_TIMEZONE,
) -> None:
    """Write what the utility of an invented city would deliver, and beside it the truth: who steals, how, since when."""
    from energy_assets.simulation import SimulationError
    from energy_assets.simulation import simulate as write

    with errors(), day_bar() as progress:
        try:
            paths = write(
                meters=meters,
                days=days,
                seed=seed,
                out=out_dir,
                first_day=first_day.date(),
                timezone=timezone,
                transformers=transformers,
                theft_rate=theft_rate,
                attacks=attack,
                look_alikes=look_alikes,
                with_defects=defects,
                since=since.date() if since else None,
                horizon_days=horizon,
                format=data_format.value,
                progress=progress,
            )
        except SimulationError as error:
            fail(str(error), error)
    out.print(
        f"{len(paths)} days of {meters} meters below {out_dir}; the truth is in {out_dir / 'truth'}", markup=False
    )


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Your own folder of deliveries, or one file; without it a fleet is simulated.")
    ] = None,
) -> None:
    """Do the whole job once: readings in, gates, scores, served tables, and a summary."""
    from energy_assets.operations.demo import run_demo

    with errors():
        report = run_demo(data, say=say, progress=progress_bar)
        print_demo(report)


@app.command()
def evaluate(
    readings: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="CSV, CSV.gz or Parquet: meter_id, reading_at (or reading_date), consumption_kwh; or a line for each meter"
            " with a column for each date.",
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="meter_id, is_theft and, where known, onset_date. Default: the readings' file, where it has a column"
            " is_theft or FLAG.",
            show_default=False,
        ),
    ] = None,
    meters: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="meter_id, transformer_id, and where known customer_id, customer_class."),
    ] = None,
    transformer_readings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="transformer_id, reading_at, energy_kwh: with --meters.")
    ] = None,
    out_dir: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for evaluation.md and evaluation.csv.")
    ] = Path("evaluation"),
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone of days, for instants with an offset from UTC; local times are taken as they are."
            " Default: ENERGY_TIMEZONE, else Africa/Douala.",
            show_default=False,
        ),
    ] = None,
    technical_loss_share: Annotated[
        float | None,
        typer.Option(
            min=0, max=0.5, help="Share of its energy that a transformer loses. Default: fitted.", show_default=False
        ),
    ] = None,
    every_method: Annotated[
        bool, typer.Option("--every-method", help="Also those that take long with many meters.")
    ] = False,
) -> None:
    """Judge theft detection on your own labelled readings: all methods beside each other, in a table."""
    from energy_assets.operations.evaluate import Files, markdown, save
    from energy_assets.operations.evaluate import evaluate as judge
    from energy_assets.settings import settings

    with errors():
        found = judge(
            Files(readings, labels, meters, transformer_readings),
            timezone=timezone or settings().timezone or DEFAULT_TIMEZONE,
            country=settings().holidays,
            technical_loss_share=technical_loss_share,
            assumed_loss_share=settings().technical_loss_share,
            every_method=every_method,
            say=say,
        )
        out.print(markdown(found), markup=False)
        for path in save(found, out_dir):
            say(f"wrote {path}")


@app.command()
def ingest(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of deliveries, or one file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")] = False,
    historical: Annotated[
        bool, typer.Option(help="A new home's days end with the data's: no schedule asks for more.")
    ] = False,
) -> None:
    """Deliver a folder into the home and run the days it touches."""
    from energy_assets.operations.ingest import ingest as bring_in
    from energy_assets.operations.ingest import look

    with errors():
        home = current_or_new()
        if dry_run:
            print_scan(look(directory, home))
            out.print("nothing was written")
            return
        with progress_bar() as progress:
            ingested = bring_in(directory, home, is_historical=historical, say=say, progress=progress)
        for outcome in ingested.outcomes:
            print_outcome(outcome)
        print_verdicts(home)
        exit_if_incomplete(ingested.outcomes)


@app.command()
def materialize(
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Default: the newest with rows.", show_default=False
        ),
    ] = None,
    select: SelectOption = None,
) -> None:
    """Run one day, from raw to ClickHouse, or a part of it."""
    with errors(), running() as runner:
        of = day.date() if day else runner.newest_day()
        run_window(runner, of, of, select)


@app.command()
def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")],
    select: SelectOption = None,
) -> None:
    """Run a range of days in chunks; red days are listed, the others go on. Exit code 3 where a day is red."""
    with errors(), running() as runner:
        run_window(runner, first.date(), last.date(), select)


@app.command()
def deliveries(
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Default: 30 days back."),
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Default: the last day.")
    ] = None,
) -> None:
    """Show what arrived, day by day and source by source: arrived, late, missing."""
    from energy_assets.days import ONE_DAY, DayWindow
    from energy_assets.resources.deliveries import deliveries as delivered
    from energy_assets.resources.deliveries import recent_days
    from energy_assets.resources.ledger import unreadable_files

    with errors():
        calendar = current().calendar()
        end = last.date() + ONE_DAY if last else recent_days(calendar).end
        if end <= calendar.first_day:
            raise HomeError(f"home {current().name} has no day before {calendar.first_day}: give a later --to")
        start = first.date() if first else recent_days(replace(calendar, last_day=end - ONE_DAY)).start
        if start >= end:
            raise HomeError(f"{start} is after {end - ONE_DAY}: give --from a day that is not after --to")
        store = warehouse()
        known = delivered(store, DayWindow(start, end), calendar)
        if not known:
            out.print("nothing was delivered yet  → energy-assets ingest DIR")
            return
        print_deliveries(known, calendar)
        for file in unreadable_files(store):
            out.print(f"unreadable  {file.path}: {file.message}", markup=False)


@app.command()
def why(
    day: DayArgument, table: Annotated[str | None, typer.Argument(help="One table; default: every closed gate.")] = None
) -> None:
    """Say why a day is red: which file, row and gate, and the next command."""
    from energy_assets.resources.why import explain

    with errors():
        require_gated(table)
        explained = explain(warehouse(), day.date(), table)
        for entry in explained:
            out.print(entry.text(), markup=False)
        if not explained:
            require_day(day.date())
            out.print(f"{day.date()}: no gate is closed" + (f" ({table} was never written)" if table else ""))


@app.command()
def accept(
    day: DayArgument,
    table: Annotated[str, typer.Argument()],
    reason: Annotated[str, typer.Option(help="Why the day may be used as it is; recorded with your name.")],
) -> None:
    """Take a red day as it is. It holds for the day as judged: a rewrite is judged anew."""
    from energy_assets.resources.gates import accept as record

    with errors():
        require_gated(table)
        try:
            state = record(warehouse(), table, day.date(), reason=reason, accepted_by=user())
        except ValueError as error:
            raise HomeError(str(error)) from error
        out.print(f"accepted {table} of {state.day}, version {state.version}, by {user()}")
        out.print("→ the due-days sensor goes on by itself under `energy-assets ui`; or: energy-assets resume")


@app.command()
def resume() -> None:
    """Land what waits and run every day that the graph owes, once."""
    from energy_assets.operations.ingest import run_due

    with errors(), running() as runner:
        runner.land()
        outcomes = run_due(runner)
        for outcome in outcomes:
            print_outcome(outcome)
        if not outcomes:
            out.print("nothing is owed")
        exit_if_incomplete(outcomes)


@app.command()
def retract(
    file: Annotated[str, typer.Argument(help="Path below the landing zone, or the first 8 characters of its sha256.")],
    reason: Annotated[str, typer.Option(help="Why it is withdrawn; recorded with your name.")] = "withdrawn by hand",
    undo: Annotated[bool, typer.Option("--undo", help="Let a withdrawn file count again.")] = False,
) -> None:
    """Withdraw a landed file: its rows leave every table, the file and the record stay.

    The same content stays withdrawn however often it is delivered, until --undo.
    """
    from energy_assets.resources import ledger

    with errors():
        try:
            if undo:
                days = ledger.restore(warehouse(), file)
            else:
                days = ledger.retract(warehouse(), file, reason=f"{reason} ({user()})")
        except ledger.RetractionError as error:
            raise HomeError(str(error)) from error
        out.print(
            f"{'restored' if undo else 'withdrew'} {file}: {len(days)} days are owed"
            + (f", {days[0]} … {days[-1]}" if days else "")
        )
        out.print("→ the due-days sensor goes on by itself under `energy-assets ui`; or: energy-assets resume")


@app.command("alert-test")
def alert_test() -> None:
    """Send a test message over each alert channel that the settings name, and say which took it."""
    from energy_assets.operations.alerts import send_test

    with errors():
        deliveries = send_test(current())
        for delivery in deliveries:
            out.print(delivery.text(), markup=False)
        if not all(delivery.is_sent for delivery in deliveries):
            raise typer.Exit(EXIT_FAILED)


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One statement; the connection cannot write.")],
    store: Annotated[Store, typer.Option()] = Store.postgres,
    format: Annotated[Format, typer.Option()] = Format.table,
) -> None:
    """Ask a store, read-only."""
    from energy_assets.operations.query import query as ask

    with errors():
        names, rows = ask(current(), store.value, query)
        print_rows(names, rows, format)


@app.command("data-docs")
def data_docs(
    day: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Show this day besides, until the next run builds them again.",
        ),
    ] = None,
) -> None:
    """Build Great Expectations' pages of the newest verdicts and the red ones anew, and say where they are."""
    from energy_assets.links import reachable_data_docs
    from energy_assets.resources.data_docs import build

    with errors():
        home = current()
        build(warehouse(), anew=True, asked=(day.date(),) if day else ())
        if day and not list(home.data_docs.glob(f"days/*/{day.date()}.html")):
            require_day(day.date())
            raise HomeError(f"{day.date()} was never judged  → energy-assets materialize --day {day.date()}")
        out.print(reachable_data_docs(home) or "no day was judged yet: there is nothing to show", markup=False)


@app.command("dbt-docs")
def dbt_docs() -> None:
    """Build dbt's documentation of models, columns and tests, and say where it is."""
    from energy_assets.links import reachable_dbt_docs
    from energy_assets.operations.dbt_docs import build

    with errors():
        home = current()
        build(home)
        out.print(reachable_dbt_docs(home), markup=False)


@mapping_app.command("new")
def mapping_new(
    file: Annotated[Path, typer.Argument(help="A delivered file that no mapping fits.")],
    save: Annotated[bool, typer.Option("--save", help="Put the draft into the home's mappings.")] = False,
) -> None:
    """Draft a mapping for an unknown file, say what each line rests on, and show what the file would become."""
    from energy_assets.operations.mappings import new_mapping

    with errors():
        home = current_or_new()
        tried = new_mapping(file, home, save=save)
        out.print(tried.draft.text, markup=False)
        print_scan(tried.report)
        out.print(
            f"saved {tried.saved}: check its lines  → energy-assets ingest {file}"
            if tried.saved
            else f"nothing was written  → again with --save, which puts it into {home.mappings}",
            markup=False,
        )


@app.command("propose-suite")
def propose_suite(
    table: Annotated[str, typer.Argument(help="schema.table; a gated table needs no schema.")],
    days: Annotated[int, typer.Option(min=1, max=31, help="Newest days to look at.")] = 7,
) -> None:
    """Propose a Great Expectations suite from what a table's newest days hold. Writes nothing but the proposal."""
    from energy_assets.keys import GATED
    from quality_suites.propose import ProposalError, profile, proposal

    with errors():
        schema, _, name = table.rpartition(".")
        if not (schema or name in GATED):
            raise HomeError(f"which schema is {table} in? give schema.table; gated tables are {', '.join(GATED)}")
        try:
            seen = profile(warehouse().rows, schema or GATED[name], name, days=days)
        except ProposalError as error:
            raise HomeError(str(error)) from error
        out.print(proposal(seen), markup=False)


def run_window(runner: Runner, first: date, last: date, select: str | None) -> None:
    outcome = runner.backfill(runner.window(first, last), runner.keys(select) if select else None)
    print_outcome(outcome)
    exit_if_incomplete([outcome])


@contextmanager
def running() -> Iterator[Runner]:
    """A runner of the current home, whose stores are started where they are not."""
    from energy_assets.operations.runs import Runner
    from energy_assets.operations.stores import bring_up

    home = current()
    bring_up(home, say)
    runner = Runner(home, say=say)
    try:
        with progress_bar() as runner.progress, runner:
            yield runner
    finally:
        if runner.has_run_days:
            print_verdicts(home)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar per range of days while runs go on; plain lines where the output is no terminal."""
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    from energy_assets.operations.runs import Progress, layer_of

    if not err.is_terminal:
        seen: set[tuple[str, str]] = set()

        def line(label: str, name: str, done: int, total: int) -> None:
            layer = layer_of(name)
            if (label, layer) not in seen:
                seen.add((label, layer))
                say(f"{label}  {layer}")

        yield Progress(line)
        return
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(28),
        TextColumn("{task.fields[layer]:<12}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def step(label: str, name: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total, layer="")
            bars.update(tasks[label], completed=done, total=total, layer=layer_of(name))

        yield Progress(step)


@contextmanager
def day_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar of days done; nothing where the output is no terminal, for days pass quickly."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=err, disable=not err.is_terminal) as bars:
        task = bars.add_task("days", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def require_gated(table: str | None) -> None:
    from energy_assets.keys import GATED

    if table and table not in GATED:
        raise HomeError(f"no gated table is called {table}: there are {', '.join(GATED)}")


def require_day(day: date) -> None:
    """Raises HomeError for a day that the home's calendar does not hold."""
    home = current()
    calendar = home.calendar()
    last = calendar.last_day or datetime.now(calendar.zone).date()
    if not calendar.first_day <= day <= last:
        raise HomeError(f"{day} is no day of home {home.name}, whose days are {calendar.first_day} … {last}")


def print_status(home: Home) -> None:
    from energy_assets.embedded.supervisor import status as statuses

    table = Table(box=None, pad_edge=False)
    for heading in ("store", "state", "version", "address", "pid", "data"):
        table.add_column(heading)
    healthy = True
    for store in statuses(home):
        healthy &= store.is_healthy
        table.add_row(
            store.name,
            "[green]ready[/]" if store.is_healthy else f"[red]{escape(store.problem or 'down')}[/]",
            store.version or "",
            store.address or "",
            str(store.pid or ""),
            f"{store.data_bytes / 1e6:,.0f} MB" if store.data_bytes else "",
        )
    out.print(f"home {home.name} ({home.path})", markup=False)
    out.print(table)
    if not healthy:
        raise typer.Exit(EXIT_FAILED)


def print_scan(report: ScanReport) -> None:
    out.print(f"zone    {report.timezone} (from {report.timezone_origin})", markup=False)
    days = (
        f"{report.first_day} … {report.last_day}, {len(report.rows_by_day)} with rows" if report.rows_by_day else "none"
    )
    out.print(f"days    {days}")
    out.print(f"rows    {report.rows_read:,} read, {report.rows_rejected:,} would be rejected")
    by_mapping: dict[tuple[str | None, str | None, str | None], int] = {}
    for file in report.files:
        key = (file.mapping, file.unit, file.local_zone)
        by_mapping[key] = by_mapping.get(key, 0) + 1
    for (mapping, unit, zone), count in by_mapping.items():
        told = [f"{count} {'file' if count == 1 else 'files'}", unit, zone and f"local times in {zone}"]
        out.print(f"mapping {mapping or 'none'}: {', '.join(filter(None, told))}", markup=False)
    first = next((file for file in report.files if file.first_rows), None)
    if first:
        out.print(f"first rows of {first.path}, as they would be taken in:", markup=False)
        names = [name for name in first.first_rows[0] if any(row[name] is not None for row in first.first_rows)]
        print_rows(names, [tuple(row[name] for name in names) for row in first.first_rows], Format.table)
    for file in report.files:
        for reason in file.rejects:
            out.print(f"reject  {reason}", markup=False)
    for file in report.unreadable:
        out.print(f"unreadable  {file.path}: {file.message}", markup=False)
    for path, reason in report.refused.items():
        out.print(f"refused {path}: {reason}", markup=False)
    for path in report.left_alone:
        out.print(f"left alone  {path}: its folder is no source's", markup=False)


def print_deliveries(known: list[Delivery], calendar: Calendar) -> None:
    from energy_assets.resources.deliveries import State

    colours = {State.arrived: "green", State.partly_late: "yellow", State.late: "yellow", State.missing: "red"}
    table = Table(box=None, pad_edge=False)
    table.add_column("day")
    table.add_column("source")
    table.add_column("")
    for heading in ("files", "rows", "rejected", "meters"):
        table.add_column(heading, justify="right")
    for heading in ("first landed", "last landed", ""):
        table.add_column(heading)
    for entry in known:
        landed = [
            f"{at.astimezone(calendar.zone):%Y-%m-%d %H:%M}" if at else ""
            for at in (entry.first_landed_at, entry.last_landed_at)
        ]
        colour = colours.get(entry.state, "default")
        table.add_row(
            str(entry.day),
            entry.source,
            f"[{colour}]{entry.state}[/]",
            *(f"{number:,}" if entry.files else "" for number in (entry.files, entry.rows, entry.rejected)),
            metered(entry),
            *landed,
            "" if entry.is_loaded or not entry.files else "not loaded yet  → energy-assets resume",
        )
    out.print(table)
    counts = Counter(entry.state for entry in known)
    out.print(", ".join(f"{counts[state]} {state}" for state in State if counts[state]))
    out.print(
        "This home is historical: files landed when they were ingested, so none is called late."
        if calendar.is_historical
        else f"Late is what landed after 09:00 of the next day in {calendar.timezone}."
    )
    out.print("meters: with readings past the gate, of those of the week before")


def metered(entry: Delivery) -> str:
    """Meters of the day, of those of the week before; yellow where some are absent."""
    if entry.meters is None:
        return ""
    if not entry.usual_meters:
        return f"{entry.meters:,}"
    text = f"{entry.meters:,} of {entry.usual_meters:,}"
    return f"[yellow]{text}[/]" if entry.meters < entry.usual_meters else text


def print_outcome(outcome: RangeOutcome) -> None:
    days = len(outcome.window)
    green = days - len(outcome.red)
    out.print(
        f"{outcome.window}: {green} of {days} days went through, in {outcome.runs} run{'s' if outcome.runs > 1 else ''}"
    )
    for day, table in sorted(outcome.red.items()):
        out.print(f"  [red]red[/] {day} {table}  → energy-assets why {day}")
    for line in outcome.incomplete:
        out.print(f"  [red]incomplete[/] {line}")


def print_verdicts(home: Home, *, indent: int = 0) -> None:
    """Where Data Docs are; nothing where no day was judged yet."""
    from energy_assets.links import reachable_data_docs

    if address := reachable_data_docs(home):
        out.print(f"{'':{indent}}verdicts {address}", markup=False)


def exit_if_incomplete(outcomes: list[RangeOutcome]) -> None:
    if any(not outcome.is_complete for outcome in outcomes):
        raise typer.Exit(EXIT_RED)


def print_demo(report: DemoReport) -> None:
    summary = report.summary
    seconds = report.seconds
    out.print()
    rejected = f", {summary.rows_rejected:,} rejected" if summary.rows_rejected else ""
    out.print(f"[bold]Files[/]      {summary.files} landed · {summary.rows_read:,} rows{rejected}")
    for line in summary.unreadable:
        out.print(f"           unreadable {line}", markup=False)
    out.print(
        f"[bold]Days[/]       {summary.window} in {report.timezone} · {summary.meters} meters · {summary.total_kwh:,.1f} kWh"
    )
    red = [f"{day} {table}" for day, table in sorted(summary.red.items())]
    out.print(
        f"[bold]Gates[/]      {summary.green_days} days green"
        + (f" ({summary.warned_days} with warnings)" if summary.warned_days else "")
        + (
            f", [red]{len(red)} red[/]: {'; '.join(red[:3])}  → energy-assets why {sorted(summary.red)[0]}"
            if red
            else ""
        )
    )
    print_verdicts(report.home, indent=11)
    if report.balance:
        print_balance(report.balance, report.truth)
    if report.foretold:
        print_forecast(report.foretold)
    out.print(
        f"[bold]Anomalies[/]  {summary.anomaly_count:,} readings flagged on {summary.scored_days} scored days; the strangest:"
    )
    for rank, anomaly in enumerate(summary.anomalies, start=1):
        expected = "" if anomaly.expected_kwh is None else f", {anomaly.expected_kwh:.3f} expected"
        out.print(
            f"  {rank}  {anomaly.meter_id}  {anomaly.day}  {anomaly.kind:<15} {anomaly.consumption_kwh:.3f} kWh{expected}"
            f"  score {anomaly.score:.2f}, {anomaly.flagged} readings",
            markup=False,
        )
    if not summary.scored_days:
        out.print("  none: with fewer than 7 days to learn from there is no model")
    served = " · ".join(f"{table} {rows:,}" for table, rows in summary.served.items())
    out.print(f"[bold]ClickHouse[/] {served}")
    out.print("[bold]Seconds[/]    " + " · ".join(f"{layer} {value:.1f}" for layer, value in seconds.items()))
    if summary.statement:
        out.print(f"[yellow]Note[/]       {summary.statement}")
    if report.cases:
        if report.visited:
            print_visited(report.visited)
        print_judged(report.cases)
    if report.sheet:
        out.print(f"           the first one's sheet  {report.sheet.as_uri()}", markup=False)
    out.print()
    out.print(
        "Look around:  make ui  (assets, partitions, gates)    make dashboards  (Superset)    energy-assets cases    energy-assets why DAY    energy-assets explain METER    make down",
        markup=False,
    )


def print_balance(found: Balance, truth: Truth | None) -> None:
    """Energy in MWh: what came in, and where it went."""
    low, high = (kwh / 1000 for kwh in found.interval_kwh)
    estimated = f" ({found.estimated_kwh / 1000:,.2f} estimated)" if found.estimated_kwh else ""
    money = " + ".join(f"{value:,.0f} {currency}" for currency, value in found.values.items())
    out.print(
        f"[bold]Energy[/]     in {found.energy_in_kwh / 1000:,.2f} MWh · metered {found.metered_kwh / 1000:,.2f}{estimated}"
        f" · technical {found.technical_loss_kwh / 1000:,.2f}"
        f" · [bold]non-technical {found.non_technical_loss_kwh / 1000:,.2f} MWh ({found.non_technical_loss_share:.1%})[/]"
        f", {low:,.2f} to {high:,.2f}" + (f" ≈ {money}" if money else "")
    )
    if truth:
        out.print(
            f"           truth {truth.energy_in_kwh / 1000:,.2f} MWh · metered {truth.metered_kwh / 1000:,.2f}"
            f" · technical {truth.technical_loss_kwh / 1000:,.2f} · non-technical {truth.non_technical_loss_kwh / 1000:,.2f} MWh",
            markup=False,
        )
    left_out = found.intervals - found.balanced - found.outage
    out.print(
        f"           of {found.transformers} transformers on {found.days} days; left out {found.outage / found.intervals:.1%} of the"
        f" intervals for outages, {left_out / found.intervals:.1%} for missing readings",
        markup=False,
    )
    for transformer, (days, first) in found.implausible.items():
        out.print(
            f"           {transformer}: its meters say more than came in on {days} days, a fault of the register"
            f"  → energy-assets why {first} mart_transformer_losses",
            markup=False,
        )


def print_visited(visited: Visited) -> None:
    """What the demo's crew found, by how it was sent."""
    sent = {"ranked": "by the list", "random": "at random"}
    told = [
        f"{outcomes.total()} {sent[selection]}: {outcomes['theft']} found theft"
        + (f", {outcomes['faulty_meter']} a faulty meter" if outcomes["faulty_meter"] else "")
        for selection, outcomes in sorted(visited.outcomes.items())
        if selection in sent
    ]
    out.print(
        f"[bold]Visits[/]     of two weeks, {'; '.join(reversed(told))}; {visited.recovered_kwh:,.0f} kWh billed"
        " (the simulator is the crew)  → energy-assets performance"
    )


def print_judged(found: JudgedList) -> None:
    """The list of cases, beside what the simulator knows of each."""
    told = f"{len(found.listed)} worth a visit on {found.known.day}, of {len(found.known.cases)} cases"
    if found.truth:
        random = sum(case.selection == "random" for case in found.listed)
        honest = len(found.listed) - random - found.found
        told += f": {found.found} thieves, {honest} false, {random} drawn at random"
        told += f"; {found.confirmed} thieves were found by visits, {len(found.missed)} missed (the simulator knows)"
    out.print(f"[bold]Cases[/]      {told}")
    for case in found.listed:
        truth = ""
        if found.truth:
            kind = found.truth.kinds.get(case.subject_id, case.subject_kind)
            truth = f"[{'thief' if case.subject_id in found.truth.thieves else 'no thief'}: {kind}]  "
        worth = "–" if case.value is None else f"{case.value:,.0f} {case.currency}"
        out.print(
            f" {case.place or '–':>2}  {case.subject_id}  {case.transformer_id or '–'}  {worth:>12}  {truth}{case.reason_en}",
            markup=False,
        )
    if found.truth and found.missed:
        cheap = set(found.not_worth)
        missed = (
            f"{meter} ({found.truth.kinds[meter]}{', not worth the drive' if meter in cheap else ''})"
            for meter in found.missed
        )
        out.print(f"           missed: {', '.join(missed)}", markup=False)
    out.print("           a case is a reason to look, not a proof  → energy-assets cases")


def print_forecast(found: Foretold) -> None:
    """How far the next day's hours were off, and what tomorrow is likely too much for."""
    off = [
        f"{kind}s {known.model_pct:.1f}% ({known.week_before_pct:.1f}%)"
        for kind in ("transformer", "feeder")
        if (known := found.accuracy.get(kind))
    ]
    if off:
        days = max(known.days for known in found.accuracy.values())
        out.print(
            f"[bold]Forecast[/]   an hour of the next day is off by, on {days} days (a week before would be): {', '.join(off)}"
        )
    else:
        out.print("[bold]Forecast[/]   the week before: two weeks are needed to learn from, and a day to compare with")
    overloads = ", ".join(f"{transformer} for {hours:g} h" for transformer, hours in found.overload_hours.items())
    out.print(
        f"           {found.next_day}: "
        + (f"likely overloaded {overloads}" if overloads else "no transformer is likely overloaded"),
        markup=False,
    )
