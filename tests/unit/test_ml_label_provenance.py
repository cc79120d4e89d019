"""Labels' provenance: the statement claims what was computed, and nothing else."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ml.label_provenance import isolation_forest_label_agreement, noise_evidence, statement


def load(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return (
        np.array([float(row["Electricity_Consumed"]) for row in rows]),
        np.array([float(row["Avg_Past_Consumption"]) for row in rows]),
        np.array([row["Anomaly_Label"] == "Abnormal" for row in rows]),
        np.array([int(row["Timestamp"].split()[1].split(":")[0]) for row in rows]),
    )


@pytest.mark.shared_data
@pytest.mark.parametrize("dialect", ["smart_meter_data.csv", "smart_meter_data.dialect_ddmmyyyy.csv"])
def test_the_public_files_labels_are_a_forests_output_on_white_noise(shared_data: Path, dialect: str) -> None:
    consumption, past_average, labels, hour = load(shared_data / "kaggle_smart_meter" / dialect)
    agreement = isolation_forest_label_agreement(consumption, past_average, labels)
    noise = noise_evidence(consumption, hour)
    assert (agreement.matches, agreement.total, agreement.labelled) == (5000, 5000, 250)
    assert 0.8 < agreement.other_seeds_low <= agreement.other_seeds_high < 0.95
    assert noise.is_white_noise
    assert round(noise.hour_variance_share, 3) == 0.003
    said = statement(agreement, noise)
    assert "repeats 5,000 of 5,000 labels" in said
    assert said.endswith("this data says nothing about detection.")


def test_labels_that_no_forest_gave_are_not_claimed_to_be_one() -> None:
    random = np.random.default_rng(3)
    hour = np.arange(2400) // 2 % 24
    consumption = 1 + np.sin(hour / 24 * 2 * np.pi) + random.normal(0, 0.1, len(hour))
    labels = random.random(len(hour)) < 0.05
    agreement = isolation_forest_label_agreement(consumption, consumption, labels, other_seeds=[1])
    noise = noise_evidence(consumption, hour)
    assert not agreement.is_reproduced
    assert not noise.is_white_noise
    assert noise.hour_variance_share > 0.9
    said = statement(agreement, noise)
    assert f"repeats {agreement.matches:,} of 2,400 labels: they come from something else" in said
    assert "consumption has structure" in said
    assert "output" not in said
    assert "nothing about detection" not in said


def test_all_alike_labels_prove_nothing() -> None:
    values = np.random.default_rng(0).normal(size=400)
    nothing_labelled = isolation_forest_label_agreement(values, values, np.zeros(400, dtype=bool), other_seeds=[])
    assert not nothing_labelled.is_reproduced


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="as many labels as readings, got 3, 3, 2"):
        isolation_forest_label_agreement(np.ones(3), np.ones(3), np.ones(2, dtype=bool))


def test_a_constant_is_not_called_noise() -> None:
    assert not noise_evidence(np.ones(200), np.arange(200) % 24).is_white_noise


def test_too_few_readings_say_nothing() -> None:
    with pytest.raises(ValueError, match="100 are needed"):
        noise_evidence(np.ones(20), np.zeros(20, dtype=int))
