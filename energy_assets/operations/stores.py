"""Bring a home's stores up, with their tables.

What belongs here: the order store → schema → configuration. What does not: processes (embedded/), tables (resources/).
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg2

from energy_assets.embedded import supervisor
from energy_assets.embedded.connections import Connections
from energy_assets.home import Home
from energy_assets.operations.instance import write_configuration
from energy_assets.settings import settings


def bring_up(
    home: Home, say: Callable[[str], None] = lambda line: None, *, may_name_again: bool = False
) -> Connections:
    """Start what is not running and create what is missing; twice is once.

    What ClickHouse serves is put under keys where ENERGY_PSEUDONYMISE asks for it. The way back is taken with `may_name_again` alone: a shell in
    which the setting is missing must not uncover everybody.
    """
    # Imported late: it imports Dagster, and `up` of a running home should answer at once.
    from energy_assets.resources.pseudonyms import is_pseudonymised
    from energy_assets.resources.schema import apply_schema
    from energy_assets.resources.serving import Serving

    known = supervisor.up(home, settings(), say=say)
    loader, transformer = psycopg2.connect(known.loader_dsn), psycopg2.connect(known.transformer_dsn)
    try:
        apply_schema(loader, transformer)
    finally:
        loader.close()
        transformer.close()
    Serving(home=str(home.path)).apply_schema()
    write_configuration(home)
    if is_pseudonymised(home) < settings().pseudonymise or (may_name_again and not settings().pseudonymise):
        from energy_assets.operations.keeping.serve import serve_as_set

        serve_as_set(home, say)
    return known
