"""dbt in the run's own process: its project as `make install` parsed it, and a layer costs well under a second.

What belongs here: calling dbt and turning its events into Dagster's. What does not: which models, which window (assets/).
dagster-dbt's own resource starts one process for `dbt --version` and one for every call, about 5 s each; its
translation of dbt's events is used as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import PrivateAttr

from energy_assets.home import Home
from energy_assets.resources.column_lineage import ColumnLineage

if TYPE_CHECKING:
    from dagster_dbt import DagsterDbtTranslator, DbtProject
    from dbt.contracts.graph.manifest import Manifest

    from energy_assets.resources.warehouse import Warehouse


class Dbt(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own resources are not parametrised either
    """Runs models of the project against the home's warehouse."""

    project_dir: str
    home: str
    _manifest: Manifest | None = PrivateAttr(default=None)

    def run(
        self,
        context: dg.AssetExecutionContext,
        warehouse: Warehouse,
        *,
        models: Sequence[str],
        variables: Mapping[str, Any],
        translator: DagsterDbtTranslator,
        project: DbtProject,
    ) -> list[Any]:
        """Run `models`, then the tests that are shown as checks of them, and return Dagster's event for each.

        A failing test is an event like any other: gates decide what may be read. Raises dg.Failure with dbt's own message
        where a model fails, or a test cannot run.
        """
        os.environ.update(connection_variables(warehouse.connections.transformer_dsn))
        manifest = self._parsed(project, warehouse)
        arguments = ["--vars", json.dumps(variables), *self._common_arguments()]
        events = _invoke(context, manifest, ["run", "--select", *models, *arguments], tolerated=())
        # By name: a step holds a part of its layer, and a test's other tables may be those of an earlier one.
        if tests := sorted(key.name for key in context.selected_asset_check_keys):
            events += _tested(context, manifest, ["--indirect-selection", "empty", "--select", *tests, *arguments])
        return [translated for event in events for translated in _translated(event, context, translator, project)]

    def test(
        self,
        context: dg.AssetExecutionContext,
        warehouse: Warehouse,
        *,
        nodes: Sequence[str],
        translator: DagsterDbtTranslator,
        project: DbtProject,
    ) -> list[Any]:
        """Run the tests of `nodes`, tables that hold no days, and return Dagster's event for each, a failing one like any other.

        Raises dg.Failure where a test cannot run.
        """
        os.environ.update(connection_variables(warehouse.connections.transformer_dsn))
        manifest = self._parsed(project, warehouse)
        # Of tests over several tables, those alone whose other tables stand before these.
        chosen = ["--indirect-selection", "buildable", "--select", *nodes, *self._common_arguments()]
        events = _tested(context, manifest, chosen)
        return [translated for event in events for translated in _translated(event, context, translator, project)]

    def document(self, warehouse: Warehouse, *, project: DbtProject) -> str:
        """dbt's documentation as one page that holds everything.

        Beside the runs' own target: a run that goes on now keeps its files. Raises dg.Failure with dbt's own message.
        """
        from dbt.cli.main import dbtRunner

        warehouse.rows("select 1")  # where the store does not answer, its own error is the clearer one
        os.environ.update(connection_variables(warehouse.connections.transformer_dsn))
        target = Home.at(self.home).dbt_target / "docs"
        arguments = ["docs", "generate", "--static", *self._common_arguments(target)]
        result = dbtRunner(manifest=self._parsed(project, warehouse)).invoke(arguments)
        if not result.success:
            raise dg.Failure(description=_failure(result))
        return (target / "static_index.html").read_text(encoding="utf-8")

    def column_lineage(
        self, warehouse: Warehouse, *, models: Sequence[str], translator: DagsterDbtTranslator, project: DbtProject
    ) -> dict[str, dict[str, Any]]:
        """For each of `models` that just ran: metadata that shows where its columns come from."""
        lineage = ColumnLineage(Home.at(self.home).dbt_target, translator, project)
        manifest = _manifest_json(project)
        nodes = (node for node in manifest["nodes"].values() if node["resource_type"] == "model")
        return {node["name"]: lineage.of(node, manifest, warehouse) for node in nodes if node["name"] in models}

    def _parsed(self, project: DbtProject, warehouse: Warehouse) -> Manifest:
        """The project parsed for this warehouse, once a run; read from the manifest where that is still true."""
        if self._manifest is None:
            database = urlsplit(warehouse.connections.transformer_dsn).path.lstrip("/")
            self._manifest = _stored(project, database) or self._parse()
        return self._manifest

    def _parse(self) -> Manifest:
        from dbt.cli.main import dbtRunner

        result: Any = dbtRunner().invoke(["parse", *self._common_arguments()])
        if not result.success:
            raise dg.Failure(description=_failure(result))
        return result.result

    def _common_arguments(self, target: Path | None = None) -> list[str]:
        target = target or Home.at(self.home).dbt_target
        return [
            "--project-dir",
            self.project_dir,
            "--profiles-dir",
            self.project_dir,
            "--target-path",
            str(target),
            "--log-path",
            str(target / "logs"),
            "--quiet",
        ]


