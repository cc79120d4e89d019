"""Great Expectations, set up once a process: its context, its connection to Postgres, and a checkpoint per table.

What belongs here: what Great Expectations needs to judge many days quickly. Imported only when a day is judged.
What does not: what must hold (one module a schema), what a verdict says to a person (validator.py).

What makes a day cost milliseconds: the suite, its query asset and its checkpoint are built once and only the asset's
query changes with the day; the freshness of stored copies is not compared in every run; results are handed over instead
of stored; no temporary tables, no progress bars, no actions.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import great_expectations as gx
import sqlalchemy as sa
from great_expectations.core.freshness_diagnostics import (
    CheckpointFreshnessDiagnostics,
    ValidationDefinitionFreshnessDiagnostics,
)
from great_expectations.data_context.store.validation_results_store import ValidationResultsStore

from quality_suites.expectations import Rules
from quality_suites.sql import fill, literal

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext
    from great_expectations.datasource.fluent.postgres_datasource import PostgresDatasource

    from quality_suites import Limits, Suite

CONNECT_SECONDS = 10


class CodedCheckpoint(gx.Checkpoint):
    """A checkpoint whose suite is code: nobody edits a stored copy, so there is none to compare with in each run."""

    def is_fresh(self) -> CheckpointFreshnessDiagnostics:
        return CheckpointFreshnessDiagnostics(errors=[])


class CodedValidation(gx.ValidationDefinition):
    """As CodedCheckpoint, for the validation that it runs."""

    def is_fresh(self) -> ValidationDefinitionFreshnessDiagnostics:
        return ValidationDefinitionFreshnessDiagnostics(errors=[])


class PassingStore(ValidationResultsStore):
    """Keeps no result: each is handed over at once, and a process that judges a thousand days must not hold them all."""

    def set(self, key: Any, value: Any, **kwargs: Any) -> None:
        pass


class Engine:
    """One Great Expectations context on one database. Raises what SQLAlchemy or Great Expectations raise."""

    def __init__(self, dsn: str) -> None:
        self._context = gx.get_context(mode="ephemeral")
        # Each table's set-up would write the context's configuration anew, twice, for nobody: it ends with the process.
        self._context.variables.save = lambda: None  # type: ignore[method-assign]
        self._context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]  # it reads a dictionary
        self._context.stores[self._context.validation_results_store_name] = PassingStore()
        url = sa.make_url(dsn).set(drivername="postgresql+psycopg2")
        self._source = self._context.data_sources.add_postgres(  # type: ignore[call-arg]  # its stub lacks kwargs
            "energy",
            connection_string=url.render_as_string(hide_password=False),
            create_temp_table=False,
            kwargs={
                "isolation_level": "AUTOCOMMIT",
                "pool_pre_ping": True,
                "query_cache_size": 0,  # each day's statement is its own: keeping them only costs memory
                "connect_args": {
                    "connect_timeout": CONNECT_SECONDS,
                    "application_name": "energy-assets gate",
                    "options": "-c timezone=UTC -c default_transaction_read_only=on",
                },
            },
        )

    def has_table(self, relation: str) -> bool:
        with self._source.get_engine().connect() as connection:
            return connection.execute(sa.select(sa.func.to_regclass(relation))).scalar() is not None

    def gate(self, suite: Suite, limits: Limits) -> Gate:
        return Gate(self._context, self._source, suite, limits)

    def close(self) -> None:
        """Give the connections back; gates stay, and open others when they are run again."""
        self._source.get_execution_engine().close()
        self._source.get_engine().dispose()


class Gate:
    """The checkpoint of one table; `rules` are the ids of its expectations, in the suite's order."""

    def __init__(
        self,
        context: EphemeralDataContext,
        source: PostgresDatasource,
        suite: Suite,
        limits: Limits,
    ) -> None:
        self._query = Rules(suite).batch
        self._asset = source.add_query_asset(suite.table, query=self._query)
        expectations = suite.expectations(limits)
        self.rules = tuple(expectation.rule_id for expectation in expectations)
        stored = context.suites.add(gx.ExpectationSuite(name=suite.table, expectations=expectations))
        self._expectations: list[Any] = stored.expectations
        validation = CodedValidation(
            name=suite.table, data=self._asset.add_batch_definition_whole_table("day"), suite=stored
        )
        context.validation_definitions.add(validation)
        self._checkpoint = CodedCheckpoint(
            name=f"{suite.table}_checkpoint", validation_definitions=[validation], result_format="BASIC"
        )
        context.checkpoints.add(self._checkpoint)

    def run(self, day: date) -> ExpectationSuiteValidationResult:
        """Run the checkpoint on the rows of `day`."""
        self._asset.query = fill(self._query, {"day": literal(day)})
        # Told directly: as a suite parameter, Great Expectations would parse its name anew for each expectation and day.
        for expectation in self._expectations:
            expectation.day = day.isoformat()
        run = self._checkpoint.run()
        (result,) = run.run_results.values()
        return result
