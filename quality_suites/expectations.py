"""The platform's own Great Expectations: judged all at once, in one query a day.

What belongs here: the metric and the six expectations that the suites are made of, and `Rules`, which writes them.
What does not: which rule holds for which table (one module a schema), contexts and checkpoints (engine.py).

Why not the shipped ones: ten `ExpectColumnValuesTo…` cost 80 ms a day, nearly all of it in building their metric
graphs, and each failing one queries again for counts and rows. Here every expectation asks for numbers through one
aggregate metric, which Great Expectations bundles into a single SELECT over the day, and queries at most five rows, only
when it fails. A suite of four to twelve costs 6 to 25 ms on the readings of 100 meters.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.core.metric_function_types import MetricPartialFunctionTypes
from great_expectations.execution_engine.sqlalchemy_execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_partial
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.metric_configuration import MetricConfiguration
from great_expectations.validator.validator import ValidationDependencies

from quality_suites.sql import Value, fill, identifier, literal, relation

if TYPE_CHECKING:
    from quality_suites import Suite

SAMPLE = "select * from ({faults}) as faults limit 5"
FAULT_COUNT = "(select count(*) from ({faults}) as faults)"
DECLARED_COLUMNS = """(
    select json_object_agg(attname, format_type(atttypid, null))::text
    from pg_catalog.pg_attribute
    where attrelid = to_regclass({table}) and attnum > 0 and not attisdropped
)"""
THE_DAY = "select * from {table} where {date_column} = {day}"
"""A literal date, so that Postgres reads that day's partition alone."""
FAULTY_ROWS = "select {row} from {batch} as day_rows where {condition} order by {key}"
REPEATED_KEYS = """
    select {row} || ': ' || count(*) || ' rows' from {batch} as day_rows group by {key} having count(*) > 1 order by {key}
"""
KEY_FORBIDS_THEM = """
    exists (
        select from pg_catalog.pg_index as held
        where held.indrelid = to_regclass({table}) and held.indisunique and held.indisvalid and held.indimmediate
            and held.indpred is null and held.indexprs is null and held.indnkeyatts = held.indnatts
            and (
                select bool_and(attnotnull and attname in {columns}) from pg_catalog.pg_attribute
                where attrelid = held.indrelid and attnum = any(held.indkey::int2[])
            )
    )
"""
"""Whether Postgres itself keeps two rows with the same values of some of `columns` from being there: it need not be looked for then."""
ENERGY_THERE = "select {by} as part, coalesce(sum({theirs}), 0) as wh from {source} where reading_date = {day} and {where} group by {by}"
DIFFERING_ENERGY = """
    select {name} || coalesce(here.part, there.part)
        || ': ' || coalesce({shown_here}, 'no') || {unit} || ' here, ' || coalesce({shown_there}, 'no') || ' there'
    from (select {by} as part, sum({column}) as energy from {batch} as day_rows group by {by}) as here
    full join ({energy_there}) as there using (part)
    where here.energy * {wh} is distinct from there.wh
    order by part
"""