UNREAD = ("--no-write-json", "--no-populate-cache")
"""What calls leave out: the whole manifest and their own results as files, and a look at every table there is, none of which is read."""


@lru_cache(maxsize=1)
def _spare_stack_walks() -> None:
    """Tell dbt who calls for a flag's default, instead of letting it read the source of every frame of the stack for each flag.

    Deep in a run, and in a process of many modules, that was half of all processor time (profiled); the name only stands in a warning.
    """
    from dbt_common.behavior_flags import BehaviorFlagRendered

    BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt.adapters.postgres.impl")  # type: ignore[method-assign]


def _tested(context: dg.AssetExecutionContext, manifest: Manifest, arguments: list[str]) -> list[dict[str, Any]]:
    chosen = ["test", "--exclude", "test_type:unit", *arguments]
    return _invoke(context, manifest, chosen, tolerated=("fail", "warn"))


def _invoke(
    context: dg.AssetExecutionContext, manifest: Manifest, arguments: list[str], *, tolerated: Sequence[str]
) -> list[dict[str, Any]]:
    """dbt's event for each model or test; raises dg.Failure unless every node succeeded or came to a `tolerated` status."""
    from dbt.cli.main import dbtRunner
    from google.protobuf.json_format import MessageToDict

    collected: list[dict[str, Any]] = []

    def collect(event: Any) -> None:
        if event.info.name in ("LogModelResult", "LogTestResult"):
            collected.append(MessageToDict(event, preserving_proto_field_name=True))
        elif event.info.level in ("warn", "error"):
            context.log.warning(event.info.msg)

    _spare_stack_walks()
    result: Any = dbtRunner(manifest=manifest, callbacks=[collect]).invoke([*arguments, *UNREAD])
    failed = [node for node in result.result or [] if node.status in ("error", "fail") and node.status not in tolerated]
    if result.exception or failed:
        raise dg.Failure(description=_failure(result))
    return collected


def _translated(
    event: dict[str, Any], context: dg.AssetExecutionContext, translator: DagsterDbtTranslator, project: DbtProject
) -> Iterator[Any]:
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

    yield from DbtCoreCliEventMessage(raw_event=event, event_history_metadata={}).to_default_asset_events(
        manifest=_manifest_json(project), dagster_dbt_translator=translator, context=context, project=project
    )


@lru_cache(maxsize=1)
def _manifest_json(project: DbtProject) -> Mapping[str, Any]:
    import orjson

    return orjson.loads(project.manifest_path.read_bytes())


def _stored(project: DbtProject, database: str) -> Manifest | None:
    """The manifest as it was parsed last, a tenth of a second instead of two.

    None where a file of the project is newer, or where it was parsed for a database of another name, which stands in every node.
    """
    from dbt.artifacts.schemas.manifest import WritableManifest
    from dbt.contracts.graph.manifest import Manifest
    from dbt.contracts.graph.nodes import GenericTestNode

    parsed_at = project.manifest_path.stat().st_mtime
    if any(path.stat().st_mtime > parsed_at for path in _sources(Path(project.project_dir))):
        return None
    manifest = Manifest.from_writable_manifest(WritableManifest.read_and_check_versions(str(project.manifest_path)))
    # Read back, dbt takes every test for one without arguments.
    for unique_id, node in _manifest_json(project)["nodes"].items():
        if node.get("test_metadata"):
            manifest.nodes[unique_id] = GenericTestNode.from_dict(node)
    manifest.build_flat_graph()  # type: ignore[no-untyped-call]
    return manifest if {node.database for node in manifest.nodes.values()} == {database} else None


def _sources(project_dir: Path) -> Iterator[Path]:
    yield from project_dir.glob("*.yml")
    for folder in ("models", "macros", "seeds", "tests"):
        yield from (path for path in (project_dir / folder).rglob("*") if path.is_file())


def connection_variables(dsn: str) -> dict[str, str]:
    """The environment that dbt's profile takes its connection from; dbt masks variables of the password's prefix in its logs."""
    parts = urlsplit(dsn)
    return {
        "ENERGY_DBT_HOST": parts.hostname or "127.0.0.1",
        "ENERGY_DBT_PORT": str(parts.port or 5432),
        "ENERGY_DBT_USER": unquote(parts.username or ""),
        "ENERGY_DBT_DATABASE": parts.path.lstrip("/"),
        "DBT_ENV_SECRET_PASSWORD": unquote(parts.password or ""),
    }


def _failure(result: Any) -> str:
    if result.exception:
        return f"dbt could not run: {str(result.exception).strip() or repr(result.exception)}"
    failed = [node for node in result.result or [] if node.status in ("error", "fail")]
    return "dbt: " + "; ".join(f"{node.node.name}: {node.message}" for node in failed)


PROJECT_DIR = Path(__file__).resolve().parents[2] / "dbt_project"
