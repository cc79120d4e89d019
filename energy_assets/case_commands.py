"""The analyst's commands: `energy-assets cases`, `case …`, `explain`, `sheet` and `performance`.

What belongs here: their arguments and printing. What does not: work (operations/cases.py, decisions.py, theft.py), their texts (case_words.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from energy_assets.case_words import DASH, CaseError, CaseWords
from energy_assets.console import Language, current, errors, fail, out, say, warehouse
from energy_assets.landing.contract import ASSIGNED, DISMISSED, OPEN, OUTCOMES, SNOOZED

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from energy_assets.operations.cases import Case, CaseList, History
    from energy_assets.operations.performance import Week
    from energy_assets.operations.theft import Dossier

case_app = typer.Typer(help="Decide about theft cases.", no_args_is_help=True)

DAYS = ["%Y-%m-%d", "%d/%m/%Y"]
"""As either language writes them: what was read can be typed."""
LanguageOption = Annotated[
    Language | None, typer.Option(help="Of what is told. Default: ENERGY_LANGUAGE, which is en.", show_default=False)
]
CaseArgument = Annotated[
    str, typer.Argument(metavar="CASE", help="A case, or the meter or transformer that it is about.")
]
CasesArgument = Annotated[list[str], typer.Argument(metavar="CASE…", help="Cases, or what they are about.")]
OnOption = Annotated[
    datetime | None,
    typer.Option(
        "--on",
        formats=DAYS,
        metavar="YYYY-MM-DD",
        help="Day of it. Default: today; in a historical home its newest.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    datetime | None,
    typer.Option(formats=DAYS, metavar="YYYY-MM-DD", help="Last day off the list.", show_default=False),
]
Outcome = StrEnum("Outcome", {name: name for name in OUTCOMES})  # type: ignore[misc]  # declared once, in OUTCOMES
SHOWN_CHANGES = 8
LABEL_WIDTH = 11


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
            formats=DAYS,
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
    language: LanguageOption = None,
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

    with told_in(language) as words:
        store = warehouse()
        known = case_list(store, day.date() if day else None)
        shown = grouped(known.cases[:top] if top else known.cases) if every else known.on_list(top)
        if sheets:
            from energy_assets.operations.case_sheets import sheets_of

            for path in sheets_of(store, shown, known.day, words.language, "pdf", sheets):
                say(words("written", path=path))
        if format is not ListFormat.table or out_file:
            if format is ListFormat.table:
                raise CaseError("table_is_for_the_screen")
            written = write_cases(shown, known.day, format.value, words.language, out_file)
            if written:
                told = words("list_written", count=len(shown), day=words.day(known.day), path=written)
                out.print(told, markup=False)
            return
        print_cases(known, shown, words)


def sheet(
    name: Annotated[str, typer.Argument(metavar="CASE", help="A case, a meter or a transformer.")],
    day: Annotated[
        datetime | None,
        typer.Argument(formats=DAYS, metavar="[YYYY-MM-DD]", help="Default: the newest that is scored."),
    ] = None,
    language: LanguageOption = None,
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

    with told_in(language) as words:
        ending = format.value if format else "pdf" if out_file and out_file.suffix.lower() == ".pdf" else "html"
        path = sheet_of(warehouse(), name, day.date() if day else None, words.language, ending, out_file)
        out.print(words("written", path=path), markup=False)


def explain(
    meter: Annotated[str, typer.Argument(help="Identifier of the meter.")],
    day: Annotated[
        datetime | None,
        typer.Argument(formats=DAYS, metavar="[YYYY-MM-DD]", help="Default: the newest that is scored."),
    ] = None,
    language: LanguageOption = None,
) -> None:
    """Say why a meter is suspicious on a day, or why it is not."""
    from energy_assets.operations.cases import standing
    from energy_assets.operations.theft import dossier, newest_day

    with told_in(language) as words:
        store = warehouse()
        of = day.date() if day else newest_day(store)
        if of is None:
            raise CaseError("no_scores")
        found = dossier(store, meter, of)
        print_dossier(found, words)
        print_line("case", standing(store, meter, of, found.suspect.probability, words), words)


def performance(
    weeks: Annotated[int, typer.Option(min=1, help="Weeks to show, the newest last.")] = 8,
    language: LanguageOption = None,
) -> None:
    """How often visits were right, beside random ones, and what they brought."""
    from energy_assets.operations.performance import weeks as known_weeks

    with told_in(language) as words:
        known = known_weeks(warehouse(), weeks)
        if not known:
            raise CaseError("no_week")
        print_performance(known, words)


@case_app.command("assign")
def assign(
    names: CasesArgument,
    crew: Annotated[str, typer.Option(help="Who visits.")],
    on: OnOption = None,
    language: LanguageOption = None,
) -> None:
    """Give cases to a crew."""
    _decide(names, ASSIGNED, on, None, None, crew, language)


@case_app.command("visit")
def visit(
    name: CaseArgument,
    outcome: Annotated[Outcome, typer.Option(help="What was found.")],
    recovered_kwh: Annotated[
        float | None, typer.Option(min=0, help="Energy that is billed afterwards.", show_default=False)
    ] = None,
    notes: Annotated[str | None, typer.Option(help="What the crew saw.", show_default=False)] = None,
    on: OnOption = None,
    language: LanguageOption = None,
) -> None:
    """Record what a visit found. Results of many visits are better delivered as a file into inspections/."""
    from energy_assets.operations.cases import case_list, found
    from energy_assets.operations.decisions import day_of_decision, record_visit

    with told_in(language) as words:
        home, store = current(), warehouse()
        known = case_list(store)
        case = found(known, name)
        visited = on.date() if on else day_of_decision(home, known.day)
        path = record_visit(home, store, case, outcome.value, on=visited, recovered_kwh=recovered_kwh, notes=notes)
        told = words("visited", case=case.case_id, day=words.day(visited), outcome=words.event(outcome.value))
        _said(told, path, words)


@case_app.command("dismiss")
def dismiss(
    names: CasesArgument,
    reason: Annotated[str, typer.Option(help="Why, e.g. house empty.")],
    until: UntilOption = None,
    on: OnOption = None,
    language: LanguageOption = None,
) -> None:
    """End cases without a visit; their subjects rest for 90 days, or until a day."""
    _decide(names, DISMISSED, on, until, reason, None, language)


@case_app.command("snooze")
def snooze(
    names: CasesArgument,
    until: UntilOption = None,
    reason: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    on: OnOption = None,
    language: LanguageOption = None,
) -> None:
    """Take cases off the list for 14 days, or until a day; they come back as the same cases."""
    _decide(names, SNOOZED, on, until, reason, None, language)


@case_app.command("reopen")
def reopen(
    names: CasesArgument,
    reason: Annotated[str | None, typer.Option(help="Why.", show_default=False)] = None,
    on: OnOption = None,
    language: LanguageOption = None,
) -> None:
    """Put cases back on the list that were assigned, snoozed or dismissed."""
    _decide(names, OPEN, on, None, reason, None, language)


@case_app.command("show")
def show(name: CaseArgument, language: LanguageOption = None) -> None:
    """All that happened to a case."""
    from energy_assets.operations.cases import history

    with told_in(language) as words:
        print_history(history(warehouse(), name), words)


@contextmanager
def told_in(language: Language | None) -> Iterator[CaseWords]:
    """The words of a command, and of what it cannot do: in `language`, else in that of ENERGY_LANGUAGE."""
    from energy_assets.settings import settings

    with errors():
        words = CaseWords(language.value if language else settings().language)
        try:
            yield words
        except CaseError as error:
            fail(error.told(words.language), error, words("error"))


def _decide(
    names: Sequence[str],
    event: str,
    on: datetime | None,
    until: datetime | None,
    reason: str | None,
    crew: str | None,
    language: Language | None,
) -> None:
    from energy_assets.operations.cases import case_list, found
    from energy_assets.operations.decisions import day_of_decision, decide

    with told_in(language) as words:
        home, store = current(), warehouse()
        known = case_list(store)
        about = [found(known, name) for name in dict.fromkeys(names)]
        decided = on.date() if on else day_of_decision(home, known.day)
        path = decide(
            home, store, about, event, on=decided, until=until.date() if until else None, crew=crew, reason=reason
        )
        named = ", ".join(case.case_id for case in about)
        _said(words("decided", cases=named, event=words.event(event), day=words.day(decided)), path, words)


def _said(what: str, path: Path, words: CaseWords) -> None:
    out.print(what, markup=False)
    landed = f"{path.parent.parent.name}/by-command/{path.name}"
    out.print(words("delivered", file=path.name, path=landed), markup=False)
    out.print(words("follows"), markup=False)


def print_cases(known: CaseList, shown: Sequence[Case], words: CaseWords) -> None:
    """The list as a table, and beneath it what changed since the day before."""
    currencies = {case.currency for case in shown if case.currency}
    money = f" {currencies.pop()}" if len(currencies) == 1 else ""
    table = Table(box=None, pad_edge=False)
    columns: tuple[tuple[str, JustifyMethod], ...] = (
        ("", "right"), (words("case"), "left"), (words("transformer"), "left"), (words("likely"), "right"), (words("since"), "left"),
        (words("kwh_a_day"), "right"), (f"{words('bill_a_month')}{money}", "right"), (f"{words('worth')}{money}", "right"),
        (words("state"), "left"), (words("why"), "left"),
    )  # fmt: skip
    for heading, side in columns:
        table.add_column(heading, justify=side, no_wrap=heading != words("why"))
    for case in shown:
        table.add_row(
            str(case.place) if case.place else (words.selection("random") if case.selection == "random" else DASH),
            escape(case.case_id),
            escape(case.transformer_id or DASH),
            words.percent(case.probability),
            words.day(case.onset_date),
            words.number(case.stolen_kwh_per_day, 1),
            words.number(case.bill_effect_per_month),
            words.number(case.value),
            escape(state_of(case, words)),
            escape(words.reason(case.reason_en, case.reason_fr)),
        )
    told = words("list_of", day=words.day(known.day), listed=len(known.on_list()), cases=len(known.cases))
    if len(shown) < len(known.on_list()):
        told += f", {words('shown', shown=len(shown))}"
    out.print(told, markup=False)
    out.print(table)
    print_changes(known, words)


def print_performance(known: Sequence[Week], words: CaseWords) -> None:
    """Each week by how its visits were chosen; shares and money of the 26 weeks to it."""
    currencies = {week.currency for week in known if week.currency}
    money = f" {currencies.pop()}" if len(currencies) == 1 else ""
    table = Table(box=None, pad_edge=False)
    headings = [
        *map(words, ("week_to", "chosen", "visits", "thefts", "in_weeks", "right", "interval")),
        *map(words, ("first_ten", "lift", "interval", "kwh_a_visit")),
        f"{words('net_a_visit')}{money}",
        words("expected"),
    ]
    for number_of, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number_of < 2 else "right", no_wrap=True)
    for week in known:
        expected = words("expected_for", expected=words.number(week.expected_thefts, 1), found=week.judged_thefts)
        table.add_row(
            words.day(week.week_date),
            words.selection(week.selection),
            str(week.week_visits),
            str(week.week_thefts),
            words("of", thefts=week.thefts, decided=week.decided),
            words.percent(week.hit_rate),
            f"{words.percent(week.hit_rate_low)} … {words.percent(week.hit_rate_high)}",
            words.percent(week.precision_at_10),
            words.number(week.lift, 1),
            f"{words.number(week.lift_low, 1)} … {words.number(week.lift_high, 1)}" if week.lift is not None else DASH,
            words.number(week.recovered_kwh_per_visit),
            words.number(week.net_value_per_visit),
            expected if week.judged else DASH,
        )
    out.print(table)
    out.print(words("performance_told"), markup=False)


def print_changes(known: CaseList, words: CaseWords) -> None:
    opened = [case.case_id for case in known.opened if case.origin != "random"]
    if opened:
        rest = words("and_more", count=len(opened) - SHOWN_CHANGES) if len(opened) > SHOWN_CHANGES else ""
        out.print(words("new_cases", cases=", ".join(opened[:SHOWN_CHANGES]) + rest), markup=False)
    for state, count in sorted(Counter(case.state for case in known.changed).items()):
        names = [case.case_id for case in known.changed if case.state == state][:SHOWN_CHANGES]
        told = words("changed_cases", state=words.state(state), count=count, cases=", ".join(names))
        out.print(told, markup=False)


def print_history(found: History, words: CaseWords) -> None:
    case = found.case
    named = {"case": case.case_id, "kind": words.kind(case.subject_kind), "subject": case.subject_id}
    out.print(words("about", **named, behind=_behind(case.transformer_id, words)), markup=False)
    print_line("why", words.reason(case.reason_en, case.reason_fr), words)
    for day, state, place, probability, value, until, crew in found.days:
        told = [
            words.state(state),
            words("at_place", place=place) if place else "",
            words("likely_with", probability=words.percent(probability)) if probability is not None else "",
            words("worth_of", value=words.money(value, case.currency)) if value is not None else "",
            crew or "",
            words("rests_until", day=words.day(until)) if until else "",
        ]
        out.print(f"{words.day(day)}  {', '.join(word for word in told if word)}", markup=False)
    for day, what, crew, until, why, by, kwh in found.events:
        told = [
            words.event(what),
            words("to_crew", crew=crew) if crew else "",
            words("until", day=words.day(until)) if until else "",
            words("recovered", kwh=words.number(kwh, 0 if kwh == round(kwh) else 1)) if kwh else "",
            words("said", words=why) if why else "",
            words("by_whom", name=by) if by else "",
        ]
        out.print(f"{words.day(day)}  → {', '.join(word for word in told if word)}", markup=False)


def print_dossier(found: Dossier, words: CaseWords) -> None:
    """A meter's score, its reasons, and the evidence that is far out."""
    suspect = found.suspect
    behind = _behind(suspect.transformer_id, words)
    out.print(f"{suspect.meter_id}  {words.day(found.day)}  {behind}", markup=False)
    if suspect.score is None or suspect.probability is None:
        out.print(words("not_scored", days=found.known_days), markup=False)
        return
    score = {"score": words.number(suspect.score, 3), "place": words.number(suspect.place)}
    basis = words("basis_labels" if suspect.basis == "labels" else "basis_prior")
    out.print(
        words(
            "score",
            **score,
            scored=words.number(suspect.scored),
            probability=words.percent(suspect.probability, 1),
            basis=basis,
        ),
        markup=False,
    )
    print_line("why", words.reason(suspect.reason_en, suspect.reason_fr) or words("no_reason"), words)
    if suspect.stolen_kwh is not None:
        kwh, low, high = (words.number(value, 1) for value in (suspect.stolen_kwh, suspect.low_kwh, suspect.high_kwh))
        key = "hidden_since" if suspect.since else "hidden"
        print_line("hides", words(key, kwh=kwh, low=low, high=high, day=words.day(suspect.since)), words)
    print_sharers(found, words)
    if not found.telling:
        print_line("evidence", words("no_evidence"), words)
    for number, piece in enumerate(found.telling):
        told = words(
            "piece",
            value=f"{words.number(piece.value, 2):>9}",
            share=words.percent(piece.farther_than, 1),
            description=piece.description if words.language == "en" else piece.in_french,
            name=piece.name,
        )
        print_line("evidence" if number == 0 else None, told, words)


