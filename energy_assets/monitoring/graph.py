"""What the exporter has to know of the graph: its edges, and which table each of ClickHouse's copies is of.

What belongs here: reading that off the assets, in a process of its own: loaded, they take more memory than all else that the exporter
needs. What does not: what is owed (resources/due.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from energy_assets.home import Home
from energy_assets.operations.errors import OperationError
from energy_assets.resources.due import Edge

LOAD_SECONDS = 180


class GraphError(OperationError):
    """The graph does not load; the message holds the end of what it said."""


@dataclass(frozen=True)
class Graph:
    """`copies`: ClickHouse's tables, as quality.day_versions calls them, with the table that each is of."""

    edges: tuple[Edge, ...]
    copies: Mapping[str, str]

    @classmethod
    def loaded(cls) -> Graph:
        """That of this process, which loads the assets for it; ENERGY_HOME names the home before."""
        from energy_assets.assets.serving import SERVED
        from energy_assets.automation.edges import EDGES

        return cls(tuple(EDGES), {served.ledger_name: served.source for served in SERVED})

    @classmethod
    def of(cls, home: Home) -> Graph:
        """That of a home, loaded by a process that ends. Raises GraphError where it does not load."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", __name__],
            env={**os.environ, "ENERGY_HOME": str(home.path)},
            capture_output=True,
            text=True,
            timeout=LOAD_SECONDS,
            check=False,
        )
        if done.returncode:
            raise GraphError(f"the code does not load:\n{done.stderr.strip()[-2000:]}")
        known = json.loads(done.stdout)
        return cls(tuple(Edge(**edge) for edge in known["edges"]), known["copies"])


def main() -> None:
    known = Graph.loaded()
    json.dump({"edges": [asdict(edge) for edge in known.edges], "copies": known.copies}, sys.stdout)


if __name__ == "__main__":
    main()
