"""dbt's documentation of the project, with the columns that the home's tables have.

What belongs here: building it where it is older than the project. What does not: dbt in general (resources/dbt.py).

It describes models, not days: it is built with the first `energy-assets ui` after the project changed, not with runs.
"""

from __future__ import annotations

from pathlib import Path

from energy_assets.home import Home, write_atomically
from energy_assets.operations.errors import OperationError
from energy_assets.resources.dbt import PROJECT_DIR


def is_stale(home: Home) -> bool:
    """Whether there is no documentation yet, or the project was parsed since."""
    manifest = PROJECT_DIR / "target" / "manifest.json"
    return not home.dbt_docs_index.is_file() or home.dbt_docs_index.stat().st_mtime < manifest.stat().st_mtime


def build(home: Home) -> Path:
    """Build the documentation: one page that holds everything; gives its path.

    Raises OperationError with dbt's own message.
    """
    import dagster as dg

    from energy_assets.assets.models import PROJECT
    from energy_assets.resources.dbt import Dbt
    from energy_assets.resources.warehouse import Warehouse

    try:
        page = Dbt(home=str(home.path), project_dir=str(PROJECT_DIR)).document(
            Warehouse(home=str(home.path)), project=PROJECT
        )
    except dg.Failure as failure:
        raise OperationError(f"dbt docs were not built: {failure.description}") from failure
    write_atomically(home.dbt_docs_index, page)
    return home.dbt_docs_index
