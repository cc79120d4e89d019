"""A piece of evidence that the shipped rankers do not see is added alone, and what it tells shows."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.teach_theft import Lesson
from benchmarks.theft_pieces import EVERYTHING, Judged, alone, kept, together
from ml.theft.evidence import NAMES
from ml.theft.ranker import columns

METERS = 400
YEAR = NAMES.index("same_season")


@pytest.mark.parametrize("with_balance", [True, False])
def test_what_is_added_is_all_that_is_added(with_balance: bool) -> None:
    assert [EVERYTHING[at] for at in kept(with_balance, ())] == columns(with_balance)
    more = {EVERYTHING[at] for at in kept(with_balance, ("same_season",))} - set(columns(with_balance))
    assert more == {"same_season_tail"}


def test_a_piece_that_tells_all_is_seen_to_and_one_that_nobody_knows_tells_nothing() -> None:
    teaching, judges = [lesson(seed) for seed in (1, 2, 3, 4)], lesson(5)
    every = np.ones(METERS, dtype=bool)
    found = Judged("small", np.zeros(METERS, dtype=int), np.arange(METERS), judges.is_theft, every, every, (judges,))
    by_itself = {row.split(" | ")[1]: auc(row) for row in alone([found])}
    assert by_itself["same_season"] > 0.95 > 0.65 > by_itself["drop_t"]
    rows = {row.split(" | ")[1]: auc(row) for row in together([found], teaching)}
    assert rows["without: and same_season"] > 0.95 > 0.65 > rows["without: as shipped"]
    assert rows["without: and sibling_change"] < 0.65
    assert np.isnan(judges.without("same_season").values[:, YEAR]).all() and not np.isnan(judges.values).any()


def lesson(seed: int) -> Lesson:
    """Noise, but for the year before, which tells who steals."""
    rng = np.random.default_rng(seed)
    is_theft = np.arange(METERS) % 10 == 0
    values = rng.normal(size=(METERS, len(NAMES)))
    values[:, YEAR] -= 4 * is_theft
    return Lesson(values, np.where(is_theft, "h1", "honest"), is_theft, np.ones(METERS, dtype=bool))


def auc(row: str) -> float:
    return float(row.split(" | ")[2].split()[0])