def print_sharers(found: Dossier, words: CaseWords) -> None:
    """Who explains the loss of the meter's transformer."""
    from ml.theft.reasons import WAY_WORDS

    for number, (meter, kwh, way) in enumerate(found.sharers):
        ways = WAY_WORDS.get(way or "")
        told = (
            words("explains", meter=meter, kwh=words.number(kwh, 1), way=words.of(ways) if ways else way)
            if meter
            else words("nobody_explains", kwh=words.number(kwh, 1))
        )
        first = number == 0
        told += words("as_of", day=words.day(found.explained_date)) if first else ""
        print_line("loss_of" if first else None, told, words, transformer=found.suspect.transformer_id)


def print_line(label: str | None, told: str, words: CaseWords, **values: object) -> None:
    """What is told, behind its label; beneath the one before, where it has none."""
    named = words(label, **values) if label else ""
    out.print(f"{named:<{LABEL_WIDTH}}{' ' if len(named) >= LABEL_WIDTH else ''}{told}", markup=False)


def _behind(transformer: str | None, words: CaseWords) -> str:
    return words("behind", transformer=transformer) if transformer else words("behind_none")


def state_of(case: Case, words: CaseWords) -> str:
    """The state, and what was decided or found since the list was made."""
    told = words.state(case.state) + (f" ({case.crew})" if case.crew and case.state == ASSIGNED else "")
    if case.event and case.event != case.state:
        told += f" → {words.event(case.event)}" + (f" ({case.crew})" if case.crew and case.event == ASSIGNED else "")
    return told
