"""`energy-assets cases` and `energy-assets case …`: the analyst's commands.

What belongs here: their arguments and printing. What does not: work (operations/cases.py, operations/decisions.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from energy_assets.console import Language, current, errors, out, say, warehouse
from energy_assets.home import HomeError
from energy_assets.landing.contract import ASSIGNED, DISMISSED, OPEN, OUTCOMES, SNOOZED

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from energy_assets.operations.cases import Case, CaseList, History
    from energy_assets.operations.performance import Week

case_app = typer.Typer(help="Decide about theft cases.", no_args_is_help=True)

CaseArgument = Annotated[
    str, typer.Argument(metavar="CASE", help="A case, or the meter or transformer that it is about.")
]
CasesArgument = Annotated[list[str], typer.Argument(metavar="CASE…", help="Cases, or what they are about.")]
OnOption = Annotated[
    datetime | None,
    typer.Option(
        "--on",
        formats=["%Y-%m-%d"],
        metavar="YYYY-MM-DD",
        help="Day of it. Default: today; in a historical home its newest.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Last day off the list.", show_default=False),
]
Outcome = StrEnum("Outcome", {name: name for name in OUTCOMES})  # type: ignore[misc]  # declared once, in OUTCOMES
SHOWN_CHANGES = 8


class SheetFormat(StrEnum):
    html = "html"
    pdf = "pdf"


class ListFormat(StrEnum):
    table = "table"
    csv = "csv"
    xlsx = "xlsx"
    json = "json"


def cases(
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Default: the newest that has cases.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="So many of the list. Default: all of it.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Also cases that are not to be visited now.")] = False,
    format: Annotated[ListFormat, typer.Option()] = ListFormat.table,
    language: Annotated[
        Language, typer.Option(help="Of the reasons; fr also writes numbers and CSV the French way.")
    ] = Language.en,
    out_file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write; xlsx needs one.", show_default=False)
    ] = None,
    sheets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write the sheet of each, as PDF, in the order of the list.", show_default=False
        ),
    ] = None,
) -> None:
    """The meters and transformers that are worth a visit, grouped by transformer; csv and xlsx hold coordinates for the route."""
    from energy_assets.operations.case_files import write_cases
    from energy_assets.operations.cases import case_list, grouped

    with errors():
        store = warehouse()
        known = case_list(store, day.date() if day else None)
        shown = grouped(known.cases[:top] if top else known.cases) if every else known.on_list(top)
        if sheets:
            from energy_assets.operations.case_sheets import sheets_of

            for path in sheets_of(store, shown, known.day, language.value, "pdf", sheets):
                say(f"wrote {path}")
        if format is not ListFormat.table or out_file:
            if format is ListFormat.table:
                raise HomeError("a table is for the screen: --format csv, xlsx or json writes a file")
            written = write_cases(shown, known.day, format.value, language.value, out_file)
            if written:
                out.print(f"{len(shown)} cases of {known.day} in {written}", markup=False)
            return
        print_cases(known, shown, language)


def sheet(
    name: Annotated[str, typer.Argument(metavar="CASE", help="A case, a meter or a transformer.")],
    day: Annotated[
        datetime | None,
        typer.Argument(formats=["%Y-%m-%d"], metavar="[YYYY-MM-DD]", help="Default: the newest that is scored."),
    ] = None,
    language: Annotated[Language, typer.Option(help="Of the whole sheet.")] = Language.en,
    format: Annotated[
        SheetFormat | None, typer.Option(help="Default: as the name of --out ends, else html.", show_default=False)
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Default: sheet-METER-DAY.FORMAT here.", show_default=False),
    ] = None,
) -> None:
    """Write the sheet that a crew takes along: why, charts, what to check, and a box to fill in; one page, or a phone's."""
    from energy_assets.operations.case_sheets import sheet_of

    with errors():
        ending = format.value if format else "pdf" if out_file and out_file.suffix.lower() == ".pdf" else "html"
        path = sheet_of(warehouse(), name, day.date() if day else None, language.value, ending, out_file)
        out.print(f"wrote {path}", markup=False)


def performance(
    weeks: Annotated[int, typer.Option(min=1, help="Weeks to show, the newest last.")] = 8,
    language: Annotated[Language, typer.Option(help="Of numbers.")] = Language.en,
) -> None:
    """How often visits were right, beside random ones, and what they brought."""
    from energy_assets.operations.performance import weeks as known_weeks

    with errors():
        known = known_weeks(warehouse(), weeks)
        if not known:
            raise HomeError(
                "no week has visits yet: record them with `energy-assets case visit`, or deliver inspections/; a week counts from its Sunday"
            )
        print_performance(known, language)


