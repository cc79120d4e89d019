"""A sheet's charts as SVG that stands inside a page: energy a day, the mean day, the transformer's loss.

What belongs here: drawing. What does not: what is drawn (facts.py), its words (words.py).

They are told apart by line, mark and hatch, so that they can be read in black and white; the colours are those of Okabe and Ito ("Color Universal
Design", 2008), the orange darker, which the colour-blind tell apart. Text stays text, in the page's own font. The names of meters are never drawn.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from energy_assets.case_sheet.facts import DailyCourse, Kind, LossCourse, MeanDay, MeanWeek
from energy_assets.case_sheet.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, GREY, PALE = "#000000", "#767676", "#d9d9d9"
BLUE, ORANGE, VERMILION = "#0072b2", "#b87500", "#d55e00"
LIGHT_BLUE = "#b3d5e8"
# Nothing is see-through: a page's transparent parts become pictures on their way into a PDF.
WIDE_MM, NARROW_MM = 186.0, 90.0
MM_PER_INCH = 25.4
FONT_POINTS = 7.0
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sheet",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_POINTS,
    "axes.titlesize": FONT_POINTS,
    "axes.labelsize": FONT_POINTS,
    "xtick.labelsize": FONT_POINTS,
    "ytick.labelsize": FONT_POINTS,
    "legend.fontsize": FONT_POINTS,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,
}
LIGHTEST, DARKEST = 0.90, 0.70
"""Grey of a day with hardly an outage, and of one without supply at all."""
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
LETTER_MM, HANDLE_MM = 1.36, 9.5
"""Of a legend: the mean width of a letter, and of all that is beside the letters."""


def daily_chart(course: DailyCourse, words: Words, *, is_narrow: bool = False) -> str:
    """Reported energy a day against what was expected; outages shaded, the onset marked, days without readings as gaps."""
    days = np.array(course.days)
    reported, expected = course.reported_kwh, course.expected_kwh
    with _drawn(is_narrow, 50 if is_narrow else 46) as (figure, axes):
        _shade_outages(axes, course.days, course.off_hours, words)
        is_after = np.array([course.onset is not None and day >= course.onset for day in course.days])
        is_short = is_after & np.isfinite(reported) & np.isfinite(expected)
        if is_short.any():
            axes.fill_between(
                days,
                np.minimum(reported, expected),
                expected,
                where=is_short,
                facecolor="none",
                edgecolor=ORANGE,
                hatch="/////",
                linewidth=0,
                label=words("missing_energy"),
            )
        if course.has_expectation:
            label = words("expected" if course.onset else "peers_course")
            axes.plot(days, expected, color=BLUE, linewidth=1.1, dashes=(4, 1.5), label=label)
        axes.plot(
            days, reported, color=BLACK, linewidth=1.0, marker="o", markersize=1.6, label=words("reported"), zorder=3
        )
        partly = course.is_estimated & np.isfinite(reported)
        if partly.any():
            axes.plot(
                days[partly],
                reported[partly],
                "o",
                markersize=2.8,
                markerfacecolor="white",
                markeredgecolor=BLACK,
                markeredgewidth=0.6,
                label=words("partly_estimated"),
                zorder=4,
            )
        _mark_gaps(axes, days, reported, words("no_readings"))
        axes.set_ylabel(words("kwh_per_day"))
        _from_zero(axes, 1.12 * max(_highest(reported, expected), 0.1))
        _date_axis(axes, course.days, words, is_narrow)
        told = words("onset", day=words.day(course.onset)) if course.onset else ""
        _mark_onset(axes, course.days, course.onset, told)
        _finish(figure, axes, words)
        return _svg(figure, words("daily_title"), "daily-narrow" if is_narrow else "daily")


def mean_chart(mean: MeanDay | MeanWeek, words: Words, customer_class: str | None) -> str:
    """The mean day, of daily readings the mean week, before the onset and over the last four weeks."""
    if isinstance(mean, MeanWeek):
        return _mean_week(mean, words)
    hours = np.arange(len(mean.recent_kw) + 1) * mean.slot_minutes / 60

    with _drawn(True, 46) as (figure, axes):
        if np.isfinite(mean.class_kw).any():
            label = words("class_course", customer_class=words.customer_class(customer_class or "unknown"))
            _steps(axes, hours, mean.class_kw, color=GREY, linewidth=1.0, linestyle=(0, (1, 1.2)), label=label)
        if np.isfinite(mean.before_kw).any():
            label = words("before", days=words.number(mean.before_days))
            _steps(axes, hours, mean.before_kw, color=BLUE, linewidth=1.2, linestyle=(0, (4, 1.5)), label=label)
        _steps(axes, hours, mean.recent_kw, color=BLACK, linewidth=1.4, label=_recent(mean, words))
        axes.set_xlim(0, 24)
        axes.set_xticks(range(0, 25, 6), [str(hour) for hour in range(0, 25, 6)])
        axes.set_xticks(range(0, 25, 2), minor=True)
        axes.set_xlabel(words("hour"))
        axes.set_ylabel(words("kw"))
        _from_zero(axes, 1.08 * max(_highest(mean.before_kw, mean.recent_kw, mean.class_kw), 0.01))
        _finish(figure, axes, words)
        return _svg(figure, words("mean_day_title"), "mean")


def loss_chart(loss: LossCourse, words: Words, kind: Kind, *, onset: date | None = None, is_narrow: bool = True) -> str:
    """A transformer's non-technical loss a day with its interval, and what of it the subject accounts for."""
    days = np.array(loss.days)
    with _drawn(is_narrow, 46) as (figure, axes):
        _shade_outages(axes, loss.days, loss.off_hours, words)
        axes.fill_between(
            days,
            loss.low_kwh,
            loss.high_kwh,
            where=np.isfinite(loss.loss_kwh),
            facecolor=LIGHT_BLUE,
            linewidth=0,
            label=words("loss_interval"),
        )
        axes.plot(
            days, loss.loss_kwh, color=BLUE, linewidth=1.0, marker="o", markersize=1.4, label=words("loss"), zorder=3
        )
        _mark_gaps(axes, days, loss.loss_kwh, words("no_balance"))
        if loss.explained:
            _draw_explained(axes, loss, words("this_meter" if kind is Kind.METER else "nobody"))
        axes.axhline(0, color=BLACK, linewidth=0.5)
        axes.set_ylabel(words("kwh_per_day"))
        at = np.array([loss.explained.estimate.kwh if loss.explained else np.nan])
        lowest, highest = _lowest(loss.low_kwh, loss.loss_kwh, at), _highest(loss.high_kwh, loss.loss_kwh, at)
        margin = 0.08 * max(highest - min(lowest, 0.0), 0.1)
        axes.set_ylim(min(lowest, 0.0) - margin, max(highest, 0.0) + margin)
        _date_axis(axes, loss.days, words, is_narrow)
        _mark_onset(axes, loss.days, onset)
        _finish(figure, axes, words)
        title = words("loss_title", transformer=words("transformer").lower())
        return _svg(figure, title, "loss-narrow" if is_narrow else "loss")


