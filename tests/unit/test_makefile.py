"""What the Makefile offers: every habit has a target, each target says what it does and calls what there is; and what `make` says where it
cannot do what was asked."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main
from support.declared import is_declared

from energy_assets.cli import app

REPOSITORY = Path(__file__).parents[2]
MAKEFILE = REPOSITORY / "Makefile"
TEST_FOLDER = "tests"

HABITS = (
    *("setup", "install", "up", "down", "restart", "ps", "logs", "build"),
    *("download-data", "download-data-manual", "ingest"),
    *("dbt-deps", "dbt-run", "dbt-test", "dbt-build", "dbt-docs", "dbt-clean"),
    *("ge-init", "ge-run", "ge-docs", "ge-profile"),
    *("test", "lint", "format", "clean", "clean-all", "pipeline", "demo"),
)
"""What hands type that worked with this project when Airflow ran it."""
ONLY_SAID = ("dbt-deps", "ge-init")
"""Habits of which nothing is left to do."""
NO_TARGETS = ("one",)
"""What a message asks to be made otherwise."""


@cache
def variables() -> dict[str, str]:
    """The Makefile's variables as they are written."""
    return dict(re.findall(r"^([A-Z_]+) *[:?]?= *(.*)$", MAKEFILE.read_text(), flags=re.MULTILINE))


def expanded(text: str) -> str:
    """`text` with the Makefile's own variables replaced, and those of variables; what a user sets stays."""
    replaced = re.sub(r"\$\(([A-Z_]+)\)", lambda found: variables().get(found[1], found[0]), text)
    return replaced if replaced == text else expanded(replaced)


@cache
def targets() -> dict[str, tuple[str, tuple[str, ...]]]:
    """By target, files and all: its line, and the lines of its recipe with those that go on joined, variables replaced."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    name = ""
    for line in MAKEFILE.read_text().replace("\\\n", " ").splitlines():
        if line.startswith("\t"):
            head, recipe = found[name]
            found[name] = (head, (*recipe, expanded(line.strip())))
        elif rule := re.match(r"([^\s#:=.][^\s:=]*):(?!=)", line):
            name = expanded(rule[1])
            assert name not in found, f"{name} stands twice: make takes the last"
            found[name] = (line, ())
    return found


def named_targets() -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: rule for name, rule in targets().items() if re.fullmatch(r"[a-z0-9-]+", name)}


def test_every_habit_is_a_target() -> None:
    assert set(HABITS) <= set(named_targets())


def test_every_target_says_in_a_line_what_it_does_and_no_file_of_its_name_hides_it(tmp_path: Path) -> None:
    told = make("help", tmp_path)
    said = dict(re.findall(r"^  make (\S+) +(\S.*)$", told.stdout, flags=re.MULTILINE))
    phony = " ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), flags=re.MULTILINE)).split()
    assert sorted(said) == sorted(named_targets()) == sorted(phony)


@pytest.mark.parametrize("target", targets())
def test_a_recipe_calls_only_what_there_is(target: str) -> None:
    _, recipe = targets()[target]
    missing = [call for line in recipe for call in missing_calls(line)]
    assert not missing


def missing_calls(line: str) -> Iterator[str]:
    """What a line of a recipe calls and nobody would find: commands, their options, programs, modules, scripts, targets."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for command, rest in re.findall(r"\.venv/bin/energy-assets ([a-z-]+) ?([^;&|>]*)", line):
        known = {option for parameter in getattr(commands.get(command), "params", ()) for option in parameter.opts}
        if command not in commands:
            yield f"energy-assets {command}"
        options = re.findall(r"(?:^|[ ,])(-{1,2}[a-z][a-z-]*)", rest)
        yield from (f"{command} {option}" for option in options if option not in known)
    for program in re.findall(r"\.venv/bin/([a-z-]+)", line):
        if not is_declared(program):
            yield program
    for module in re.findall(r"python3? -m ([\w.]+)", line):
        if not is_module(module):
            yield f"-m {module}"
    for script in re.findall(r"(?:benchmarks|dashboards|energy_assets|ml|quality_suites|tests)/[\w/]+\.py", line):
        if not (REPOSITORY / script).is_file():
            yield script
    for other in re.findall(r"\bmake ([a-z][a-z0-9-]*)", line):
        if other not in (*named_targets(), *NO_TARGETS):
            yield f"make {other}"


def is_module(name: str) -> bool:
    path = name.replace(".", "/")
    top = name.split(".")[0]
    folders = [folder for folder in (REPOSITORY, REPOSITORY / TEST_FOLDER) if (folder / top).is_dir()]
    if not folders:
        return importlib.util.find_spec(top) is not None
    return any((folder / f"{path}{end}").is_file() for folder in folders for end in (".py", "/__main__.py"))


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("@.venv/bin/energy-assets teleport", ["energy-assets teleport"]),
        ('@.venv/bin/energy-assets materialize $(if $(DAY),--date "$(DAY)") --select quality', ["materialize --date"]),
        ("@.venv/bin/rust check .", ["rust"]),
        ("@.venv/bin/python -m energy_assets.document", ["-m energy_assets.document"]),
        ("@.venv/bin/python tests/support/document.py", ["tests/support/document.py"]),
        ('@echo "next: make everything"', ["make everything"]),
    ],
)
def test_what_there_is_not_would_be_found(line: str, missing: list[str]) -> None:
    assert list(missing_calls(line)) == missing


def test_make_can_read_every_recipe(tmp_path: Path) -> None:
    done = make("--dry-run", tmp_path, *named_targets(), "DATA=a", "DAY=2024-01-01", "TABLE=a")
    assert done.returncode == 0, done.stderr
    assert 'energy-assets materialize --day "2024-01-01" --select quality' in done.stdout


@pytest.mark.parametrize("target", ONLY_SAID)
def test_a_habit_without_a_meaning_says_what_replaced_it(tmp_path: Path, target: str) -> None:
    done = make(target, tmp_path)
    assert done.returncode == 0
    assert 1 <= len(done.stdout.splitlines()) <= 2
    assert not done.stderr


def make(target: str, home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make target` as a user whose home directory is `home` and who has no Kaggle token; `variables` are further ones of the environment."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("KAGGLE_", "MAKE"))}
    return subprocess.run(
        [str(shutil.which("make")), target, *arguments],
        cwd=REPOSITORY,
        env=known | {"HOME": str(home)} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_token_the_download_says_where_to_get_one_and_installs_nothing(tmp_path: Path) -> None:
    done = make("download-data", tmp_path)
    assert done.returncode != 0
    assert "https://www.kaggle.com/settings/api" in done.stdout
    assert "make download-data-manual" in done.stdout
    assert "installing" not in done.stdout


def test_the_way_by_hand_ends_with_the_next_command(tmp_path: Path) -> None:
    done = make("download-data-manual", tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("make demo DATA=data/kaggle")


def test_without_prometheus_the_rules_are_not_tested_and_the_package_is_named(tmp_path: Path) -> None:
    done = make("test-rules", tmp_path, PATH=str(tmp_path))
    assert done.returncode != 0
    assert "apt-get install prometheus" in done.stdout
