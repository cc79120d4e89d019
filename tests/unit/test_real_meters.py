"""The comparison with real meters: its statistics know what they were given."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks import real_meters
from benchmarks.real_meters import Meters, autocorrelation, evening_share, load_factor, weekend_ratio

MONDAY = date(2024, 1, 1)


def meters(kwh: np.ndarray) -> Meters:
    return Meters("given", kwh, MONDAY)


def test_a_shape_that_returns_every_day_is_fully_correlated_at_a_day() -> None:
    day = np.sin(2 * np.pi * np.arange(48) / 48)
    rows = np.tile(day, 14)[None, :]
    assert autocorrelation(rows, 48) == pytest.approx(1)
    assert autocorrelation(rows, 24) == pytest.approx(-1)
    assert abs(autocorrelation(np.random.default_rng(1).random((1, 4000)), 48)[0]) < 0.05


def test_gaps_and_rows_that_do_not_vary_are_left_out() -> None:
    rows = np.tile(np.sin(np.arange(48)), (2, 14))
    rows[0, 100:130] = np.nan
    rows[1] = 3.0
    assert autocorrelation(rows, 48) == pytest.approx(1)


def test_weekends_are_told_from_weekdays() -> None:
    kwh = np.ones((2, 14, 48))
    kwh[:, [5, 6, 12, 13]] = 1.5
    assert weekend_ratio(meters(kwh)) == pytest.approx(1.5)


def test_load_factor_and_evening_share() -> None:
    kwh = np.zeros((1, 1, 48))
    kwh[0, 0, 36:48] = 2.0
    assert load_factor(meters(kwh)) == pytest.approx(0.25)
    assert evening_share(meters(kwh)) == pytest.approx(8 / 12)


def test_without_real_meters_nothing_is_written_and_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_meters, "PAGE", tmp_path / "page.md")
    assert real_meters.main([str(tmp_path)]) == 1
    assert "sgsc and swiss not found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
