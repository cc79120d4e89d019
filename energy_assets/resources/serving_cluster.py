"""`clickhouse_ddl/` as a cluster wants it: the scripts are written for one server, and this derives the other form.

A table `t` becomes `t_local`, replicated within its shard, and a distributed table `t` that readers and writers name.

What belongs here: statement in, statements out; pure. What does not: running them (serving_schema.py). It is checked as
text: the embedded engine has neither replicas nor shards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sqlglot import exp

from energy_assets.resources.serving_ddl import DATABASE, Script, added_columns, parsed, projection_change

REPLICA_PATH, REPLICA_NAME = "/clickhouse/tables/{shard}/{database}/{table}", "{replica}"
"""Macros of ClickHouse, which each server fills in from its own configuration."""
LOCAL = "_local"
SHARDED_BY = "meter_id"
"""A meter's rows stay on one shard, so what is asked by meter is answered there without moving rows."""


Statement = TypeVar("Statement", exp.Create, exp.Alter)


def cluster_script(script: Script, cluster: str) -> Script:
    """`script` for the cluster of that name. It keeps its name and its own hash: the form is no change of the script."""
    statements = [form for statement in script.statements for form in cluster_form(statement, cluster)]
    return Script(script.name, script.text, tuple(statements))


def cluster_form(statement: str, cluster: str) -> list[str]:
    """The statements that take the place of `statement` on `cluster`.

    Raises ValueError for a kind of statement that has no cluster form here.
    """
    if change := projection_change(statement):
        return [change.on(change.table + LOCAL, cluster)]
    tree = parsed(statement)
    forms: Sequence[exp.Create | exp.Alter]
    if isinstance(tree, exp.Alter):
        forms = [_alter_of(tree, LOCAL, cluster), _alter_of(_without_storage(tree), "", cluster)]
    elif not isinstance(tree, exp.Create):
        raise ValueError(f"there is no cluster form here of: {statement[:80]}")
    elif tree.kind == "TABLE" and isinstance(tree.this, exp.Schema):
        forms = [_local(tree, cluster), _distributed(tree, cluster)]
    elif tree.kind in ("SCHEMA", "DATABASE", "VIEW") and not tree.find(exp.MaterializedProperty):
        forms = [_on_cluster(tree.copy(), cluster)]
    else:
        raise ValueError(f"there is no cluster form here of: {statement[:80]}")
    return [form.sql("clickhouse") for form in forms]


def _local(tree: exp.Create, cluster: str) -> exp.Create:
    """The table that holds rows, one replica on each server of a shard."""
    form = _on_cluster(_renamed(tree.copy(), LOCAL), cluster)
    engine = form.find(exp.EngineProperty)
    if engine is None:
        raise ValueError(f"a table needs an engine: {tree.sql('clickhouse')[:80]}")
    arguments = engine.this.expressions if isinstance(engine.this, exp.Anonymous) else []
    if not engine.this.name.endswith("MergeTree"):
        raise ValueError(f"only tables of the MergeTree family are replicated: {tree.sql('clickhouse')[:80]}")
    path = [exp.Literal.string(REPLICA_PATH), exp.Literal.string(REPLICA_NAME)]
    replicated = exp.Anonymous(this=f"Replicated{engine.this.name}", expressions=path + arguments)
    engine.set("this", replicated)
    return form


def _distributed(tree: exp.Create, cluster: str) -> exp.Create:
    """The table of the plain name: the same columns, no rows."""
    form = _without_storage(tree)
    table = _table_of(form)
    engine = exp.Anonymous(
        this="Distributed",
        expressions=[
            exp.Literal.string(cluster),
            exp.Literal.string(table.db or DATABASE),
            exp.Literal.string(table.name + LOCAL),
            _sharding_key(tree),
        ],
    )
    comments = [kept for kept in form.args["properties"].expressions if isinstance(kept, exp.SchemaCommentProperty)]
    form.set("properties", exp.Properties(expressions=[exp.EngineProperty(this=engine), *comments]))
    return _on_cluster(form, cluster)


def _sharding_key(tree: exp.Create) -> exp.Expression:
    """The hash of the meter; where a table has none, of what its rows are ordered by first."""
    columns = [column.name for column in tree.this.expressions if isinstance(column, exp.ColumnDef)]
    order = tree.find(exp.Order)
    first = order.find(exp.Column) if order else None
    if SHARDED_BY in columns:
        first = exp.column(SHARDED_BY)
    if first is None:
        raise ValueError(f"a table without {SHARDED_BY} needs an order key to shard by: {tree.sql('clickhouse')[:80]}")
    return exp.Anonymous(this="cityHash64", expressions=[first.copy()])


def _alter_of(tree: exp.Alter, suffix: str, cluster: str) -> exp.Alter:
    added_columns(tree)
    form = _renamed(tree.copy(), suffix)
    form.set("cluster", exp.OnCluster(this=exp.to_identifier(cluster, quoted=True)))
    return form


def _on_cluster(form: exp.Create, cluster: str) -> exp.Create:
    properties = form.args.get("properties") or exp.Properties(expressions=[])
    on = exp.OnCluster(this=exp.to_identifier(cluster, quoted=True))
    form.set("properties", exp.Properties(expressions=[on, *properties.expressions]))
    return form


def _table_of(form: exp.Create | exp.Alter) -> exp.Table:
    table = form.find(exp.Table)
    if table is None:
        raise ValueError(f"which table is this about? {form.sql('clickhouse')[:80]}")
    return table


def _renamed(form: Statement, suffix: str) -> Statement:
    table = _table_of(form)
    table.set("this", exp.to_identifier(table.name + suffix, quoted=table.this.args.get("quoted")))
    return form


def _without_storage(tree: Statement) -> Statement:
    """A copy without what only a table with rows has: codecs, projections, indexes."""
    form = tree.copy()
    for codec in list(form.find_all(exp.CompressColumnConstraint)):
        if codec.parent:
            codec.parent.pop()
    if isinstance(form.this, exp.Schema):
        form.this.set("expressions", [part for part in form.this.expressions if isinstance(part, exp.ColumnDef)])
    return form
