"""Why a meter is suspicious or is not, and, in a simulated home, how right the list of cases is.

What belongs here: reading scores and evidence of days that may be read. What does not: how they come about (ml/theft), printing (cli.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from energy_assets.case_words import CaseError
from energy_assets.home import Home, HomeError
from energy_assets.operations.cases import ON_LIST, Case, CaseList, case_list
from energy_assets.resources.gates import newest_readable_day

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

RANKED = """
    select meter_id, transformer_id, theft_score, theft_probability, probability_basis, onset_date, stolen_kwh_per_day, stolen_kwh_low, stolen_kwh_high,
        reason_en, reason_fr, score_status, model_version,
        row_number() over (order by theft_score desc nulls last, meter_id), count(theft_score) over ()
    from ml.theft_scores where score_date = %s
"""
ONE = f"select * from ({RANKED}) as ranked where meter_id = %s"
EXPLAINED = """
    select explained_date, meter_id, energy_wh / 1000.0, way from ml.loss_explanations
    where transformer_id = %s and explained_date = (
        select max(explained_date) from ml.loss_explanations where explained_date between %s and %s
    ) and (way is not null and energy_wh >= 50 or meter_id = '')
    order by energy_wh desc
"""
JUDGED_DAYS = 7
"""A thief who began later is not asked for yet."""
SHOWN_EVIDENCE = 6
FAR_OUT = 0.9


@dataclass(frozen=True)
class Suspect:
    """A meter's score of a day. `place` counts from 1 among `scored` meters; scores and probabilities are None where it is not scored."""

    meter_id: str
    transformer_id: str | None
    score: float | None
    probability: float | None
    basis: str | None
    since: date | None
    stolen_kwh: float | None
    low_kwh: float | None
    high_kwh: float | None
    reason_en: str
    reason_fr: str
    status: str
    model: str | None
    place: int
    scored: int


@dataclass(frozen=True)
class Truth:
    """`thieves` are meters that steal on the day and have for a week; `kinds` says of every meter what it is: a way to steal, something that
    only looks like it, or honest."""

    thieves: frozenset[str]
    kinds: dict[str, str]


@dataclass(frozen=True)
class JudgedList:
    """The list of `day` beside what a simulator knows: None, and nothing missed, in other homes."""

    known: CaseList
    listed: tuple[Case, ...]
    truth: Truth | None
    missed: tuple[str, ...]
    """Thieves who are not on the list, nor drawn for a visit, nor found by one."""

    @property
    def not_worth(self) -> tuple[str, ...]:
        """Of them, those with a case that money keeps off the list."""
        known = {case.subject_id for case in self.known.cases if case.state in ON_LIST and not case.suppressed_until}
        return tuple(meter for meter in self.missed if meter in known)

    @property
    def confirmed(self) -> int:
        """Thieves whom visits have found."""
        return (
            sum(case.subject_id in self.truth.thieves for case in self.known.cases if is_confirmed(case))
            if self.truth
            else 0
        )

    @property
    def found(self) -> int:
        return sum(case.subject_id in self.truth.thieves for case in self.listed) if self.truth else 0


@dataclass(frozen=True)
class Piece:
    """One number of evidence. `farther_than` is the share of the fleet that it is farther out than, None where it is not known."""

    name: str
    family: str
    description: str
    in_french: str
    value: float | None
    farther_than: float | None


@dataclass(frozen=True)
class Dossier:
    """All that is known of one meter on a day. `sharers` explain its transformer's loss: (meter, kWh a day, way), an empty meter being nobody."""

    day: date
    suspect: Suspect
    known_days: int
    evidence: tuple[Piece, ...]
    explained_date: date | None
    sharers: tuple[tuple[str, float, str | None], ...]

    @property
    def telling(self) -> tuple[Piece, ...]:
        """What is far out, the farthest first."""
        far = [piece for piece in self.evidence if piece.farther_than is not None and piece.farther_than >= FAR_OUT]
        return tuple(sorted(far, key=lambda piece: -(piece.farther_than or 0.0))[:SHOWN_EVIDENCE])


def is_confirmed(case: Case) -> bool:
    """Whether a visit found theft there."""
    return case.state == "confirmed"


