"""Who behind a transformer explains its non-technical loss: a few meters, each in the way that fits best, or nobody.

What belongs here: the fit of losses to what meters reported. What does not: whose register entry is wrong (misplaced.py).

    NTL(t) ≈ Σ a·c(t),  a ≥ 0,  the columns c(t) being ways to steal of each meter, most of them unused

A thief who reports a share of the draw leaves a loss that follows the reported draw, at all hours, by night or at weekends; one who reports too
little or invents readings leaves one that follows what is missing from the expectation. The few columns that explain are chosen one by one, orthogonal
matching pursuit (Pati, Rezaiifar and Krishnaprasad, 1993) with non-negative least squares after each step: dense non-negative least squares would
share a loss among honest siblings whose days look alike. How much is stolen is bootstrapped over days.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from ml.cores import cores
from ml.forecast import WORKDAY
from ml.theft import known
from ml.theft.history import FleetHistory

WAYS = ("share", "night", "weekend", "missing", "invented")
"""The loss follows what the meter reports at all hours, by night, or at weekends; what is missing from the expectation; or the difference from the
expectation, either sign: readings that keep the energy and not its course."""
NOBODY = -1
RECENT_DAYS = 28
NIGHT = (22, 5)
LEAST_BEFORE_DAYS = 14
"""An expectation needs so many days before the onset."""
MOST_COLUMNS = 8
LEAST_GAIN = 24.0
"""A column must lower the squared residual by so many times its mean: as much as a chance column of a few hundred rarely does."""
EXTREME_SHARE = 0.002
LEAST_RESIDUAL_WH = 15.0
"""No loss is known better: accuracy classes of meters alone leave more."""
DRIFT_MINUTES = (30, 60, 90, 120, 180, 240)
BOOTSTRAPS = 200
SEED = 20_260_101


@dataclass(frozen=True, eq=False)
class Explanation:
    """What explains the losses. Arrays are [meters] unless told otherwise.

    `gain` is by how many of its own mean squares the residual would grow without the meter (0: not at all); `gain_share` by what share of
    itself; NaN where there is no balance. `stolen_wh` a day over the last RECENT_DAYS, with the 5th and 95th percentiles of its bootstrap; `way` an index of WAYS or NOBODY; `share` the
    coefficient; `since` the day from which the way is followed, 0 where throughout; `has_drifting_clock` bool. `unexplained_wh` float
    [transformers] a day, NaN without a balance, with `unexplained_low_wh` and `unexplained_high_wh`. `is_misplaced` bool, once it is known (misplaced.py).
    """

    gain: np.ndarray
    gain_share: np.ndarray
    stolen_wh: np.ndarray
    stolen_low_wh: np.ndarray
    stolen_high_wh: np.ndarray
    way: np.ndarray
    share: np.ndarray
    since: np.ndarray
    has_drifting_clock: np.ndarray
    unexplained_wh: np.ndarray
    unexplained_low_wh: np.ndarray
    unexplained_high_wh: np.ndarray
    is_misplaced: np.ndarray | None = None

    def of(self, meters: slice | np.ndarray) -> Explanation:
        """The same of those meters; transformers stay."""
        per_meter = (
            "gain",
            "gain_share",
            "stolen_wh",
            "stolen_low_wh",
            "stolen_high_wh",
            "way",
            "share",
            "since",
            "has_drifting_clock",
        )
        misplaced = None if self.is_misplaced is None else self.is_misplaced[meters]
        return replace(self, is_misplaced=misplaced, **{name: getattr(self, name)[meters] for name in per_meter})


def explain(history: FleetHistory, onsets: np.ndarray, usual_w: np.ndarray) -> Explanation:
    """Explain `history.lost_wh`, with meters in their places, by what its meters report.

    `onsets` int [candidates, meters] are days from which each meter may have stolen, 0 for always; `usual_w` float [candidates, meters,
    parts] what it drew before in equal parts of the day, W, NaN where that is not known: for onsets that lie before these days.
    """
    meters, transformers = history.meters, history.known_losses.shape[1]
    floats = {
        name: np.zeros(meters)
        for name in ("gain", "gain_share", "stolen_wh", "stolen_low_wh", "stolen_high_wh", "share")
    }
    floats["gain"][:] = floats["gain_share"][:] = np.nan
    ints = {"way": np.full(meters, NOBODY), "since": np.zeros(meters, dtype=int)}
    drifting = np.zeros(meters, dtype=bool)
    left = np.full((3, transformers), np.nan)
    factor = fleet_factor(history.wh)

    def fit(number: int) -> None:
        members = places[number]
        one = _Transformer(history, number, members, onsets[:, members], usual_w[:, members], factor)
        one.choose()
        found = one.told()
        for name, values in (*floats.items(), *ints.items()):
            values[members] = found[name]
        drifting[members] = one.drifting
        left[:, number] = one.left()

    places = history.members()
    balanced = ~np.isnan(history.known_losses).all(axis=(0, 2))
    # Each writes what is its own; numpy lets other threads run while it computes.
    with ThreadPoolExecutor(cores()) as pool:
        deque(pool.map(fit, (number for number in np.flatnonzero(balanced) if len(places[number]))), maxlen=0)
    return Explanation(
        **floats,
        **ints,
        has_drifting_clock=drifting,
        unexplained_wh=left[0],
        unexplained_low_wh=left[1],
        unexplained_high_wh=left[2],
    )


def fleet_factor(wh: np.ndarray) -> np.ndarray:
    """What all meters together do on a day, [days]: the median of their energy over their own median day; 1 where nothing is known."""
    mean = known.mean(wh.astype(np.float64), axis=2)
    own = known.median(mean, axis=0)
    return np.nan_to_num(known.median(np.where(own > 1, mean / np.maximum(own, 1), np.nan), axis=1), nan=1.0)


class _Gram:
    """Products of columns with each other. Of hundreds few are ever chosen, and only theirs are made, once each."""

    def __init__(self, flat: np.ndarray) -> None:
        self._flat = flat
        self.diagonal = np.einsum("ci,ci->c", flat, flat).astype(np.float64)
        self._made: dict[int, np.ndarray] = {}

    def beside(self, columns: Sequence[int]) -> np.ndarray:
        """Products of every column with each of `columns`, float64 [all columns, columns]."""
        for column in columns:
            if column not in self._made:
                self._made[column] = (self._flat @ self._flat[column]).astype(np.float64)
        return (
            np.stack([self._made[column] for column in columns], axis=1) if columns else np.zeros((len(self._flat), 0))
        )


class _Transformer:
    """The fit of one transformer. Columns are numbered way by way and candidate by candidate, within each meter by meter."""

    def __init__(
        self,
        history: FleetHistory,
        number: int,
        members: np.ndarray,
        onsets: np.ndarray,
        usual_w: np.ndarray,
        factor: np.ndarray,
    ) -> None:
        self._history, self._members = history, members
        self._wh = history.wh[:, members].astype(np.float64)
        self._factor = factor
        lost = history.known_losses[:, number]
        self._known = ~np.isnan(lost)
        limit = np.quantile(np.abs(lost[self._known]), 1 - EXTREME_SHARE)
        self._loss = np.clip(np.where(self._known, lost, 0.0), -limit, limit)
        self._onsets, self._usual_w = onsets, usual_w
        self._columns, self._way, self._candidate = self._made()
        nobody = self._of_nobody()
        self._owner = np.append(np.tile(np.arange(len(members)), len(self._columns)), [NOBODY] * len(nobody))
        self._flat = np.empty((len(self._owner), self._known.size), dtype=np.float32)
        self._flat[-len(nobody) :] = nobody
        by_way = self._flat[: -len(nobody)].reshape(len(self._columns), len(members), *self._known.shape)
        for into, column in zip(by_way, self._columns, strict=True):
            np.multiply(column.transpose(1, 0, 2), self._known, out=into)
        self._gram = _Gram(self._flat)
        self._usable = self._gram.diagonal > LEAST_RESIDUAL_WH**2
        self.drifting = np.zeros(len(members), dtype=bool)
        self._set_loss(self._loss)
        self._active: list[int] = []
        self._share = np.zeros(0)

    def _made(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """(Float32 [days, members, slots] of each way and candidate, the way of each, the candidate of each)."""
        days, slots = self._wh.shape[0], self._wh.shape[2]
        hour = np.arange(slots) * 24 / slots
        is_night = (hour >= NIGHT[0]) | (hour < NIGHT[1]) if slots > 1 else np.zeros(1, dtype=bool)
        is_rest = self._history.day_types != WORKDAY
        reported = _limited(self._wh)
        found, ways, candidates = [], [], []
        for number, since in enumerate(self._onsets):
            after = (np.arange(days)[:, None] >= since)[:, :, None]
            expected = expected_wh(self._wh, self._history.day_types, since, self._factor)
            usual = self._usual_w[number][:, np.arange(slots) * self._usual_w.shape[2] // slots] * 24 / slots
            is_seen = (since >= LEAST_BEFORE_DAYS)[None, :, None]
            expected = np.where(is_seen, expected, usual[None] * self._factor[:, None, None])
            lacking = np.where(after, np.nan_to_num(expected - self._wh), 0.0)
            for way, column in enumerate(
                (
                    reported * after,
                    reported * after * is_night,
                    reported * after * is_rest[:, None, None],
                    np.maximum(lacking, 0.0),
                    lacking,
                )
            ):
                found.append(column.astype(np.float32))
                ways.append(way)
                candidates.append(number)
        return found, np.array(ways), np.array(candidates)

    def _of_nobody(self) -> np.ndarray:
        """What a stranger on the line would draw, float32 [columns, intervals]: the same at all times, or as the street does by the hour."""
        by_slot = np.nan_to_num(known.mean(self._wh, axis=0)).sum(axis=0)
        always = np.full(self._known.shape, by_slot.mean()) * self._known
        return np.stack([always.ravel(), (by_slot[None] * self._known).ravel()]).astype(np.float32)

    def _set_loss(self, loss: np.ndarray) -> None:
        self._loss = loss
        self._with_loss = self._flat @ loss.ravel()
        self._square = float((loss**2)[self._known].sum())

    def choose(self) -> None:
        """Choose the columns that explain, one by one."""
        intervals = int(self._known.sum())
        current = self._square
        while len(self._active) < MOST_COLUMNS:
            gain = self._gains(self._with_loss - self._gram.beside(self._active) @ self._share)
            best = int(gain.argmax())
            if gain[best] < LEAST_GAIN * current / intervals:
                break
            if self._is_invented(best) and self._takes_for_clock(best, gain[best]):
                current = self._residual(self._active, self._share)
                continue
            chosen = [*self._active, best]
            share = self._fitted(chosen)
            residual = self._residual(chosen, share)
            if current - residual < LEAST_GAIN * residual / intervals:
                break
            self._active = [column for column, a in zip(chosen, share, strict=True) if a > 0]
            self._share, current = share[share > 0], residual
        self._mean_square = max(current / intervals, LEAST_RESIDUAL_WH**2)
        self._current = current

    def _is_invented(self, column: int) -> bool:
        return self._owner[column] != NOBODY and WAYS[self._way[column // len(self._members)]] == "invented"

    def _gains(self, with_residual: np.ndarray) -> np.ndarray:
        """By how much each column alone would lower the squared residual, [columns]."""
        is_open = self._usable & (with_residual > 0)
        gain = np.where(is_open, with_residual**2 / np.where(is_open, self._gram.diagonal, 1.0), 0.0)
        gain[self._active] = 0.0
        return gain

    def _fitted(self, columns: list[int]) -> np.ndarray:
        return _non_negative(self._gram.beside(columns)[columns], self._with_loss[columns])

    def _residual(self, columns: list[int], share: np.ndarray) -> float:
        gram = self._gram.beside(columns)[columns]
        return float(self._square - 2 * share @ self._with_loss[columns] + share @ gram @ share)

    def _takes_for_clock(self, column: int, gain: float) -> bool:
        """Whether a clock that runs fast explains as much as invented readings would: then its loss is taken out, and the meter left alone."""
        member = self._owner[column]
        slots = self._wh.shape[2]
        series = np.nan_to_num(self._wh[:, member]).ravel()
        lags = sorted({max(round(minutes * slots / 1440), 1) for minutes in DRIFT_MINUTES})
        late = np.stack([np.append(series[lag:], np.repeat(series[-1], lag)) - series for lag in lags])
        late *= self._known.ravel()
        residual = self._loss.ravel() * self._known.ravel() - self._share @ self._flat[self._active]
        share = _non_negative(late @ late.T, late @ residual)
        explained = float(2 * share @ (late @ residual) - share @ (late @ late.T) @ share)
        if explained < gain or self.drifting[member]:
            return False
        self.drifting[member] = True
        others = len(self._owner) - len(self._way) * len(self._members)
        invented = np.append(np.repeat(self._way == WAYS.index("invented"), len(self._members)), [False] * others)
        self._usable[(self._owner == member) & invented] = False
        self._set_loss(self._loss - (share @ late).reshape(self._loss.shape))
        self._share = self._fitted(self._active) if self._active else self._share
        return True

    def told(self) -> dict[str, np.ndarray]:
        """What is known of each member, by the names of Explanation."""
        count = len(self._members)
        found = {
            name: np.zeros(count)
            for name in ("gain", "gain_share", "stolen_wh", "stolen_low_wh", "stolen_high_wh", "share")
        }
        found |= {"way": np.full(count, NOBODY), "since": np.zeros(count, dtype=int)}
        drawn = self._bootstrapped()
        alone = self._gains(self._with_loss - self._gram.beside(self._active) @ self._share)
        for member in range(count):
            others = [at for at, column in enumerate(self._active) if self._owner[column] != member]
            own = [at for at, column in enumerate(self._active) if self._owner[column] == member]
            if own:
                kept = [self._active[at] for at in others]
                share = self._fitted(kept) if kept else np.zeros(0)
                without = self._residual(kept, share)
                found["gain"][member] = (without - self._current) / self._mean_square
                found["gain_share"][member] = (without - self._current) / max(without, 1.0)
                main = max(own, key=lambda at: self._share[at] ** 2 * self._gram.diagonal[self._active[at]])
                place = self._active[main] // count
                found["way"][member], found["share"][member] = self._way[place], self._share[main]
                found["since"][member] = self._onsets[self._candidate[place], member]
                energy = np.array([self._recent(self._active[at]) for at in own])
                found["stolen_wh"][member] = max(self._share[own] @ energy, 0.0)
                low, high = np.quantile(drawn[:, own] @ energy, (0.05, 0.95))
                found["stolen_low_wh"][member] = max(min(low, found["stolen_wh"][member]), 0.0)
                found["stolen_high_wh"][member] = max(high, found["stolen_wh"][member])
            else:
                gain = alone[self._owner == member].max()
                found["gain"][member] = 0.5 * gain / self._mean_square
                found["gain_share"][member] = 0.5 * gain / max(self._current, 1.0)
        return found

    def _recent(self, column: int) -> float:
        """Energy a day of a column over the last days, Wh."""
        part = self._columns[column // len(self._members)][-RECENT_DAYS:, column % len(self._members)]
        return float(part.sum(dtype=np.float64)) / len(part)

    def _bootstrapped(self) -> np.ndarray:
        """Coefficients of the active columns on days drawn anew, float64 [BOOTSTRAPS, active]."""
        if not self._active:
            return np.zeros((BOOTSTRAPS, 0))
        days = len(self._wh)
        part = self._flat[self._active].reshape(len(self._active), days, -1).transpose(1, 0, 2).astype(np.float64)
        gram = part @ part.transpose(0, 2, 1)
        with_loss = np.einsum("dcs,ds->dc", part, self._loss)
        weight = np.random.default_rng(SEED).multinomial(days, np.full(days, 1 / days), BOOTSTRAPS)
        grams = np.tensordot(weight, gram, axes=1)
        grams += 1e-6 * np.trace(gram.sum(axis=0)) / len(self._active) * np.eye(len(self._active))
        return np.maximum(np.linalg.solve(grams, (weight @ with_loss)[..., None])[..., 0], 0.0)

    def left(self) -> tuple[float, float, float]:
        """What nobody explains, Wh a day over the last days, with its 5th and 95th percentiles over days."""
        by_meters = [at for at, column in enumerate(self._active) if self._owner[column] != NOBODY]
        columns = [self._active[at] for at in by_meters]
        explained = (self._share[by_meters] @ self._flat[columns]).reshape(self._loss.shape) if columns else 0.0
        rest = np.where(self._known, self._loss - explained, np.nan)[-RECENT_DAYS:]
        by_day = known.mean(rest, axis=1) * rest.shape[1]
        by_day = by_day[~np.isnan(by_day)]
        if not len(by_day):
            return np.nan, np.nan, np.nan
        drawn = np.random.default_rng(SEED).choice(by_day, (BOOTSTRAPS, len(by_day))).mean(axis=1)
        return float(by_day.mean()), *np.quantile(drawn, (0.05, 0.95))


def expected_wh(wh: np.ndarray, day_types: np.ndarray, since: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """What each meter would have reported had nothing changed on day `since`: float64 [days, meters, slots], NaN without days to tell.

    The mean of the same slot on days of the same type before, over what the fleet did on them, times what it did on the day. Below
    LEAST_BEFORE_DAYS all days count.
    """
    before = np.where(since >= LEAST_BEFORE_DAYS, since, len(wh))
    scaled = wh / factor[:, None, None]
    anyway = _means_before(scaled, np.arange(len(wh)), before)
    found = np.empty(wh.shape)
    for kind in np.unique(day_types):
        days = np.flatnonzero(day_types == kind)
        alike = _means_before(scaled, days, before)
        found[days] = np.where(np.isnan(alike), anyway, alike)[None] * factor[days, None, None]
    return found


def _means_before(values: np.ndarray, days: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Means over those of `days` before each meter's day, [meters, slots], NaN without any, of `values` [days, meters, slots]."""
    has = ~np.isnan(values[days])
    last, meter = np.searchsorted(days, before) - 1, np.arange(values.shape[1])
    count, total = (np.cumsum(one, axis=0)[last, meter] for one in (has, np.where(has, values[days], 0.0)))
    return np.where((last >= 0)[:, None] & (count > 0), total / np.maximum(count, 1), np.nan)


def _non_negative(gram: np.ndarray, with_loss: np.ndarray) -> np.ndarray:
    """Non-negative least squares from the normal equations: the same minimum as with the columns themselves."""
    gram = gram + np.diag(1e-9 * np.diag(gram) + 1e-9)
    root = np.linalg.cholesky(gram)
    return nnls(root.T, np.linalg.solve(root, with_loss))[0]


def _limited(wh: np.ndarray) -> np.ndarray:
    """Readings [days, meters, slots] cut off at what all but a few of each meter keep to; 0 where not known."""
    filled = np.nan_to_num(wh)
    flat = filled.transpose(1, 0, 2).reshape(wh.shape[1], -1)
    kept = max(int(flat.shape[1] * (1 - EXTREME_SHARE / 2)) - 1, 0)
    return np.minimum(filled, np.partition(flat, kept, axis=1)[:, kept][None, :, None])
