"""Detection on anyone's labelled readings: files in, a table of all methods out.

What belongs here: from files to a fleet with its truth, and writing the table. What does not: reading a file, methods and measures (ml/evaluation).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import numpy as np

from energy_assets.day_types import day_types
from energy_assets.operations.errors import OperationError

if TYPE_CHECKING:
    from ml.evaluation.readings_file import Labels, Register, Series
    from ml.evaluation.run import Labelled, Row
    from ml.theft.history import FleetHistory

MARKDOWN, CSV = "evaluation.md", "evaluation.csv"
NAMES = ("roc_auc", "pr_auc", "precision_0.01", "precision_0.05")


@dataclass(frozen=True)
class Files:
    """What is evaluated. Without `labels` the readings' file holds them; `meters` and `transformer_readings` come together."""

    readings: Path
    labels: Path | None = None
    meters: Path | None = None
    transformer_readings: Path | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """`facts` are sentences on the data, `rows` one for each method."""

    facts: Sequence[str]
    rows: Sequence[Row]


def evaluate(
    files: Files,
    *,
    timezone: str,
    country: str = "",
    technical_loss_share: float | None = None,
    assumed_loss_share: float = 0.03,
    every_method: bool = False,
    say: Callable[[str], None],
) -> Evaluation:
    """Run every method on the readings and hold it against the labels.

    `timezone` is that of days where instants carry an offset; `country` names public holidays. The technical loss of transformers is
    `technical_loss_share` of their energy; where it is None, fitted, or `assumed_loss_share` where too little is known for that.
    Raises OperationError for files that cannot be used.
    """
    from ml.evaluation.readings_file import FileError
    from ml.evaluation.run import evaluate as run

    if timezone not in available_timezones():
        raise OperationError(f"{timezone!r} is no IANA time zone\n  → name one such as Africa/Douala or Europe/London")
    try:
        history, truth, facts = _fleet(files, timezone, country, technical_loss_share, assumed_loss_share, say)
    except FileError as error:
        raise OperationError(str(error)) from error
    for fact in facts:
        say(fact)
    return Evaluation(facts, list(run(history, truth, every_method=every_method, say=say)))


def _fleet(
    files: Files,
    timezone: str,
    country: str,
    share: float | None,
    assumed_share: float,
    say: Callable[[str], None],
) -> tuple[FleetHistory, Labelled, list[str]]:
    from ml.evaluation.readings_file import FileError, read_labels, read_register, read_series
    from ml.theft.history import FleetHistory
    from ml.validation.outages import NO_TRANSFORMER

    if bool(files.meters) != bool(files.transformer_readings):
        raise OperationError(
            "--meters and --transformer-readings belong together\n"
            "  → the first says which transformer a meter is behind, the second what went in; give both, or neither"
        )
    labels = read_labels(files.labels or files.readings)
    register = read_register(files.meters) if files.meters else None
    say(f"reading {files.readings} …")
    series = read_series(files.readings, timezone)
    facts: list[str] = []
    fed = None
    if files.transformer_readings and register:
        series, fed = _together(files, files.transformer_readings, series, timezone, facts)
    transformer = np.full(len(series.ids), NO_TRANSFORMER)
    customer = np.arange(len(series.ids))
    customer_class = np.zeros(len(series.ids), dtype=int)
    if register:
        customer, customer_class = _registered(register, series)
        if fed:
            place = dict(zip(fed.ids, range(len(fed.ids)), strict=True))
            of = dict(zip(register.ids, register.transformer, strict=True))
            transformer = np.array([place.get(of.get(meter, ""), NO_TRANSFORMER) for meter in series.ids])
            if (transformer == NO_TRANSFORMER).all():
                raise FileError(
                    f"{files.meters}, column transformer_id: no meter of {files.readings} is behind a transformer of "
                    f"{files.transformer_readings}\n  → use the same names of meters and transformers in all files"
                )
    lost = _lost(series, fed, transformer, share, assumed_share, facts) if fed else None
    history = FleetHistory(series.wh, np.array(day_types(series.days, country)), customer_class, transformer, lost)
    truth = _truth(files, labels, series, customer)
    return history, truth, [*_described(series, labels, truth, timezone), *facts]


