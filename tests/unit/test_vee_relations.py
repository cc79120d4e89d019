"""The simulated city as the benchmark of relational rules reads it: what its files say agrees with its truth."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks.city_arrays import mornings, read_city
from benchmarks.city_truth import read_truth
from benchmarks.vee_relations import case_columns, held_against, judge, register_pairs
from energy_assets.simulation import simulate

FIRST_DAY, DAYS = date(2024, 1, 1), 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An honest city without look-alikes or defects of delivery."""
    out = tmp_path_factory.mktemp("city")
    options = {"theft_rate": 0.0, "look_alikes": False, "with_defects": False}
    simulate(120, DAYS, 5, out, FIRST_DAY, transformers=4, **options)
    return out


def test_balances_and_registers_of_an_honest_city_close(folder: Path) -> None:
    city = read_city(folder, FIRST_DAY, DAYS)
    *_, last = mornings(city)
    fed = np.nansum(city.fed_wh[last.day - 28 :])
    assert abs(np.nansum(last.residual_wh)) < 0.03 * fed, "meters err by a share, and silence in outages is no use"
    counted, summed = register_pairs(city, last)
    known = ~np.isnan(summed)
    assert known.sum() > 60
    assert np.abs(counted - summed)[known].max() < 100


def test_no_rule_hits_an_honest_city_but_where_supply_was_off(folder: Path) -> None:
    city = read_city(folder, FIRST_DAY, DAYS)
    truth = read_truth(folder / "truth", city)
    wrong, unclear = held_against(city, truth)
    clean = {rule: ~np.any([*of.values(), unclear[rule]], axis=0) for rule, of in wrong.items()}
    hits, known, _ = judge(city, truth, clean)
    for rule in ("sibling", "sum", "multiplier", "register_reset", "load_shedding_use", "outage_from_siblings"):
        assert known[rule].any(), rule
        assert not (hits[rule] & known[rule] & clean[rule]).any(), rule


def test_cases_are_runs_of_days_and_are_caught_on_a_day_of_theirs() -> None:
    is_wrong, is_hit = np.zeros((2, 40, 3), dtype=bool)
    is_wrong[30:35, 0] = is_wrong[37:39, 0] = is_wrong[20:31, 1] = is_wrong[10:20, 2] = True
    is_hit[32, 0] = is_hit[36, 0] = is_hit[29, 1] = True
    found = case_columns(is_wrong, np.ones_like(is_wrong), is_hit)
    assert found == "3 | 2 (66.7 %) | 2.5, 3", "a case before the first day that is judged is none"
