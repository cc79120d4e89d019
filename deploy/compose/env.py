"""Write .env for docker-compose.yml: .env.example with what .env holds already, and a new password wherever one is missing. Twice is once.

What belongs here: that, with nothing but Python's own library, for no environment is needed before Docker's. What does not: which settings
there are (.env.example).

Run by `make docker-env`: python3 deploy/compose/env.py [NAME=VALUE…]
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTING = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")
GENERATED = "PASSWORD"
BYTES = 24


def read(text: str) -> dict[str, str]:
    """The settings of a file of them, by name."""
    lines = (SETTING.fullmatch(line.strip()) for line in text.splitlines())
    return {found["name"]: found["value"] for found in lines if found}


def filled(example: str, held: dict[str, str]) -> str:
    """The example with the values that are held, and passwords where it has none; what it does not name comes last."""

    def line(text: str) -> str:
        found = SETTING.fullmatch(text.strip())
        if not found:
            return text
        name = found["name"]
        value = held.get(name) or found["value"]
        # Hexadecimal digits need no quoting anywhere, neither in this file nor in an address.
        return f"{name}={value or (secrets.token_hex(BYTES) if name.endswith(GENERATED) else '')}"

    others = [f"{name}={value}" for name, value in held.items() if name not in read(example)]
    return "\n".join([*map(line, example.splitlines()), *others]) + "\n"


def main(given: list[str], root: Path = ROOT) -> int:
    told = read("\n".join(given))
    if len(told) != len(given):
        print("usage: env.py [NAME=VALUE…]", file=sys.stderr)  # noqa: T201
        return 2
    target = root / ".env"
    held = read(target.read_text(encoding="utf-8")) if target.is_file() else {}
    text = filled((root / ".env.example").read_text(encoding="utf-8"), held | told)
    draft = target.with_name(".env.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(target)
    missing = [name for name, value in read(text).items() if not value and name == "ENERGY_FIRST_DAY"]
    remedy = "; now make docker-env FIRST_DAY=2026-01-01, the first day that is delivered" if missing else ""
    print(f"{target}: {len(read(text))} settings, readable by its owner alone{remedy}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
