"""Who scores a week: decisions, and the rankers that inspections taught, in the model store and in ml.theft_model.

What belongs here: deciding a week by what was known before it, recording and loading by week. What does not: learning and judging (ml/theft), reading
visits (theft_visits.py), the file format (ml/model_store.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from psycopg2 import sql

from ml.theft.contest import KEPT, STAYS, Decision, decide, too_few
from ml.theft.learnt import Learnt

if TYPE_CHECKING:
    from energy_assets.resources.models import Models
    from energy_assets.resources.theft_visits import TeachingVisits
    from energy_assets.resources.warehouse import Warehouse

RECORDED = "select model_version, sha256, decision, reason from ml.theft_model where fitted_date = %s"
BEFORE = "select model_version, sha256 from ml.theft_model where fitted_date < %s order by fitted_date desc limit 1"


@dataclass(frozen=True)
class Recorded:
    """A week's row. `model_version` and `sha256` are None where the unsupervised score scores it."""

    model_version: str | None
    sha256: str | None
    decision: str
    reason: str


@dataclass(frozen=True, eq=False)
class InService:
    """A ranker that scores a week."""

    version: str
    sha256: str
    ranker: Learnt


class TheftModels:
    """Decisions and rankers by week; a decided week never changes."""

    def __init__(self, warehouse: Warehouse, models: Models) -> None:
        self._warehouse, self._models = warehouse, models

    def decided(self, week: date) -> Recorded | None:
        """What was decided of the week, where the ranker that it brought was not lost."""
        found = self._recorded(week)
        return None if found and self._has_lost_its_file(found) else found

    def decide(self, week: date, visits: TeachingVisits, *, least_labels: int, run_id: str) -> Recorded:
        """Decide who scores the week by visits before it, and record that."""
        champion = self._champion(week)
        theft, clean = visits.counts(week)
        if theft < least_labels:
            decision = too_few(theft, clean, has_champion=champion is not None, least_labels=least_labels)
        else:
            decision = decide(visits.seen, champion.ranker if champion else None, until=week, least_labels=least_labels)
        return self.publish(week, decision, champion, run_id=run_id)

    def scoring(self, week: date) -> InService | None:
        """The ranker of the week, its hash verified; None where the unsupervised score stands."""
        found = self._recorded(week)
        return self._loaded(found.model_version, found.sha256) if found else None

    def publish(self, week: date, decision: Decision, champion: InService | None, *, run_id: str) -> Recorded:
        """Store the ranker that was kept, then record the decision, under the table's lock; of two writers the first one's stands.

        A lost file of a published ranker is written again. Raises ModelStoreError where `decision` does not come to that one any more.
        """
        store = self._models.store
        with self._warehouse.locked("ml.theft_model"):
            if held := self._recorded(week):
                if decision.ranker and self._has_lost_its_file(held):
                    store.rebuild(decision.ranker, str(held.model_version), str(held.sha256))
                return held
            version = sha256 = None
            if decision.ranker:
                version = f"theft-{week}"
                # A run that died between file and table leaves a file that nothing refers to.
                store.discard(version)
                sha256 = store.publish(decision.ranker, version)
            elif champion and decision.decision == STAYS:
                version, sha256 = champion.version, champion.sha256
            row = _row(week, version, sha256, decision, champion, run_id)
            columns, values = (sql.SQL(", ").join(map(of, row)) for of in (sql.Identifier, sql.Placeholder))
            with self._warehouse.transaction() as connection, connection.cursor() as cursor:
                cursor.execute(sql.SQL("insert into ml.theft_model ({}) values ({})").format(columns, values), row)
        return Recorded(version, sha256, decision.decision, decision.reason)

    def _recorded(self, week: date) -> Recorded | None:
        """What was decided of the week that starts on `week`."""
        rows = self._warehouse.rows(RECORDED, (week,))
        return Recorded(*rows[0]) if rows else None

    def _champion(self, week: date) -> InService | None:
        """The ranker of the newest week before."""
        rows = self._warehouse.rows(BEFORE, (week,))
        return self._loaded(*rows[0]) if rows else None

    def _has_lost_its_file(self, recorded: Recorded) -> bool:
        """Whether the ranker that the week itself brought is gone from the store."""
        return recorded.decision == KEPT and not self._models.store.holds(str(recorded.model_version))

    def _loaded(self, version: str | None, sha256: str | None) -> InService | None:
        if version is None or sha256 is None:
            return None
        return InService(version, sha256, self._models.store.load(version, sha256, Learnt))


def _row(
    week: date,
    version: str | None,
    sha256: str | None,
    decision: Decision,
    champion: InService | None,
    run_id: str,
) -> dict[str, object]:
    """A row of ml.theft_model by its columns."""
    row: dict[str, object] = {
        "fitted_date": week,
        "model_version": version,
        "sha256": sha256,
        "decision": decision.decision,
        "reason": decision.reason,
        "theft_visits": decision.theft,
        "clean_visits": decision.clean,
        "judged_from": decision.judged_from,
        "champion_version": champion and champion.version,
        "run_id": run_id,
    }
    if beside := decision.beside_unsupervised:
        row |= {
            "judged_theft": beside.theft,
            "judged_clean": beside.clean,
            "unsupervised_precision": beside.other_precision,
            "challenger_precision": beside.precision,
            "gain_low": beside.gain.low,
            "gain_high": beside.gain.high,
        }
    if beside := decision.beside_champion:
        row |= {
            "champion_theft": beside.theft,
            "champion_clean": beside.clean,
            "champion_precision": beside.other_precision,
            "beside_champion_precision": beside.precision,
            "champion_gain_low": beside.gain.low,
            "champion_gain_high": beside.gain.high,
        }
    return row