@case_app.command("assign")
def assign(
    names: CasesArgument,
    crew: Annotated[str, typer.Option(help="Who visits.")],
    on: OnOption = None,
) -> None:
    """Give cases to a crew."""
    _decide(names, ASSIGNED, on, None, None, crew)


@case_app.command("visit")
def visit(
    name: CaseArgument,
    outcome: Annotated[Outcome, typer.Option(help="What was found.")],
    recovered_kwh: Annotated[
        float | None, typer.Option(min=0, help="Energy that is billed afterwards.", show_default=False)
    ] = None,
    notes: Annotated[str | None, typer.Option(help="What the crew saw.", show_default=False)] = None,
    on: OnOption = None,
) -> None:
    """Record what a visit found. Results of many visits are better delivered as a file into inspections/."""
    from energy_assets.operations.cases import case_list, found
    from energy_assets.operations.decisions import day_of_decision, record_visit

    with errors():
        home, store = current(), warehouse()
        known = case_list(store)
        case = found(known, name)
        visited = on.date() if on else day_of_decision(home, known.day)
        path = record_visit(home, store, case, outcome.value, on=visited, recovered_kwh=recovered_kwh, notes=notes)
        _said(f"{case.case_id} was visited on {visited}: {outcome.value}", path)


@case_app.command("dismiss")
def dismiss(
    names: CasesArgument,
    reason: Annotated[str, typer.Option(help="Why, e.g. house empty.")],
    until: UntilOption = None,
    on: OnOption = None,
) -> None:
    """End cases without a visit; their subjects rest for 90 days, or until a day."""
    _decide(names, DISMISSED, on, until, reason, None)


@case_app.command("snooze")
def snooze(
    names: CasesArgument,
    until: UntilOption = None,
    reason: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    on: OnOption = None,
) -> None:
    """Take cases off the list for 14 days, or until a day; they come back as the same cases."""
    _decide(names, SNOOZED, on, until, reason, None)


@case_app.command("reopen")
def reopen(
    names: CasesArgument,
    reason: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    on: OnOption = None,
) -> None:
    """Put cases back on the list that were assigned, snoozed or dismissed."""
    _decide(names, OPEN, on, None, reason, None)


@case_app.command("show")
def show(name: CaseArgument, language: Annotated[Language, typer.Option(help="Of the reasons.")] = Language.en) -> None:
    """All that happened to a case."""
    from energy_assets.operations.cases import history

    with errors():
        print_history(history(warehouse(), name), language)


def _decide(
    names: Sequence[str], event: str, on: datetime | None, until: datetime | None, reason: str | None, crew: str | None
) -> None:
    from energy_assets.operations.cases import case_list, found
    from energy_assets.operations.decisions import day_of_decision, decide

    with errors():
        home, store = current(), warehouse()
        known = case_list(store)
        about = [found(known, name) for name in dict.fromkeys(names)]
        decided = on.date() if on else day_of_decision(home, known.day)
        path = decide(
            home, store, about, event, on=decided, until=until.date() if until else None, crew=crew, reason=reason
        )
        _said(f"{', '.join(case.case_id for case in about)}: {event} on {decided}", path)


def _said(what: str, path: Path) -> None:
    out.print(what, markup=False)
    out.print(
        f"delivered as {path.name}; take it back: energy-assets retract {path.parent.parent.name}/by-command/{path.name}",
        markup=False,
    )
    out.print(
        "the list shows it now; its days' tables follow with the sensor, or at once: energy-assets resume", markup=False
    )


def print_cases(known: CaseList, shown: Sequence[Case], language: Language) -> None:
    """The list as a table, and beneath it what changed since the day before."""
    currencies = {case.currency for case in shown if case.currency}
    money = f" {currencies.pop()}" if len(currencies) == 1 else ""
    table = Table(box=None, pad_edge=False)
    columns: tuple[tuple[str, JustifyMethod], ...] = (
        ("", "right"), ("case", "left"), ("transformer", "left"), ("likely", "right"), ("since", "left"), ("kWh/day", "right"),
        (f"bill/month{money}", "right"), (f"worth{money}", "right"), ("state", "left"), ("why", "left"),
    )  # fmt: skip
    for heading, side in columns:
        table.add_column(heading, justify=side, no_wrap=heading != "why")
    for case in shown:
        table.add_row(
            str(case.place) if case.place else ("random" if case.selection == "random" else "–"),
            escape(case.case_id),
            escape(case.transformer_id or "–"),
            percent(case.probability, language),
            str(case.onset_date or "–"),
            number(case.stolen_kwh_per_day, language, 1),
            number(case.bill_effect_per_month, language),
            number(case.value, language),
            escape(state_of(case)),
            escape(case.reason_fr if language is Language.fr else case.reason_en),
        )
    listed = len(known.on_list())
    out.print(f"{known.day}: {listed} to visit of {len(known.cases)} cases", markup=False)
    out.print(table)
    print_changes(known)


