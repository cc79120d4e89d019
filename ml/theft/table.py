"""Evidence and scores as rows: what is kept of a day, and evidence read back from it.

What belongs here: columns and their order. What does not: databases; what the numbers mean (evidence.py, scores.py).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml.theft.evidence import NAMES, Evidence
from ml.theft.explain import NOBODY, WAYS, Explanation
from ml.theft.lookbacks import LOOKBACK_DAYS
from ml.theft.ranker import is_of_days, version
from ml.theft.reasons import Reason, in_words
from ml.theft.scores import SCORED, Scores
from ml.validation.estimation import whole

EVIDENCE = pa.schema(
    [
        ("score_date", pa.date32()),
        ("meter_id", pa.string()),
        ("transformer_id", pa.string()),
        ("known_days", pa.int16()),
        ("reported_wh", pa.int64()),
        ("drop_date", pa.date32()),
        ("before_w", pa.float64()),
        ("after_w", pa.float64()),
        ("fleet_change", pa.float64()),
        ("onset_date", pa.date32()),
        ("explained_date", pa.date32()),
        ("explained_way", pa.string()),
        ("explained_since", pa.date32()),
        ("explained_wh", pa.int64()),
        ("explained_low_wh", pa.int64()),
        ("explained_high_wh", pa.int64()),
        ("used_wh", pa.int64()),
        ("bought_wh", pa.int64()),
        ("carried_wh", pa.int64()),
        ("year_ago_wh", pa.int64()),
        *((name, pa.float64()) for name in NAMES),
    ]
)
SCORES = pa.schema(
    [
        ("score_date", pa.date32()),
        ("meter_id", pa.string()),
        ("transformer_id", pa.string()),
        ("theft_score", pa.float64()),
        ("theft_probability", pa.float64()),
        ("probability_basis", pa.string()),
        ("onset_date", pa.date32()),
        ("stolen_kwh_per_day", pa.float64()),
        ("stolen_kwh_low", pa.float64()),
        ("stolen_kwh_high", pa.float64()),
        ("reasons", pa.string()),
        ("reason_en", pa.string()),
        ("reason_fr", pa.string()),
        ("score_status", pa.string()),
        ("model_version", pa.string()),
    ]
)
DECIMALS = 6
"""What is kept of a statistic: the last bits differ from machine to machine."""
PRIOR, LABELS = "prior", "labels"
ENGLISH, FRENCH = 0, 1


@dataclass(frozen=True, eq=False)
class Purchases:
    """Of prepaid meters, in Wh, float64 [meters], NaN where not known: what was used in PURCHASE_DAYS, what was bought in them, and what was left of
    purchases of the CARRIED_DAYS before them, at least."""

    used_wh: np.ndarray
    bought_wh: np.ndarray
    carried_wh: np.ndarray

    @classmethod
    def unknown(cls, meters: int) -> Purchases:
        return cls(*np.full((3, meters), np.nan))

    def of(self, meters: np.ndarray | slice) -> Purchases:
        """Those of some meters."""
        return Purchases(self.used_wh[meters], self.bought_wh[meters], self.carried_wh[meters])


def first_day(day: date) -> date:
    """Day 0 of the traits that evidence of `day` is read from."""
    return day - timedelta(days=LOOKBACK_DAYS - 1)


def evidence_table(
    evidence: Evidence,
    day: date,
    meter_ids: np.ndarray,
    transformer_ids: np.ndarray,
    explained_date: date | None,
    purchases: Purchases,
) -> pa.Table:
    """Rows of EVIDENCE. `transformer_ids` are empty where not known."""
    count, first = len(meter_ids), first_day(day)
    explained = evidence.explanation
    has = np.zeros(count, dtype=bool) if explained is None else ~np.isnan(explained.gain)
    by = has & (explained.way != NOBODY) if explained is not None else has
    ways = np.full(count, "", dtype=object)
    if explained is not None:
        ways[by] = np.array(WAYS)[explained.way[by]]
    energies = (
        [np.zeros(count)] * 3
        if explained is None
        else [explained.stolen_wh, explained.stolen_low_wh, explained.stolen_high_wh]
    )
    columns = [
        _all(day, count),
        pa.array(meter_ids),
        pa.array(transformer_ids, mask=transformer_ids == ""),
        pa.array(evidence.known_days),
        _whole(evidence.reported_wh),
        _dates(evidence.drop_day, first),
        *(_number(values) for values in (evidence.before_w, evidence.after_w, evidence.fleet_change)),
        _dates(evidence.onset_day, first),
        pa.array(np.full(count, explained_date, dtype="datetime64[D]"), mask=~has),
        pa.array(ways, mask=~by),
        _dates(np.where(by, 0 if explained is None else explained.since, 0), first),
        *(_whole(np.where(by, values, np.nan)) for values in energies),
        *(_whole(values) for values in (purchases.used_wh, purchases.bought_wh, purchases.carried_wh)),
        _whole(evidence.year_ago_wh),
        *(_number(evidence.values[:, number]) for number in range(len(NAMES))),
    ]
    return pa.table(columns, names=EVIDENCE.names).cast(EVIDENCE)


def evidence_of(table: pa.Table, day: date) -> Evidence:
    """The evidence of `day` that rows of EVIDENCE hold, in their order."""
    first = first_day(day)
    gain, way = _floats(table["balance_gain"]), pc.fill_null(table["explained_way"], "").to_numpy(zero_copy_only=False)
    explanation = None
    if not np.isnan(gain).all():
        nothing = np.zeros(0)
        explanation = Explanation(
            gain=np.expm1(gain),
            gain_share=_floats(table["balance_share"]) ** 2,
            stolen_wh=np.nan_to_num(_floats(table["explained_wh"])),
            stolen_low_wh=np.nan_to_num(_floats(table["explained_low_wh"])),
            stolen_high_wh=np.nan_to_num(_floats(table["explained_high_wh"])),
            way=np.array([WAYS.index(one) if one else NOBODY for one in way], dtype=int),
            share=np.full(len(gain), np.nan),
            since=_days(table["explained_since"], first),
            has_drifting_clock=np.zeros(len(gain), dtype=bool),
            unexplained_wh=nothing,
            unexplained_low_wh=nothing,
            unexplained_high_wh=nothing,
        )
    return Evidence(
        values=np.column_stack([_floats(table[name]) for name in NAMES]),
        known_days=table["known_days"].to_numpy(),
        drop_day=_days(table["drop_date"], first),
        onset_day=_days(table["onset_date"], first),
        before_w=_floats(table["before_w"]),
        after_w=_floats(table["after_w"]),
        fleet_change=_floats(table["fleet_change"]),
        reported_wh=_floats(table["reported_wh"]),
        year_ago_wh=_floats(table["year_ago_wh"]),
        explanation=explanation,
    )


def scores_table(
    scores: Scores,
    reasons: Sequence[Sequence[Reason]],
    table: pa.Table,
    day: date,
    has_balance: np.ndarray,
    learnt_version: str | None = None,
) -> pa.Table:
    """Rows of SCORES, of the meters of `table` (EVIDENCE) in their order. `learnt_version` names the ranker that inspections taught, where one scored."""
    is_scored = scores.status == SCORED
    of_days = is_of_days(_floats(table["zero_share"]))
    versions = np.where(
        of_days,
        np.where(has_balance, version(True, True), version(False, True)),
        np.where(has_balance, version(True), version(False)),
    )
    basis = PRIOR
    if learnt_version:
        basis, versions = LABELS, np.full(len(is_scored), learnt_version)
    kwh = (scores.stolen_wh, scores.stolen_low_wh, scores.stolen_high_wh)
    columns = [
        _all(day, len(is_scored)),
        table["meter_id"],
        table["transformer_id"],
        _number(scores.score),
        _number(scores.probability),
        pa.array(np.full(len(is_scored), basis), mask=~is_scored),
        _dates(np.maximum(scores.onset_day, 0), first_day(day)),
        *(_number(values / 1000, 3) for values in kwh),
        pa.array([json.dumps(one, ensure_ascii=False) for one in reasons], pa.string()),
        *(pa.array([in_words(one, language) for one in reasons], pa.string()) for language in (ENGLISH, FRENCH)),
        pa.array(scores.status),
        pa.array(versions, mask=~is_scored),
    ]
    return pa.table(columns, names=SCORES.names).cast(SCORES)


def _all(day: date, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(day, pa.date32()), count)


def _dates(days: np.ndarray, first: date) -> pa.Array:
    """Dates of days after `first`, null where 0."""
    return pa.array(np.datetime64(first, "D") + days.astype("timedelta64[D]"), pa.date32(), mask=days <= 0)


def _days(dates: pa.ChunkedArray, first: date) -> np.ndarray:
    """The reverse of _dates."""
    days = pc.fill_null(pc.cast(dates, pa.int32()), 0).to_numpy().astype(int)
    return np.where(days > 0, days - (first - date(1970, 1, 1)).days, 0)


def _whole(values: np.ndarray) -> pa.Array:
    return pa.array(whole(values), mask=np.isnan(values)).cast(pa.int64())


def _number(values: np.ndarray, decimals: int = DECIMALS) -> pa.Array:
    return pa.array(np.round(values, decimals), mask=np.isnan(values))


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy()