class DayMeasure(TableMetricProvider):
    """One number or text about the day: an SQL expression over the batch, computed together with all others."""

    metric_name = "day.measure"
    value_keys = ("sql",)

    @metric_partial(
        engine=SqlAlchemyExecutionEngine,
        partial_fn_type=MetricPartialFunctionTypes.AGGREGATE_FN,
        domain_type=MetricDomainTypes.TABLE,
    )
    def _sqlalchemy(
        cls, metric_domain_kwargs: dict[str, Any], metric_value_kwargs: dict[str, Any], **_: Any
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        # A subquery alone is no aggregate: it would come once a row when Great Expectations computes it by itself.
        return (
            sa.literal_column(f"case when count(*) >= 0 then ({metric_value_kwargs['sql']}) end"),
            metric_domain_kwargs,
            {},
        )


class DayExpectation(BatchExpectation):
    """Something that must hold of one day of a table.

    SQL in it may use `{day}`, a date literal, and `{batch}`, the day's rows as a subquery.
    """

    day: str | None = None
    """ISO date of the day that is judged; a gate sets it before each run."""
    batch: str
    column: str | None = None
    fault: str
    """What is wrong with what breaks it, as the message has it."""
    sample: str = ""
    """A query whose first column, text, shows the rows that break it."""

    success_keys: ClassVar[tuple[str, ...]] = ("day", "batch", "fault")

    @property
    def rule_id(self) -> str:
        """The name that it carries in its suite."""
        return str((self.meta or {})["rule"])

    @abstractmethod
    def stated(self) -> str:
        """What must hold, in words and with its limit."""

    @abstractmethod
    def measures(self) -> dict[str, str]:
        """SQL expressions by name; what they come to is handed to `found`."""

    @abstractmethod
    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`success`, `observed`, `unexpected_count`, `element_count` and `message` for the measured `values`."""

    def get_validation_dependencies(
        self, execution_engine: Any = None, runtime_configuration: dict[str, Any] | None = None
    ) -> ValidationDependencies:
        return ValidationDependencies(
            {
                name: MetricConfiguration("day.measure", {"batch_id": self.batch_id}, {"sql": self._of_the_day(sql)})
                for name, sql in self.measures().items()
            },
            result_format=(runtime_configuration or {}).get("result_format", {}),
        )

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: dict[str, Any] | None = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        finding = self.found(metrics)
        success = bool(finding.pop("success"))
        finding["sample"] = [] if success else self._sampled(execution_engine)
        return {"success": success, "result": finding}

    def _sampled(self, execution_engine: SqlAlchemyExecutionEngine) -> list[str]:
        query = fill(SAMPLE, {"faults": self._of_the_day(self.sample)})
        # A colon would start a bind parameter of SQLAlchemy's text.
        rows = execution_engine.execute_query(sa.text(query.replace(":", r"\:"))).fetchall()
        return [str(row[0]) for row in rows]

    def _of_the_day(self, sql: str) -> str:
        if self.day is None:
            raise ValueError("no day was set to judge")
        day = literal(date.fromisoformat(self.day))
        return fill(sql, {"batch": f"({fill(self.batch, {'day': day})})", "day": day})


class ExpectTableColumnsAndTypes(DayExpectation):
    """The table has these columns, of one of the given types each. Further columns are named, and no fault."""

    table: str
    columns: dict[str, list[str]]

    def stated(self) -> str:
        return "has " + ", ".join(f"`{name}` ({' or '.join(types)})" for name, types in self.columns.items())

    def measures(self) -> dict[str, str]:
        return {"columns": fill(DECLARED_COLUMNS, {"table": literal(self.table)})}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        held = json.loads(values["columns"] or "{}")
        missing = [name for name in self.columns if name not in held]
        mistyped = [
            f"{name} is {held[name]} instead of {' or '.join(types)}"
            for name, types in self.columns.items()
            if name in held and held[name] not in types
        ]
        further = [name for name in held if name not in self.columns]
        faults = [*(f"{name} is missing" for name in missing), *mistyped]
        found = f"{len(self.columns) - len(faults)} of {len(self.columns)} columns as declared"
        return {
            "success": not faults,
            "observed": found,
            "unexpected_count": len(faults),
            "element_count": len(self.columns),
            "message": "; ".join([found, *faults]) + (f" (further columns: {', '.join(further)})" if further else ""),
        }

    def _sampled(self, execution_engine: SqlAlchemyExecutionEngine) -> list[str]:
        return []


class ExpectSomeRows(DayExpectation):
    """The day has rows; `fault` says what it means when it has none."""

    def stated(self) -> str:
        return f"has rows; without any: {self.fault}"

    def measures(self) -> dict[str, str]:
        return {"rows": "count(*)"}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        rows = values["rows"]
        return {
            "success": rows > 0,
            "observed": number(rows),
            "unexpected_count": None,
            "element_count": rows,
            "message": f"{number(rows)} rows" if rows else self.fault,
        }

    def _sampled(self, execution_engine: SqlAlchemyExecutionEngine) -> list[str]:
        return []


class ExpectNoRowsWhere(DayExpectation):
    """No row of the day meets `condition`."""

    condition: str

    def stated(self) -> str:
        return f"no rows {self.fault}"

    def measures(self) -> dict[str, str]:
        return {"rows": "count(*)", "faulty": f"count(*) filter (where {self.condition})"}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        faulty, rows = values["faulty"], values["rows"]
        return {
            "success": faulty == 0,
            "observed": f"{number(faulty)} of {number(rows)}",
            "unexpected_count": faulty,
            "element_count": rows,
            "message": f"{number(faulty)} of {number(rows)} rows {self.fault} (limit 0)",
        }


class ExpectNoRowsFromQuery(DayExpectation):
    """`query` returns nothing. It is not asked where the condition `is_proven` holds: what proves that is asked instead."""

    query: str
    is_proven: str = "false"

    def stated(self) -> str:
        return f"no {self.fault}"

    def measures(self) -> dict[str, str]:
        faulty = fill(FAULT_COUNT, {"faults": self.query})
        return {"rows": "count(*)", "faulty": f"case when {self.is_proven} then 0 else {faulty} end"}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        faulty = values["faulty"]
        return {
            "success": faulty == 0,
            "observed": number(faulty),
            "unexpected_count": faulty,
            "element_count": values["rows"],
            "message": f"{self.fault}: {number(faulty)} (limit 0)",
        }


class ExpectShareBetween(DayExpectation):
    """`part` ÷ `whole` lies in [`minimum`, `maximum`]; a day with nothing to share passes."""

    part: str
    whole: str
    minimum: float = 0.0
    maximum: float = 1.0

    def stated(self) -> str:
        bound = f"at least {percent(self.minimum)}" if self.minimum > 0 else f"at most {percent(self.maximum)}"
        return f"{self.fault}: {bound}"

    def measures(self) -> dict[str, str]:
        return {"part": as_float(self.part), "whole": as_float(self.whole)}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        part, whole = values["part"] or 0, values["whole"] or 0
        share = part / whole if whole else None
        limit = self.minimum if self.minimum > 0 else self.maximum
        return {
            "success": share is None or self.minimum <= share <= self.maximum,
            "observed": "nothing to judge" if share is None else percent(share),
            "unexpected_count": round(part if self.minimum <= 0 else max(whole - part, 0)),
            "element_count": round(whole),
            "message": f"{number(part)} of {number(whole)} {self.fault} (limit {percent(limit)})",
        }


class ExpectSumsToAgree(DayExpectation):
    """`ours`, a sum over the day, equals `theirs`, the same sum where it comes from."""

    ours: str
    theirs: str

    def stated(self) -> str:
        return f"{self.fault}: no difference"

    def measures(self) -> dict[str, str]:
        return {"ours": as_float(self.ours), "theirs": as_float(self.theirs), "rows": "count(*)"}

    def found(self, values: Mapping[str, Any]) -> dict[str, Any]:
        ours, theirs = values["ours"] or 0, values["theirs"] or 0
        return {
            "success": ours == theirs,
            "observed": number(ours),
            "unexpected_count": None,
            "element_count": values["rows"],
            "message": f"{self.fault}: {number(ours)} here, {number(theirs)} there"
            + ("" if ours == theirs else f" (difference {number(ours - theirs)}, limit 0)"),
        }


class Rules:
    """Writes the expectations of one suite: `Rules(suite).no_rows_where("meter_id-not-null", "meter_id is null", …)`.

    `rule_id` is unique in the suite and never changes: recorded verdicts carry it. Keyword arguments that no method
    names are values for the SQL's placeholders, as literals.
    """

    def __init__(self, suite: Suite) -> None:
        self.table = suite.table
        self._key = suite.key
        self._table = relation(suite.schema, suite.table)
        self._day_column = suite.date_column

    def columns(self, **types: Sequence[str] | str) -> DayExpectation:
        wanted = {name: [kind] if isinstance(kind, str) else list(kind) for name, kind in types.items()}
        return self.rule(
            ExpectTableColumnsAndTypes, "schema", fault="not as declared", table=self._table, columns=wanted
        )

    def not_null(self, *columns: str) -> list[DayExpectation]:
        return [
            self.no_rows_where(f"{name}-not-null", f"{identifier(name)} is null", fault=f"without {name}", column=name)
            for name in columns
        ]

    def one_of(
        self, column: str, allowed: Sequence[str] | Sequence[int], *, severity: str = "critical"
    ) -> DayExpectation:
        """The column holds one of `allowed`, or null."""
        return self.no_rows_where(
            f"{column}-known",
            f"{identifier(column)} not in {{allowed}}",
            fault=f"with {column} other than {', '.join(map(str, allowed))}",
            column=column,
            severity=severity,
            allowed=allowed,
        )

    def between(
        self, column: str, minimum: float, maximum: float | None = None, *, severity: str = "critical"
    ) -> DayExpectation:
        """The column lies in [`minimum`, `maximum`], or is null. NaN lies outside, sorting above all numbers."""
        upper = "'Infinity'" if maximum is None else literal(maximum)
        beyond = ">=" if maximum is None else ">"
        widened = "::numeric" if maximum is None else ""  # integers know no infinity
        words = f"below {number(minimum)}" if maximum is None else f"outside {number(minimum)} to {number(maximum)}"
        return self.no_rows_where(
            f"{column}-in-range",
            f"{identifier(column)} < {literal(minimum)} or {identifier(column)}{widened} {beyond} {upper}",
            fault=f"with {column} {words}",
            column=column,
            severity=severity,
        )

    def unique(self, *columns: str) -> DayExpectation:
        """No two rows of the day have the same `columns`. Where the table has such a key, that is what is looked at: sorting millions of rows
        every morning would show nothing else."""
        query = fill(REPEATED_KEYS, {"row": _shown(columns), "key": _listed(columns)})
        known = {"table": literal(self._table), "columns": literal([self._day_column, *columns])}
        return self.rule(
            ExpectNoRowsFromQuery,
            "-".join([*columns, "unique"]),
            fault=f"{', '.join(columns)} in more than one row",
            query=query,
            is_proven=fill(KEY_FORBIDS_THEM, known),
            sample=query,
            column=columns[0] if len(columns) == 1 else None,
        )

    def no_rows_where(
        self,
        rule_id: str,
        condition: str,
        *,
        fault: str,
        column: str | None = None,
        shows: Sequence[str] = (),
        severity: str = "critical",
        **values: Value,
    ) -> DayExpectation:
        """No row of the day meets `condition`; `fault` says what is wrong with one that does, after "12 of 48 rows".

        Samples show the row's key and the columns that it `shows`; `column` alone, where nothing else is said.
        """
        condition = fill(condition, _literals(values))
        shown = dict.fromkeys([*self._key, *(shows or ([column] if column else []))])
        return self.rule(
            ExpectNoRowsWhere,
            rule_id,
            fault=fault,
            column=column,
            severity=severity,
            condition=condition,
            sample=fill(FAULTY_ROWS, {"row": _shown(shown), "condition": condition, "key": _listed(self._key)}),
        )

    def no_rows_from(
        self, rule_id: str, query: str, *, fault: str, severity: str = "critical", **values: Value
    ) -> DayExpectation:
        """`query` returns no row; its first column is the sample's text, and `fault` what its rows are."""
        query = fill(query, _literals(values))
        return self.rule(ExpectNoRowsFromQuery, rule_id, fault=fault, severity=severity, query=query, sample=query)

    def some_rows(self, rule_id: str, *, fault: str, severity: str = "critical") -> DayExpectation:
        return self.rule(ExpectSomeRows, rule_id, fault=fault, severity=severity)

    def share(
        self,
        rule_id: str,
        *,
        part: str,
        whole: str,
        fault: str,
        sample: str,
        minimum: float = 0.0,
        maximum: float = 1.0,
        severity: str = "critical",
        column: str | None = None,
        **values: Value,
    ) -> DayExpectation:
        literals = _literals(values)
        return self.rule(
            ExpectShareBetween,
            rule_id,
            fault=fault,
            column=column,
            severity=severity,
            part=fill(part, literals),
            whole=fill(whole, literals),
            minimum=minimum,
            maximum=maximum,
            sample=fill(sample, literals),
        )

    def sums_agree(
        self, rule_id: str, *, ours: str, theirs: str, fault: str, sample: str, column: str | None = None
    ) -> DayExpectation:
        return self.rule(
            ExpectSumsToAgree, rule_id, fault=fault, column=column, ours=ours, theirs=theirs, sample=sample
        )

    def energy_agrees(
        self,
        rule_id: str,
        *,
        column: str,
        source: str,
        theirs: str,
        fault: str,
        where: str = "true",
        by: str = "meter_id",
    ) -> DayExpectation:
        """The day's energy in `column` (…_wh or …_kwh) is the sum of `theirs`, in Wh, over `source` (schema.table) `where` it counts.

        Samples show the energy here and there, in the column's unit, of what `by` tells apart.
        """
        is_kwh = column.endswith("_kwh")
        energy_there = {
            "by": identifier(by),
            "theirs": identifier(theirs),
            "source": relation(*source.split(".")),
            "where": where,
        }
        values = {
            "name": literal(f"{by}="),
            "by": identifier(by),
            "column": identifier(column),
            "wh": "1000" if is_kwh else "1",
            "unit": literal(" kWh" if is_kwh else " Wh"),
            "shown_here": "here.energy::text",
            "shown_there": "(there.wh / 1000.0)::numeric(20, 3)::text" if is_kwh else "there.wh::text",
            "energy_there": fill(ENERGY_THERE, energy_there),
        }
        return self.sums_agree(
            rule_id,
            ours=fill("sum({column}) * {wh}", values),
            theirs=fill("(select sum(wh) from ({energy_there}) as there)", values),
            fault=fault,
            column=column,
            sample=fill(DIFFERING_ENERGY, values),
        )

    def rule(
        self, kind: type[DayExpectation], rule_id: str, *, severity: str = "critical", **fields: Any
    ) -> DayExpectation:
        """An expectation of this suite, of any `kind`; `fields` are the kind's own."""
        return kind(
            batch=self.batch,
            severity=severity,  # type: ignore[arg-type]  # pydantic makes the enumeration of it
            meta={"rule": rule_id},
            **fields,
        )

    @property
    def batch(self) -> str:
        """The rows of `{day}`."""
        return fill(THE_DAY, {"table": self._table, "date_column": identifier(self._day_column)})


def as_float(sql: str) -> str:
    """A number as Great Expectations would make of it: it converts each decimal by itself, with a look at the whole call stack."""
    return f"({sql})::double precision"


def number(value: float) -> str:
    """`4801` as `4,801`; `0.25` as `0.25`."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def percent(share: float) -> str:
    """`0.01` as `1 %`."""
    return f"{100 * share:.3g} %"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(identifier, columns))


def _shown(columns: Iterable[str]) -> str:
    """An SQL text such as `meter_id=M1, reading_at=…`."""
    return " || ', ' || ".join(
        f"{literal(name + '=')} || coalesce(left({identifier(name)}::text, 80), 'null')" for name in columns
    )


def _literals(values: Mapping[str, Value]) -> dict[str, str]:
    return {name: literal(value) for name, value in values.items()}