def print_performance(known: Sequence[Week], language: Language) -> None:
    """Each week by how its visits were chosen; shares and money of the 26 weeks to it."""
    currencies = {week.currency for week in known if week.currency}
    money = f" {currencies.pop()}" if len(currencies) == 1 else ""
    table = Table(box=None, pad_edge=False)
    headings = (
        "week to",
        "chosen",
        "visits",
        "theft",
        "in 26 weeks",
        "right",
        "90 %",
        "first 10",
        "lift",
        "90 %",
        "kWh/visit",
        f"net/visit{money}",
        "expected",
    )
    for number_of, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number_of < 2 else "right", no_wrap=True)
    for week in known:
        table.add_row(
            str(week.week_date),
            week.selection,
            str(week.week_visits),
            str(week.week_thefts),
            f"{week.thefts} of {week.decided}",
            percent(week.hit_rate, language),
            f"{percent(week.hit_rate_low, language)} … {percent(week.hit_rate_high, language)}",
            percent(week.precision_at_10, language),
            number(week.lift, language, 1),
            f"{number(week.lift_low, language, 1)} … {number(week.lift_high, language, 1)}"
            if week.lift is not None
            else "–",
            number(week.recovered_kwh_per_visit, language),
            number(week.net_value_per_visit, language),
            f"{number(week.expected_thefts, language, 1)} for {week.judged_thefts}" if week.judged else "–",
        )
    out.print(table)
    out.print(
        "right: theft among visits that found somebody in; lift: over random visits; expected: what the probabilities add up to",
        markup=False,
    )


def print_changes(known: CaseList) -> None:
    opened = [case.case_id for case in known.opened if case.origin != "random"]
    if opened:
        rest = f" and {len(opened) - SHOWN_CHANGES} more" if len(opened) > SHOWN_CHANGES else ""
        out.print(f"new since the day before: {', '.join(opened[:SHOWN_CHANGES])}{rest}", markup=False)
    for state, count in sorted(Counter(case.state for case in known.changed).items()):
        names = [case.case_id for case in known.changed if case.state == state][:SHOWN_CHANGES]
        out.print(f"{state} since the day before: {count}: {', '.join(names)}", markup=False)


def print_history(found: History, language: Language) -> None:
    case = found.case
    out.print(
        f"{case.case_id}  {case.subject_kind} {case.subject_id}  behind {case.transformer_id or 'no known transformer'}",
        markup=False,
    )
    out.print(f"why        {case.reason_fr if language is Language.fr else case.reason_en}", markup=False)
    for day, state, place, probability, value, until, crew in found.days:
        words = [
            state,
            f"place {place}" if place else "",
            f"{percent(probability, language)} likely" if probability is not None else "",
        ]
        words += [
            f"worth {number(value, language)} {case.currency or ''}" if value is not None else "",
            crew or "",
            f"rests until {until}" if until else "",
        ]
        out.print(f"{day}  {', '.join(word for word in words if word)}", markup=False)
    for day, what, crew, until, why, by, kwh in found.events:
        words = [
            what,
            f"to {crew}" if crew else "",
            f"until {until}" if until else "",
            f"{kwh:g} kWh recovered" if kwh else "",
            f"“{why}”" if why else "",
            f"by {by}" if by else "",
        ]
        out.print(f"{day}  → {', '.join(word for word in words if word)}", markup=False)


def state_of(case: Case) -> str:
    """The state, and what was decided or found since the list was made."""
    told = case.state + (f" ({case.crew})" if case.crew and case.state == ASSIGNED else "")
    if case.event and case.event != case.state:
        told += f" → {case.event}" + (f" ({case.crew})" if case.crew and case.event == ASSIGNED else "")
    return told


def number(value: Decimal | float | None, language: Language, decimals: int = 0) -> str:
    """A number as the language writes it; a dash where there is none."""
    from babel.numbers import format_decimal

    if value is None:
        return "–"
    rounded: Any = round(value, decimals)
    return format_decimal(rounded, format=f"#,##0.{'0' * decimals}" if decimals else "#,##0", locale=language.value)


def percent(value: Decimal | float | None, language: Language) -> str:
    from babel.numbers import format_percent

    return "–" if value is None else format_percent(value, locale=language.value)