def _together(
    files: Files, transformer_readings: Path, series: Series, timezone: str, facts: list[str]
) -> tuple[Series, Series]:
    """Readings of meters and transformers in the coarser of their intervals; transformers on the meters' days."""
    from ml.evaluation.readings_file import TRANSFORMERS, FileError, Series, read_series

    fed = read_series(transformer_readings, timezone, TRANSFORMERS)
    slots = min(series.wh.shape[2], fed.wh.shape[2])
    if series.wh.shape[2] > slots:
        facts.append(f"Meters' readings are summed up to the transformers' {fed.interval_minutes} minutes.")
    series, fed = series.coarser(slots), fed.coarser(slots)
    wh = np.full((len(series.wh), len(fed.ids), slots), np.nan, dtype=np.float32)
    apart = (fed.first_day - series.first_day).days
    first, last = max(apart, 0), min(apart + len(fed.wh), len(wh))
    if first >= last:
        raise FileError(
            f"{files.transformer_readings}: its days {fed.days[0]} … {fed.days[-1]} are none of {files.readings} "
            f"({series.days[0]} … {series.days[-1]})\n  → give readings of the same days"
        )
    wh[first:last] = fed.wh[first - apart : last - apart]
    return series, Series(fed.ids, series.first_day, wh)


def _lost(
    series: Series, fed: Series, transformer: np.ndarray, share: float | None, assumed: float, facts: list[str]
) -> np.ndarray:
    from ml.evaluation.losses import can_be_fitted, lost_wh, metered_wh

    metered = metered_wh(series.wh, transformer, len(fed.ids))
    came_in = fed.wh.astype(np.float64)
    if share is None and not can_be_fitted(came_in, metered):
        share = assumed
    lost = lost_wh(came_in, metered, share)
    told = (
        "fitted to the lower edge of what is not metered" if share is None else f"taken as {share:.1%} of what comes in"
    )
    known = ~np.isnan(lost)
    kwh = np.nansum(lost) / 1000
    facts.append(
        f"{len(fed.ids):,} transformers, {known.mean():.0%} of their intervals balanced; technical loss {told}; "
        f"{kwh / max(came_in[known].sum() / 1000, 1e-9):.1%} of what came in is neither metered nor technical."
    )
    return lost


def _registered(register: Register, series: Series) -> tuple[np.ndarray, np.ndarray]:
    """(number of the customer, of the class) of each meter; a meter that names no customer is its own."""
    row = dict(zip(register.ids, range(len(register.ids)), strict=True))
    rows = [row.get(meter, -1) for meter in series.ids]
    customers = [
        f"customer {register.customer[at]}" if at >= 0 and register.customer[at] else f"meter {meter}"
        for at, meter in zip(rows, series.ids, strict=True)
    ]
    classes = [register.customer_class[at] if at >= 0 else "" for at in rows]
    return np.unique(customers, return_inverse=True)[1], np.unique(classes, return_inverse=True)[1]


def _truth(files: Files, labels: Labels, series: Series, customer: np.ndarray) -> Labelled:
    from ml.evaluation.readings_file import FileError
    from ml.evaluation.run import Labelled

    row = dict(zip(labels.ids, range(len(labels.ids)), strict=True))
    rows = np.array([row.get(meter, -1) for meter in series.ids])
    is_judged = rows >= 0
    where = f"{files.labels or files.readings}"
    if not is_judged.any():
        raise FileError(
            f"{where}, column meter_id: none of its meters has readings (it has e.g. {labels.ids[0] if len(labels.ids) else 'none'}, "
            f"the readings {series.ids[0]})\n  → use the same names of meters in both files"
        )
    is_theft = np.where(is_judged, labels.is_theft[rows] if len(labels.ids) else False, False)
    if not is_theft.any() or is_theft[is_judged].all():
        raise FileError(
            f"{where}: of {is_judged.sum():,} labelled meters with readings {is_theft.sum():,} steal\n"
            "  → some must, and some must not, for an order to be good or bad"
        )
    onset = np.array([_days_from(series.first_day, labels.onset[at]) if at >= 0 else np.nan for at in rows])
    return Labelled(is_theft, is_judged, customer, onset)


