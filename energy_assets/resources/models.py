"""Published models: the files in the home, and the table that says which one scores which week.

What belongs here: publishing and loading by week. What does not: fitting (assets/anomaly.py), the file format (ml/model_store.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from energy_assets.days import DayWindow
from energy_assets.home import Home
from energy_assets.resources.warehouse import Warehouse

if TYPE_CHECKING:
    from ml.anomaly.detector import AnomalyModel
    from ml.model_store import ModelStore


@dataclass(frozen=True)
class Published:
    model_version: str
    sha256: str


@dataclass(frozen=True)
class Loaded:
    version: str
    model: AnomalyModel


class Models(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own resources are not parametrised either
    """The models of a home: their store, and the anomaly models of its weeks."""

    home: str

    def published(self, warehouse: Warehouse, fitted_date: date) -> Published | None:
        rows = warehouse.rows(
            "select model_version, sha256 from ml.anomaly_model where fitted_date = %s", (fitted_date,)
        )
        return Published(*rows[0]) if rows else None

    def kept(self, warehouse: Warehouse, fitted_date: date) -> Published | None:
        """The published model of the week, where its file was not lost."""
        published = self.published(warehouse, fitted_date)
        return published if published and self.store.holds(published.model_version) else None

    def load(self, warehouse: Warehouse, fitted_date: date) -> Loaded | None:
        """The model of the week that starts on `fitted_date`, its hash verified; None where none was published."""
        from ml.anomaly.detector import AnomalyModel

        published = self.published(warehouse, fitted_date)
        if published is None:
            return None
        model = self.store.load(published.model_version, published.sha256, AnomalyModel)
        return Loaded(published.model_version, model)

    def publish(
        self,
        warehouse: Warehouse,
        model: AnomalyModel,
        version: str,
        *,
        fitted_date: date,
        training: DayWindow,
        training_days: int,
        run_id: str,
    ) -> Published:
        """Store the file, then name it in the table, under the table's lock; of two writers the first one's model stands.

        A lost file of a published model is written again. Raises ModelStoreError where `model` is not that one.
        """
        with warehouse.locked("ml.anomaly_model"):
            if held := self.published(warehouse, fitted_date):
                self.store.rebuild(model, held.model_version, held.sha256)
                return held
            # A run that died between file and table leaves a file that nothing refers to.
            self.store.discard(version)
            digest = self.store.publish(model, version)
            with warehouse.transaction() as connection, connection.cursor() as cursor:
                cursor.execute(
                    "insert into ml.anomaly_model (fitted_date, model_version, sha256, training_start_date,"
                    " training_end_date, training_days, training_rows, score_threshold, feature_names, run_id)"
                    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        fitted_date,
                        version,
                        digest,
                        training.start,
                        training.end,
                        training_days,
                        model.row_count,
                        model.threshold,
                        list(model.feature_names),
                        run_id,
                    ),
                )
        return Published(version, digest)

    @property
    def store(self) -> ModelStore:
        from ml.model_store import ModelStore

        return ModelStore(Home.at(self.home).models)
