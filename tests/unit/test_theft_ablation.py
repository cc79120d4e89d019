"""Rankers that are taught without a part see nothing of it, and tables compare them with the whole."""

from __future__ import annotations

import numpy as np

from benchmarks.detection import Pooled
from benchmarks.teach_theft import Lesson
from benchmarks.theft_ablation import (
    ALL,
    ATTACK_LEFT_OUT,
    FAMILY_LEFT_OUT,
    PLAIN,
    Without,
    by_attack,
    by_family,
    is_column_kept,
    is_taught,
    judged_matrix,
    scores,
)
from ml.theft.evidence import NAMES
from ml.theft.ranker import columns

METERS = 400


def test_without_the_balance_there_are_the_columns_of_the_ranker_without_it() -> None:
    kept = np.array(columns(with_balance=True))[is_column_kept("balance")]
    assert kept.tolist() == columns(with_balance=False)
    assert is_column_kept("").all()
    left = np.array(columns(with_balance=True))[is_column_kept("history")]
    assert not {"drop_tail", "drop", "level_t_other_tail"} & set(left) and {"zero_share_tail", "balance_gain"} < set(
        left
    )


def test_thieves_of_the_attack_teach_nothing_and_others_of_its_kind_do() -> None:
    kind = np.array(["h1", "h1", "magnet", "honest"])
    is_theft = np.array([True, False, True, False])
    assert is_taught("h1", kind, is_theft).tolist() == [False, True, True, True]
    assert is_taught("", kind, is_theft).all()


def test_what_only_the_balance_tells_is_lost_without_it_and_tables_say_so() -> None:
    found = known(seed=1)
    taught = [lesson(seed) for seed in (2, 3, 4)]
    rankers = [*FAMILY_LEFT_OUT, *(one for one in ATTACK_LEFT_OUT if one.attack in ("h1", "h5"))]
    said = scores([found], taught, rankers)
    assert np.isnan(said[ALL][0][1:3]).all(), "known for too few days"
    rows = {row.split(" | ")[1]: row for row in by_family([found], said)}
    assert list(rows) == ["nothing", "history", "peers", "balance"]
    assert auc(rows["nothing"]) > 0.95 and auc(rows["peers"]) > 0.95
    assert auc(rows["balance"]) < 0.65
    attacks = {row.split(" | ")[1]: row.strip("| ").split(" | ")[2:] for row in by_attack([found], said)}
    assert list(attacks) == ["h1", "h5", "all", "all without h5, h6"]
    counts = [int(values[0]) for values in attacks.values()]
    assert counts[0] + counts[1] == counts[2] and counts[3] == counts[0]
    assert attacks["h1"] == attacks["all without h5, h6"]
    assert float(attacks["h1"][2]) > 0.9, "told by the other attack, which looks the same"
    assert set(said) >= {PLAIN, Without("balance", "h5")}


def values(rng: np.random.Generator, is_theft: np.ndarray) -> np.ndarray:
    """Noise, but for the balance, which tells who steals."""
    found = rng.normal(size=(METERS, len(NAMES)))
    found[:, NAMES.index("balance_gain")] = np.abs(found[:, 0]) + 4 * is_theft
    return found


def lesson(seed: int) -> Lesson:
    rng = np.random.default_rng(seed)
    is_theft = np.arange(METERS) % 10 == 0
    seen = values(rng, is_theft)
    kind = np.where(is_theft, np.where(np.arange(METERS) % 20 == 0, "h1", "h5"), "honest")
    return Lesson(seen, kind, is_theft, np.ones(METERS, dtype=bool))


def known(seed: int) -> Pooled:
    one, every = lesson(seed), np.ones(METERS, dtype=bool)
    evidence = values(np.random.default_rng(seed), one.is_theft)
    nothing, known_days = np.zeros(METERS), np.full(METERS, 28)
    known_days[1:3] = 3
    fleet, customer = np.arange(METERS) // 200, np.arange(METERS)
    pooled = Pooled(
        "small", 2, fleet, customer, one.kind, one.is_theft, every, nothing, nothing, evidence, known_days, {}, {}
    )
    assert judged_matrix(pooled).shape == one.seen(with_balance=True).shape
    return pooled


def auc(row: str) -> float:
    return float(row.split(" | ")[2].split()[0])