def _recent(mean: MeanDay | MeanWeek, words: Words) -> str:
    return words("since_then", days=words.number(mean.recent_days)) if mean.is_since_onset else words("recent")


def _mean_week(mean: MeanWeek, words: Words) -> str:
    places = np.arange(7)
    with _drawn(True, 46) as (figure, axes):
        has_before = np.isfinite(mean.before_kwh).any()
        if has_before:
            label = words("before", days=words.number(mean.before_days))
            axes.bar(
                places - 0.2,
                mean.before_kwh,
                width=0.38,
                facecolor="white",
                edgecolor=BLUE,
                hatch="////",
                linewidth=0.8,
                label=label,
            )
        axes.bar(
            places + (0.2 if has_before else 0), mean.recent_kwh, width=0.38, color=BLACK, label=_recent(mean, words)
        )
        axes.set_xticks(places, [words.weekday(int(place)) for place in places])
        axes.set_ylabel(words("kwh_per_day"))
        _finish(figure, axes, words)
        return _svg(figure, words("mean_week_title"), "mean")


@contextmanager
def _drawn(is_narrow: bool, height_mm: float) -> Iterator[tuple[Figure, Axes]]:
    """Axes to draw on. Sizes are those of paper: on a page of A4 a wide chart fills the width, two narrow ones share it."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):  # type: ignore[arg-type]  # names of settings, as a style file has them
        width = NARROW_MM if is_narrow else WIDE_MM
        figure = Figure(figsize=(width / MM_PER_INCH, height_mm / MM_PER_INCH), layout="constrained")
        if layout := figure.get_layout_engine():
            layout.set(w_pad=0.02, h_pad=0.02)  # type: ignore[call-arg]  # those of the constrained one
        yield figure, figure.add_subplot()


def _shade_outages(axes: Axes, days: Sequence[date], off_hours: np.ndarray, words: Words) -> None:
    """Grey bands on days with outages, darker for longer ones."""
    half, label = timedelta(hours=12), words("outage")
    for day, hours in zip(days, off_hours, strict=True):
        if hours > 0:
            start: Any = np.datetime64(day) - np.timedelta64(half)
            grey = LIGHTEST + (DARKEST - LIGHTEST) * min(hours / 24, 1.0)
            end: Any = start + np.timedelta64(24, "h")  # an axis of dates takes dates
            axes.axvspan(start, end, color=(grey,) * 3, linewidth=0, label=label, zorder=0)
            label = "_"


def _mark_gaps(axes: Axes, days: np.ndarray, values: np.ndarray, label: str) -> None:
    missing = ~np.isfinite(values)
    if missing.any():
        axes.plot(
            days[missing],
            np.zeros(missing.sum()),
            "x",
            transform=axes.get_xaxis_transform(),
            color=GREY,
            markersize=2.6,
            markeredgewidth=0.7,
            clip_on=False,
            label=label,
        )


def _mark_onset(axes: Axes, days: Sequence[date], onset: date | None, told: str = "") -> None:
    if onset is None or not days[0] <= onset <= days[-1]:
        return
    at: Any = np.datetime64(onset) - np.timedelta64(12, "h")
    axes.axvline(at, color=VERMILION, linewidth=1.2, dashes=(6, 1.5, 1, 1.5))
    if not told:
        return
    is_late = (onset - days[0]).days > 0.7 * len(days)
    axes.annotate(
        told,
        (at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-3 if is_late else 3, -1),
        textcoords="offset points",
        ha="right" if is_late else "left",
        va="top",
        color=VERMILION,
        fontweight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        zorder=5,
    )


def _draw_explained(axes: Axes, loss: LossCourse, label: str) -> None:
    """A bar at the mean over the four weeks that it is the mean of, with its interval."""
    explained = loss.explained
    if explained is None:
        return
    estimate = explained.estimate
    start = max(explained.until - timedelta(days=27), loss.days[0], explained.since or loss.days[0])
    span = [np.datetime64(start), np.datetime64(explained.until)]
    axes.plot(span, [estimate.kwh] * 2, color=VERMILION, linewidth=2.2, label=label, zorder=4)
    if estimate.low_kwh is not None and estimate.high_kwh is not None:
        axes.fill_between(
            span,
            [estimate.low_kwh] * 2,
            [estimate.high_kwh] * 2,
            facecolor="none",
            edgecolor=VERMILION,
            hatch="\\\\\\\\\\",
            linewidth=0,
        )


def _from_zero(axes: Axes, top: float) -> None:
    """From a little below zero: what is at zero is seen, and is not what is missing."""
    axes.set_ylim(-0.04 * top, top)


def _steps(axes: Axes, hours: np.ndarray, values: np.ndarray, **look: Any) -> None:
    axes.step(hours, np.append(values, values[-1:]), where="post", **look)


def _date_axis(axes: Axes, days: Sequence[date], words: Words, is_narrow: bool) -> None:
    """Mondays as small ticks; dates at every so many of them that their labels keep apart."""
    mondays = [day for day in days if day.weekday() == 0]
    every = max(1, -(-len(mondays) // (4 if is_narrow else 8)))
    shown = mondays[::every]
    axes.set_xticks([np.datetime64(day) for day in shown], [words.day(day, with_year=False) for day in shown])
    axes.set_xticks([np.datetime64(day) for day in mondays], minor=True)
    half = np.timedelta64(12, "h")
    first: Any = np.datetime64(days[0]) - half
    last: Any = np.datetime64(days[-1]) + half
    axes.set_xlim(first, last)


def _finish(figure: Figure, axes: Axes, words: Words) -> None:
    """Numbers in the language, a light grid, and the legend above."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(5))
    low, high = axes.get_ylim()
    ticks = axes.get_yticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    digits = next(digits for digits in range(6) if np.isclose(step, round(step, digits)) or digits == 5)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value, digits)))
    axes.grid(axis="y", color=PALE, linewidth=0.5)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    if not handles:
        return
    order = sorted(range(len(labels)), key=lambda number: labels[number] != words("reported"))
    columns = _columns(labels, figure.get_size_inches()[0] * MM_PER_INCH)
    figure.legend(
        [handles[number] for number in order],
        [labels[number] for number in order],
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        handlelength=2.2,
        handletextpad=0.5,
        columnspacing=1.2,
        borderpad=0.1,
        borderaxespad=0.1,
        labelspacing=0.25,
    )


