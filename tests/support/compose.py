"""docker-compose.yml as Compose reads it: variables put in, one service at a time.

What belongs here: reading. What does not: what should stand in it (tests/unit/test_compose.py), running it (tests/integration/test_parts.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Z_]+)(?:(?P<how>:\?|:-|-)(?P<word>[^}]*))?\}")


def variables() -> dict[str, str]:
    """Variables that the file takes from .env, with what it does where one is missing: `:?` refuses, `:-` and `-` go on."""
    return {found["name"]: found["how"] or "" for found in VARIABLE.finditer(FILE.read_text()) if found["name"]}


def read(env: Mapping[str, str]) -> dict[str, Any]:
    """The whole file with the variables of `env`. Raises KeyError where one that has to be set is not."""
    return {name: part for name, part in _put_in(yaml.safe_load(FILE.read_text()), env).items() if name[:2] != "x-"}


def _put_in(part: Any, env: Mapping[str, str]) -> Any:
    if isinstance(part, dict):
        return {name: _put_in(value, env) for name, value in part.items()}
    if isinstance(part, list):
        return [_put_in(value, env) for value in part]
    return VARIABLE.sub(lambda found: _value(found, env), part) if isinstance(part, str) else part


def _value(found: re.Match[str], env: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    value = env.get(found["name"], "")
    if found["how"] == ":?" and not value:
        raise KeyError(found["name"])
    return value or (found["word"] if found["how"] in (":-", "-") else "")
