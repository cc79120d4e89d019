"""The same models on either engine: one dbt, one project, two targets, each run in a process of its own.

What belongs here: which models, how dbt is called for each target, what it says that they took. What does not: their inputs (clickhouse_inputs.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from energy_assets.embedded.connections import Connections
from energy_assets.resources.dbt import PROJECT_DIR, connection_variables

MODELS = {
    "stg_meter_readings": "staging",
    "int_consumption_features": "intermediate",
    "int_readings_hourly": "intermediate",
    "int_transformer_balance": "intermediate",
}
"""Heavy models of a day, by their seconds in dbt's own results, and the schema of each."""
LAYERS = ("path:models/staging", "path:models/intermediate")
"""Where they are the heaviest."""
POSTGRES, CLICKHOUSE = "warehouse", "clickhouse"
"""The targets, as profiles.yml calls them."""
LONGEST_SECONDS = 3600


NOT_INSTALLED = "dbt cannot speak to ClickHouse here: pip install 'energy-assets[clickhouse-transformations]', or make install, which has it"


class ModelsError(Exception):
    """dbt failed; the message is its own."""


@dataclass(frozen=True)
class ModelRun:
    """Seconds of each model, as dbt counts them: its own start is in none."""

    seconds: Mapping[str, float]

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def is_installed() -> bool:
    """Whether dbt can speak to ClickHouse here."""
    from importlib.util import find_spec

    return find_spec("dbt.adapters.clickhouse") is not None


def run_models(
    target: str,
    stores: Connections,
    variables: Mapping[str, Any],
    directory: Path | None = None,
    models: Collection[str] = MODELS,
) -> ModelRun:
    """Run MODELS, or those that `models` selects, with dbt's files in `directory`, from which a later run takes what it parsed, or in none that stays.

    Raises ModelsError in dbt's words where one fails.
    """
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="energy-dbt-") as temporary:
            return run_models(target, stores, variables, Path(temporary), models)
    run_dbt(target, stores, variables, directory, "run", "--select", *models)
    results = json.loads((directory / "run_results.json").read_text())["results"]
    return ModelRun({result["unique_id"].rpartition(".")[2]: result["execution_time"] for result in results})


def run_dbt(target: str, stores: Connections, variables: Mapping[str, Any], directory: Path, *arguments: str) -> None:
    """dbt by hand, with its files below `directory`."""
    done = subprocess.run(
        [
            *(
                str(Path(sys.executable).with_name("dbt")),
                "--no-use-colors",
                *arguments,
                "--target",
                target,
                "--no-populate-cache",
            ),
            *("--threads", "1", "--vars", json.dumps(dict(variables))),
            *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
            *("--target-path", str(directory), "--log-path", str(directory)),
        ],
        env={
            **os.environ,
            **connection_variables(stores.transformer_dsn),
            **clickhouse_variables(stores.clickhouse_url),
        },
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    if done.returncode:
        raise ModelsError(f"dbt {arguments[0]} --target {target} failed:\n{(done.stdout + done.stderr)[-5000:]}")


def clickhouse_variables(url: str) -> dict[str, str]:
    """The environment that dbt's target `clickhouse` takes its connection from; dbt masks variables of the password's prefix in its logs."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    return {
        "ENERGY_DBT_CLICKHOUSE_HOST": parts.hostname or "127.0.0.1",
        "ENERGY_DBT_CLICKHOUSE_PORT": str(parts.port or (8443 if is_secure else 8123)),
        "ENERGY_DBT_CLICKHOUSE_SECURE": str(is_secure),
        "ENERGY_DBT_CLICKHOUSE_USER": unquote(parts.username or "default"),
        "DBT_ENV_SECRET_CLICKHOUSE_PASSWORD": unquote(parts.password or ""),
    }


def variables_of(day: date, timezone: str) -> dict[str, Any]:
    """The variables that the graph would give the models for the day. Reads this process's home: its calendar must be fixed."""
    from energy_assets.assets.models import dbt_variables
    from energy_assets.days import DayWindow
    from energy_assets.settings import settings

    return dbt_variables(DayWindow.of(day), timezone, settings(), "by-hand")