def _columns(labels: Sequence[str], width_mm: float) -> int:
    """As many columns as fit; a legend fills them one after the other."""
    for columns in range(len(labels), 1, -1):
        widest = [max(map(len, part)) for part in map(list, np.array_split(np.array(labels, dtype=object), columns))]
        if sum(widest) * LETTER_MM + columns * HANDLE_MM <= width_mm:
            return columns
    return 1


def _highest(*courses: np.ndarray) -> float:
    known = np.concatenate([course[np.isfinite(course)] for course in courses])
    return float(known.max()) if len(known) else 0.0


def _lowest(*courses: np.ndarray) -> float:
    known = np.concatenate([course[np.isfinite(course)] for course in courses])
    return float(known.min()) if len(known) else 0.0


def _svg(figure: Figure, title: str, name: str) -> str:
    """The figure as an element of a page: as wide as its place, with `title` for those who hear the page.

    Of its ids only those remain that it refers to, each with `name` before it: charts of one page share none, because what refers into a chart that is not
    shown draws nothing.
    """
    from xml.sax.saxutils import escape, quoteattr

    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=NO_METADATA, transparent=True)
    text = written.getvalue()
    view = re.search(r'viewBox="([^"]+)"', text)
    if view is None:
        raise ValueError("Matplotlib wrote an SVG without a viewBox")
    inner = text[text.index(">", view.end()) + 1 :]
    inner = re.sub(r"<style[^>]*>.*?</style>", "", inner, count=1, flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([\w.-]+)', inner))
    inner = re.sub(r' id="([^"]*)"', lambda it: f' id="{name}-{it.group(1)}"' if it.group(1) in used else "", inner)
    inner = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", inner)
    inner = re.sub(r"\s*\n\s*", "\n", inner)
    return (
        f'<svg class="chart" role="img" aria-label={quoteattr(title)} viewBox="{view.group(1)}"'
        ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<title>{escape(title)}</title>{inner}"
    )
