"""Flags beside planted anomalies: which reading lies in which, and what the counts say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ml.anomaly.evaluation import Planted, agreement

SPIKE, DROP = 0, 1


def at(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[s]")


@pytest.fixture
def planted() -> Planted:
    """A spike of B from noon to one, and a drop of A on the next morning; not in order of meters."""
    return Planted(
        meter_id=np.array(["B", "A"]),
        started_at=at("2024-01-01T12:00", "2024-01-02T06:00"),
        ended_at=at("2024-01-01T13:00", "2024-01-02T08:00"),
        kind=np.array(["spike", "drop"]),
    )


def test_a_reading_lies_in_an_anomaly_of_its_own_meter_from_its_start_to_before_its_end(planted: Planted) -> None:
    meter_id = np.array(["B", "B", "B", "B", "A", "A", "C", "A"])
    reading_at = at(
        "2024-01-01T11:30",
        "2024-01-01T12:00",
        "2024-01-01T12:30",
        "2024-01-01T13:00",
        "2024-01-01T12:00",
        "2024-01-02T07:59",
        "2024-01-01T12:00",
        "2024-01-02T08:00",
    )
    assert planted.holding(meter_id, reading_at).tolist() == [-1, SPIKE, SPIKE, -1, -1, DROP, -1, -1]


def test_instants_of_any_unit_are_compared_as_instants(planted: Planted) -> None:
    reading_at = at("2024-01-01T12:30").astype("datetime64[us]")
    assert planted.holding(np.array(["B"]), reading_at).tolist() == [SPIKE]


def test_an_echo_is_the_week_after_an_anomaly_of_the_meter(planted: Planted) -> None:
    meter_id = np.array(["B", "B", "B", "B", "C"])
    reading_at = at("2024-01-01T12:30", "2024-01-01T13:00", "2024-01-08T12:59", "2024-01-08T13:00", "2024-01-02T00:00")
    assert planted.echoing(meter_id, reading_at).tolist() == [False, True, True, False, False]


def test_every_count_is_what_counting_by_hand_gives(planted: Planted) -> None:
    # Five flags: one of two in the spike, none of one in the drop, two echoes of the spike, two elsewhere.
    meter_id = np.array(["B", "B", "B", "B", "A", "A", "C"])
    reading_at = at(
        "2024-01-01T12:00",
        "2024-01-01T12:30",
        "2024-01-01T20:00",
        "2024-01-02T20:00",
        "2024-01-02T06:00",
        "2024-01-01T00:00",
        "2024-01-01T00:00",
    )
    is_flagged = np.array([True, False, True, True, False, True, True])

    result = agreement(planted, meter_id, reading_at, is_flagged)

    assert (result.readings, result.flagged, result.planted, result.hits, result.echoes) == (7, 5, 3, 1, 2)
    assert result.kinds == {"spike": (1, 1), "drop": (1, 0)}
    assert result.precision == pytest.approx(1 / 5)
    assert result.recall == pytest.approx(1 / 3)
    assert result.attainable_precision == pytest.approx(3 / 5)


def test_an_anomaly_of_which_no_reading_was_scored_is_neither_found_nor_missed(planted: Planted) -> None:
    result = agreement(planted, np.array(["B"]), at("2024-01-01T12:00"), np.array([True]))
    assert result.kinds == {"spike": (1, 1)}
    assert (result.precision, result.recall, result.attainable_precision) == (1, 1, 1)


def test_without_flags_or_without_anomalies_a_share_is_unknown_and_not_zero(planted: Planted) -> None:
    nothing = Planted(*(np.empty(0, dtype) for dtype in ("U1", "datetime64[s]", "datetime64[s]", "U1")))
    meter_id, reading_at = np.array(["B"]), at("2024-01-01T12:00")
    assert math.isnan(agreement(planted, meter_id, reading_at, np.array([False])).precision)
    unknown = agreement(nothing, meter_id, reading_at, np.array([True]))
    assert math.isnan(unknown.recall)
    assert (unknown.precision, unknown.echoes, unknown.kinds) == (0, 0, {})


def test_overlapping_anomalies_of_one_meter_are_refused() -> None:
    with pytest.raises(ValueError, match="of B overlap"):
        Planted(
            np.array(["B", "B"]),
            at("2024-01-01T12:00", "2024-01-01T11:00"),
            at("2024-01-01T13:00", "2024-01-01T12:30"),
            np.array(["spike", "flat"]),
        )
