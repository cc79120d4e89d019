"""What git calls before a commit, and what a container runs when it is made: nothing of it is fetched, all of it is there."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.declared import is_declared

from energy_assets.embedded.ports import RANGES

REPOSITORY = Path(__file__).parents[2]
CONFIGURATION = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text("utf-8"))
HOOKS: list[dict[str, Any]] = [hook for repository in CONFIGURATION["repos"] for hook in repository["hooks"]]


def test_hooks_are_local_and_bring_no_environment_of_their_own() -> None:
    assert [repository["repo"] for repository in CONFIGURATION["repos"]] == ["local"]
    assert {hook["language"] for hook in HOOKS} == {"system"}
    names = [hook["id"] for hook in HOOKS]
    assert len(names) == len(set(names)) and {"lint", "format", "secrets", "documents"} <= set(names)


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_what_a_hook_calls_is_there(hook: dict[str, Any]) -> None:
    assert not list(missing(hook["entry"]))


def missing(entry: str) -> Iterator[str]:
    """What an entry names and nobody would find: its program, test files, tests."""
    program, *arguments = shlex.split(entry)
    if not (program.startswith(".venv/bin/") and is_declared(Path(program).name)):
        yield program
    for named in (argument for argument in arguments if argument.endswith(".py") or "::" in argument):
        file, _, test = named.partition("::")
        path = REPOSITORY / file
        text = path.read_text("utf-8") if path.is_file() else ""
        if not re.search(rf"^def {test}\(" if test else "^def test_", text, re.MULTILINE):
            yield named


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("ruff check", ["ruff"]),
        (".venv/bin/rust check", [".venv/bin/rust"]),
        (".venv/bin/python -m pytest tests/unit/test_none.py", ["tests/unit/test_none.py"]),
        (".venv/bin/python -m pytest tests/unit/test_hooks.py::test_none", ["tests/unit/test_hooks.py::test_none"]),
    ],
)
def test_what_is_not_there_would_be_found(entry: str, found: list[str]) -> None:
    assert list(missing(entry)) == found


def test_every_page_that_a_test_holds_current_is_one_that_the_hook_asks_about() -> None:
    """Such a test compares the page with what the code makes of it."""
    (entry,) = (hook["entry"] for hook in HOOKS if hook["id"] == "documents")
    asked = {Path(argument.partition("::")[0]).name for argument in shlex.split(entry) if "::" in argument}
    tests = (REPOSITORY / "tests" / "unit").glob("test_*.py")
    compares = re.compile(r"refreshed\(text\) == text|== page\(\)")
    compared = {path.name for path in tests if compares.search(path.read_text("utf-8"))}
    assert len(compared) >= 6
    assert compared <= asked


def test_the_container_is_made_by_a_script_that_can_be_run_and_by_nobody_who_is_root() -> None:
    text = (REPOSITORY / ".devcontainer" / "devcontainer.json").read_text("utf-8")
    without_comments = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    container = yaml.safe_load(without_comments)
    script = REPOSITORY / container["postCreateCommand"]
    assert os.access(script, os.X_OK)
    assert container["remoteUser"] not in ("root", "")
    first = {ports[0] for name, ports in RANGES.items() if name in ("ui", "docs", "superset", "metrics")}
    assert set(container["forwardPorts"]) == first == {int(port) for port in container["portsAttributes"]}
