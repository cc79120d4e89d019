"""The model store: a published model never changes, and nothing is loaded that was not published."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import skops.io

from ml.anomaly.detector import AnomalyModel, fit, score
from ml.anomaly.features import FEATURE_NAMES
from ml.model_store import ModelStore, ModelStoreError, model_bytes

VERSION = "anomaly-2024-01-08"
SAMPLES = np.random.default_rng(1).normal(size=(600, len(FEATURE_NAMES))).astype(np.float32)


def fitted(seed: int = 42) -> AnomalyModel:
    return fit(SAMPLES, share=0.01, threshold=None, seed=seed, window=(date(2023, 12, 11), date(2024, 1, 7)))


@pytest.fixture(scope="module")
def model() -> AnomalyModel:
    return fitted()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def test_a_loaded_model_scores_like_the_published_one(store: ModelStore, model: AnomalyModel) -> None:
    loaded = store.load(VERSION, store.publish(model, VERSION), AnomalyModel)
    np.testing.assert_array_equal(score(loaded, SAMPLES), score(model, SAMPLES))
    assert loaded.metadata() == model.metadata()
    assert loaded.metadata()["last_day"] == "2024-01-07"
    assert loaded.metadata()["libraries"]["scikit-learn"]


def test_equal_models_are_equal_bytes_and_another_seed_is_not(store: ModelStore, model: AnomalyModel) -> None:
    content = model_bytes(model)
    assert model_bytes(fitted()) == content
    assert model_bytes(store.load(VERSION, store.publish(model, VERSION), AnomalyModel)) == content
    assert model_bytes(fitted(seed=7)) != content


def test_another_process_at_another_time_gives_the_same_hash(store: ModelStore, model: AnomalyModel) -> None:
    program = "import sys, test_ml_model_store as t; print(t.ModelStore(t.Path(sys.argv[1])).publish(t.fitted(), 'm'))"
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[1])])
    other = subprocess.run(
        [sys.executable, "-c", program, str(store.directory / "other")],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == store.publish(model, VERSION)


def test_publishing_the_same_again_changes_nothing(store: ModelStore, model: AnomalyModel) -> None:
    digest = store.publish(model, VERSION)
    before = store.path(VERSION).stat()
    assert store.publish(fitted(), VERSION) == digest
    assert store.path(VERSION).stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in store.directory.iterdir()] == [f"{VERSION}.skops"]


def test_other_content_under_a_published_version_is_refused(store: ModelStore, model: AnomalyModel) -> None:
    digest = store.publish(model, VERSION)
    with pytest.raises(ModelStoreError, match=r"anomaly-2024-01-08\.skops.*publish under a new version"):
        store.publish(replace(model, threshold=0.9), VERSION)
    assert store.load(VERSION, digest, AnomalyModel).threshold == model.threshold


def test_of_two_writers_at_once_one_wins_whole(store: ModelStore, model: AnomalyModel) -> None:
    def publish(threshold: float) -> str:
        try:
            return store.publish(replace(model, threshold=threshold), VERSION)
        except ModelStoreError:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        outcomes = Counter(pool.map(publish, (0.5, 0.6, 0.5, 0.6)))
    assert outcomes.pop("refused") == 2
    (digest,) = outcomes
    assert store.load(VERSION, digest, AnomalyModel).threshold in (0.5, 0.6)


def test_a_tampered_file_is_not_loaded(store: ModelStore, model: AnomalyModel) -> None:
    digest = store.publish(model, VERSION)
    content = bytearray(store.path(VERSION).read_bytes())
    content[len(content) // 2] ^= 1
    store.path(VERSION).write_bytes(content)
    with pytest.raises(ModelStoreError, match=r"anomaly-2024-01-08\.skops is not the model.*restore it from a backup"):
        store.load(VERSION, digest, AnomalyModel)


def test_a_missing_file_names_the_remedy(store: ModelStore) -> None:
    with pytest.raises(ModelStoreError, match=r"anomaly-2024-01-08\.skops is missing: restore it"):
        store.load(VERSION, "0" * 64, AnomalyModel)


class Foreign:
    """A type that no model of ours has."""


def test_a_model_with_a_foreign_type_is_neither_published_nor_loaded(store: ModelStore, model: AnomalyModel) -> None:
    with pytest.raises(ModelStoreError, match=r"refused: .*Foreign"):
        store.publish(replace(model, estimator=Foreign()), VERSION)
    content = skops.io.dumps({"estimator": Foreign(), "metadata": "{}"})
    store.directory.mkdir()
    store.path(VERSION).write_bytes(content)
    with pytest.raises(ModelStoreError, match=r"refused: .*Foreign"):
        store.load(VERSION, hashlib.sha256(content).hexdigest(), AnomalyModel)


@pytest.mark.parametrize("version", ["../escape", "", ".hidden", "a/b", "a" * 200])
def test_a_version_is_a_plain_file_name(store: ModelStore, version: str) -> None:
    with pytest.raises(ModelStoreError, match="no model version"):
        store.path(version)