def _days_from(first: date, day: date | None) -> float:
    return np.nan if day is None else float((day - first).days)


def _described(series: Series, labels: Labels, truth: Labelled, timezone: str) -> list[str]:
    known = ~np.isnan(series.wh)
    found = [
        f"{len(series.ids):,} meters on {len(series.wh):,} days, {series.days[0]} … {series.days[-1]}, every {series.interval_minutes} minutes, "
        f"{known.mean():.1%} of the readings there.",
        f"{truth.is_judged.sum():,} meters are labelled, {truth.is_theft.sum():,} of them steal ({truth.is_theft[truth.is_judged].mean():.1%}).",
    ]
    if series.has_offsets:
        found.append(f"Instants are taken as local times of {timezone} (--timezone).")
    if without := len(labels.ids) - int(truth.is_judged.sum()):
        found.append(f"{without:,} labelled meters have no readings and are left out.")
    if series.duplicates:
        found.append(f"{series.duplicates:,} readings came for a meter and interval that had one: their mean counts.")
    if series.negatives:
        found.append(f"{series.negatives:,} readings below zero are taken for missing.")
    return found


def markdown(found: Evaluation) -> str:
    """The table with what it is of."""
    lines = ["# Detection on labelled readings", "", *(f"- {fact}" for fact in found.facts), ""]
    has_onset = any(not np.isnan(row.onset_error_days) for row in found.rows)
    headings = ["method", "ROC-AUC", "PR-AUC", "precision in first 1 %", "in first 5 %"]
    headings += (["onset error, median"] if has_onset else []) + ["meters scored", "seconds"]
    lines += [_line(headings), _line(["---"] * len(headings))]
    for row in found.rows:
        if row.why_not:
            lines.append(_line([row.method, f"– ({row.why_not})", *[""] * (len(headings) - 2)]))
            continue
        cells = [row.method, *(_interval(row, name) for name in NAMES)]
        cells += ["–" if np.isnan(row.onset_error_days) else f"{row.onset_error_days:.0f} days"] if has_onset else []
        lines.append(_line([*cells, f"{row.scored_share:.0%}", f"{row.seconds:.1f}"]))
    lines += [
        "",
        "In brackets: 95 % by bootstrap over customers. Meters without a score rank last. Gradient boosting learns from the labels and is judged on",
        "customers that it has not seen, five parts in turn; all others know none of these labels. The taught ranker learnt from simulated thieves.",
    ]
    return "\n".join(lines) + "\n"


def save(found: Evaluation, folder: Path) -> tuple[Path, Path]:
    """The table as Markdown and as CSV below `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    page, table = folder / MARKDOWN, folder / CSV
    page.write_text(markdown(found), "utf-8")
    with table.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        bounds = [f"{name}{end}" for name in NAMES for end in ("", "_low", "_high")]
        writer.writerow(
            ["method", "learns_from_labels", *bounds, "onset_error_days", "scored_share", "seconds", "note"]
        )
        for row in found.rows:
            measured = [text for name in NAMES for text in _numbers(row, name)]
            onset = "" if np.isnan(row.onset_error_days) else f"{row.onset_error_days:g}"
            writer.writerow(
                [
                    row.method,
                    int(row.learns),
                    *measured,
                    onset,
                    f"{row.scored_share:.6f}",
                    f"{row.seconds:.2f}",
                    row.why_not,
                ]
            )
    return page, table


def _numbers(row: Row, name: str) -> list[str]:
    one = row.measured.get(name)
    return [f"{value:.6f}" for value in (one.value, one.low, one.high)] if one else [""] * 3


def _interval(row: Row, name: str) -> str:
    one = row.measured[name]
    if name.startswith("precision"):
        return f"{one.value:.0%} ({one.low:.0%}–{one.high:.0%})"
    return f"{one.value:.3f} ({one.low:.3f}–{one.high:.3f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
