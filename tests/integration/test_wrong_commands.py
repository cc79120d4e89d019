"""Commands on a running home that cannot do what was asked: one message, with what to do, and no trace."""

from __future__ import annotations

import pytest
from graph import LAST_DAY, Graph, days
from support import commands

CASES = {
    "a day outside the calendar": (("why", "2030-01-01"), f"whose days are 2024-01-01 … {LAST_DAY}"),
    "an unknown table": (("accept", "2024-01-01", "nope", "--reason", "x"), "no gated table is called nope: there are"),
    "a day that is not red": (
        ("accept", "2024-01-01", "meter_readings", "--reason", "x"),
        "was never written, not red",
    ),
    "no reason": (("accept", "2024-01-01", "meter_readings", "--reason", " "), "give a --reason"),
    "a day without a verdict": (("data-docs", "--day", "2024-01-03"), "→ energy-assets materialize --day 2024-01-03"),
    "no statement": (("sql", " "), 'energy-assets sql "select 1"'),
    "a statement that writes": (("sql", "delete from quality.overrides"), "error cannot execute DELETE in a read-only"),
    "wrong SQL": (("sql", "selec 1"), 'error syntax error at or near "selec"\nLINE 1: selec 1'),
    "wrong SQL of ClickHouse": (
        ("sql", "selec 1", "--store", "clickhouse"),
        "error Syntax error: failed at position 1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_command_says_what_and_what_to_do(graph: Graph, case: str) -> None:
    arguments, words = CASES[case]

    printed = commands.run(graph.home, *arguments, code=1)

    assert words in printed
    assert "Traceback" not in printed and "SQLSTATE" not in printed and "Expected one of" not in printed


def test_a_mapping_that_is_no_toml_is_named_by_the_run_that_reads_it(graph: Graph) -> None:
    graph.deliver(days(1, 1))
    mapping = graph.home.mappings / "broken.toml"
    mapping.parent.mkdir(exist_ok=True)
    mapping.write_text('name = "broken')
    try:
        printed = commands.run(graph.home, "resume", code=1)
    finally:
        mapping.unlink()

    assert f"{mapping}: no valid TOML" in printed
    assert "Traceback" not in printed and "verdicts" not in printed
