"""Whether a program of the project's environment is one that pyproject.toml asks for.

What belongs here: reading what is declared. What does not: what is installed here and now, which may be older than that.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
OF_PACKAGE = {"dbt": "dbt-core"}
"""Programs that are called otherwise than their package."""


@cache
def declared() -> frozenset[str]:
    """The project's own commands and the packages that it, or whoever works on it, asks for."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for names in project["optional-dependencies"].values() for name in names),
    ]
    return frozenset(project["scripts"]) | {re.split(r"[^\w-]", name)[0] for name in wanted}


def is_declared(program: str) -> bool:
    """Whether `.venv/bin/PROGRAM` is there after an installation."""
    return program in ("python", "pip") or OF_PACKAGE.get(program, program) in declared()
