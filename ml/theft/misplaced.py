"""Meters that the register has behind the wrong transformer: put where they are before anybody is suspected of what they do to a loss.

What belongs here: finding them in losses, and taking them out. What does not: explaining what is left (explain.py).

A misplaced meter is summed where it draws nothing, so that transformer's loss falls Wh for Wh with its draw, and the loss of the one that feeds it
rises as much, once the daily shape that all meters share is taken out. Falsified readings do the first as well, but leave the energy right: they are not moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.theft.history import FleetHistory
from ml.validation.outages import NO_TRANSFORMER

LEAST_CORRELATION = 0.25
"""Where only the wrong transformer shows it."""
LEAST_OF_BOTH = 0.12
"""Where the right one shows it too."""
SLOPE_TOLERANCE = 0.15
LEAST_ENERGY = 0.4
"""Share of the meter's mean draw by which the loss must lie below zero, where no other transformer claims the meter."""
EXTREME_SHARE = 0.002
MOST_MOVES_PER_TRANSFORMER = 2


@dataclass(frozen=True, eq=False)
class Placed:
    """`lost_wh` as it would be with every meter in its place; `transformer` int [meters], NO_TRANSFORMER where a meter belongs to none
    that is known; `moved` the meters that were."""

    lost_wh: np.ndarray
    transformer: np.ndarray
    moved: np.ndarray


def placed(history: FleetHistory) -> Placed:
    """Losses and places of `history`, which has losses; the surest meter is moved first."""
    lost, transformer = history.known_losses.copy(), history.transformer.copy()
    draw = np.nan_to_num(history.wh)
    x = _limited(_centred(history.wh.astype(np.float32)))
    moved: list[int] = []
    y, known = _flat(lost)
    for _ in range(MOST_MOVES_PER_TRANSFORMER * lost.shape[1]):
        slope, correlation = _own_fit(x, y, known, transformer)
        found = _surest(x, y, known, slope, correlation, transformer, lost, draw)
        if found is None:
            break
        meter, better = found
        old = transformer[meter]
        lost[:, old] += draw[:, meter]
        if better != NO_TRANSFORMER:
            lost[:, better] -= draw[:, meter]
        transformer[meter] = better
        moved.append(meter)
        x[meter] = 0.0  # once is enough
        y, known = _flat(lost)
    return Placed(lost, transformer, np.array(moved, dtype=int))


def _surest(
    x: np.ndarray,
    y: np.ndarray,
    known: np.ndarray,
    slope: np.ndarray,
    correlation: np.ndarray,
    transformer: np.ndarray,
    lost: np.ndarray,
    draw: np.ndarray,
) -> tuple[int, int] | None:
    """(Meter, its better transformer) of the clearest case, None without any."""
    is_candidate = (np.abs(slope + 1) <= SLOPE_TOLERANCE) & (correlation <= -LEAST_OF_BOTH)
    for meter in np.flatnonzero(is_candidate)[np.argsort(correlation[is_candidate])]:
        there, how = _fit(x[meter][None], y, known)
        fits = (np.abs(there[0] - 1) <= SLOPE_TOLERANCE) & (how[0] >= LEAST_OF_BOTH)
        fits[transformer[meter]] = False
        if fits.any():
            return int(meter), int(np.argmax(np.where(fits, how[0], -1)))
        mean = np.nanmean(lost[:, transformer[meter]])
        if correlation[meter] <= -LEAST_CORRELATION and mean <= -LEAST_ENERGY * draw[:, meter].mean():
            return int(meter), NO_TRANSFORMER
    return None


def _own_fit(x: np.ndarray, y: np.ndarray, known: np.ndarray, transformer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Slope, correlation) of each meter with its own transformer's loss, [meters]; 0 where there is none."""
    slope, correlation = np.zeros((2, len(x)))
    for number in range(len(y)):
        behind = np.flatnonzero(transformer == number)
        if len(behind):
            one, other = _fit(x[behind], y[[number]], known[[number]])
            slope[behind], correlation[behind] = one[:, 0], other[:, 0]
    return slope, correlation


def _fit(x: np.ndarray, y: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Slopes, correlations), [rows of x, rows of y]."""
    together, alone = x @ y.T, (x**2) @ known.T
    size = np.sqrt(alone * (y**2).sum(axis=1))
    return together / np.maximum(alone, 1.0), together / np.maximum(size, 1.0)


def _flat(lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Centred losses, where they are known): float32 [transformers, intervals] each."""
    y = _centred(lost.astype(np.float32))
    return np.nan_to_num(y), (~np.isnan(y)).astype(np.float32)


def _centred(values: np.ndarray) -> np.ndarray:
    """[days, rows, slots] less each slot's mean over the days, as [rows, days × slots]."""
    has = ~np.isnan(values)
    mean = np.nansum(values, axis=0) / np.maximum(has.sum(axis=0), 1)
    return (values - mean).transpose(1, 0, 2).reshape(values.shape[1], -1)


def _limited(x: np.ndarray) -> np.ndarray:
    """Rows with their extremes cut off at what all but EXTREME_SHARE of them keep to, and 0 where not known."""
    x = np.nan_to_num(x)
    kept = max(int(x.shape[1] * (1 - EXTREME_SHARE)) - 1, 0)
    limit = np.partition(np.abs(x), kept, axis=1)[:, kept]
    return np.clip(x, -limit[:, None], limit[:, None])