def newest_day(warehouse: Warehouse) -> date | None:
    """The newest day whose scores may be read."""
    return newest_readable_day(warehouse, "theft_scores")


def judged_list(warehouse: Warehouse, home: Home) -> JudgedList | None:
    """The newest day's list; None where no case ever opened."""
    try:
        known = case_list(warehouse)
    except HomeError:
        return None
    if not known.cases:
        return None
    listed, truth = known.on_list(), truth_of(home, known.day)
    told = {case.subject_id for case in known.cases if case.is_on_list or is_confirmed(case)}
    missed = sorted(truth.thieves - told) if truth else []
    return JudgedList(
        known, tuple(sorted(listed, key=lambda case: case.place or len(known.cases))), truth, tuple(missed)
    )


def truth_folder(home: Home) -> Path | None:
    """Where the simulator wrote what is true of this home's deliveries; None where they were not simulated."""
    folder = home.path / "simulated" / "truth"
    return folder if (folder / "meters.parquet").is_file() else None


def truth_of(home: Home, day: date) -> Truth | None:
    """None where the home's deliveries were not simulated."""
    folder = truth_folder(home)
    if folder is None:
        return None
    import polars as pl

    meters = pl.read_parquet(folder / "meters.parquet")
    goes_on = pl.col("end").is_null() | (pl.col("end") > day)
    thieves = meters.filter(pl.col("is_theft") & goes_on & (pl.col("onset") <= day - timedelta(days=JUDGED_DAYS - 1)))
    return Truth(frozenset(thieves["meter_id"]), dict(meters.select("meter_id", "type").iter_rows()))


def dossier(warehouse: Warehouse, meter_id: str, day: date) -> Dossier:
    """What is known of a meter on a day. Raises HomeError where it was not looked at, with what to do."""
    rows = warehouse.rows(ONE, (day, meter_id))
    if not rows:
        raise _absent(warehouse, meter_id, day)
    suspect = Suspect(*rows[0])
    evidence, known_days = _evidence(warehouse, meter_id, day)
    shared = (
        warehouse.rows(EXPLAINED, (suspect.transformer_id, day - timedelta(days=6), day))
        if suspect.transformer_id
        else []
    )
    sharers = tuple((meter, float(kwh), way) for _, meter, kwh, way in shared)
    return Dossier(day, suspect, known_days, evidence, shared[0][0] if shared else None, sharers)


def _absent(warehouse: Warehouse, meter_id: str, day: date) -> CaseError:
    newest = newest_day(warehouse)
    if newest is None:
        return CaseError("no_scores")
    if not warehouse.rows("select 1 from ml.theft_scores where score_date = %s limit 1", (day,)):
        return CaseError("day_without_scores", day=day, newest=newest, meter=meter_id, iso=newest.isoformat())
    known = warehouse.rows(
        "select max(reading_date) from intermediate.int_readings_daily where meter_id = %s and reading_date <= %s",
        (meter_id, day),
    )[0][0]
    if known is None:
        return CaseError("no_such_meter", meter=meter_id, day=day)
    return CaseError("too_little", meter=meter_id, last=known, day=day)


def _evidence(warehouse: Warehouse, meter_id: str, day: date) -> tuple[tuple[Piece, ...], int]:
    """(Evidence of the meter, days known of the last four weeks)."""
    from ml.theft.evidence import PIECES

    ranks = ", ".join(
        f"case when {piece.name} is not null then percent_rank() over (order by {_signed(piece.name, piece.sign)} nulls first) end"
        for piece in PIECES
    )
    names = ", ".join(piece.name for piece in PIECES)
    row = warehouse.rows(
        f"select * from (select meter_id, known_days, {names}, {ranks} from ml.theft_evidence where score_date = %s) as ranked"
        " where meter_id = %s",
        (day, meter_id),
    )[0]
    values: Sequence[float | None] = row[2 : 2 + len(PIECES)]
    farther: Sequence[float | None] = row[2 + len(PIECES) :]
    pieces = tuple(
        Piece(piece.name, piece.family, piece.description, piece.in_french, value, out)
        for piece, value, out in zip(PIECES, values, farther, strict=True)
    )
    return pieces, row[1]


def _signed(name: str, sign: int) -> str:
    return name if sign > 0 else f"-{name}"
