"""Write .env for docker-compose.yml: .env.example with what .env holds already, and a new password wherever one is missing. Twice is once.

What belongs here: that, with nothing but Python's own library, for no environment is needed before Docker's. What does not: which settings
there are (.env.example).

Run by `make docker-env`: python3 deploy/compose/env.py [NAME=VALUE…]; by `make docker-up`, which only looks: python3 deploy/compose/env.py --check
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from zoneinfo import available_timezones

ROOT = Path(__file__).resolve().parents[2]
SETTING = re.compile(r"(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)")
GENERATED = "PASSWORD"
BYTES = 24
HARMLESS = re.compile(r"[A-Za-z0-9!*+,.=_~^-]*")
"""Of what a password may be made: all else means something in an address, where it also stands, or in this file to Compose."""
USER = 10001
"""Whom the platform runs as in its containers."""
VOLUME = "landing"


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


def problems(known: dict[str, str]) -> Iterator[str]:
    """What would keep the containers from starting, before any of them does. No password is said."""
    for name, value in known.items():
        if name.endswith(GENERATED) and not value:
            yield f"{name} is missing: make docker-env makes one"
        elif name.endswith(GENERATED) and not HARMLESS.fullmatch(value):
            wrong = " ".join(sorted({repr(sign) for sign in value if not HARMLESS.fullmatch(sign)}))
            yield f"{name} holds {wrong}: letters, digits and any of ! * + , . = _ ~ ^ - are fine; empty it, and make docker-env makes one"
        elif name.endswith("_PORT") and not (value.isdigit() and 0 < int(value) < 65536):
            yield f"{name} is no port: a number up to 65535"
    ports = [value for name, value in known.items() if name.endswith("_PORT")] + ["3170"]
    for port in sorted({port for port in ports if ports.count(port) > 1}):
        yield f"two pages have port {port} (3170 is that of the gates' pages): one needs another"
    if not _is_day(known.get("ENERGY_FIRST_DAY", "")):
        yield "ENERGY_FIRST_DAY is no day: make docker-env FIRST_DAY=2026-01-01, the first day that is delivered"
    zones = available_timezones()
    if zones and known.get("ENERGY_TIMEZONE") not in zones:
        yield "ENERGY_TIMEZONE is no zone: make docker-env TIMEZONE=Africa/Douala"
    yield from _of_landing(known.get("ENERGY_LANDING", VOLUME))


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _of_landing(place: str) -> Iterator[str]:
    """Docker makes a folder that is not there, for root alone; the platform then cannot read what is delivered."""
    if place == VOLUME:
        return
    folder = Path(place)
    if not folder.is_absolute():
        yield f"ENERGY_LANDING is neither {VOLUME} nor the whole path of a folder, as /srv/deliveries"
    elif not folder.is_dir():
        yield f"ENERGY_LANDING: there is no folder {folder}: mkdir {folder} && chown {USER} {folder}"
    else:
        found = folder.stat()
        needed = stat.S_IRWXU if found.st_uid == USER else stat.S_IRWXO
        if found.st_mode & needed != needed:
            yield f"ENERGY_LANDING: user {USER}, whom the containers run as, may not write to {folder}: chown {USER} {folder}"


def check(target: Path) -> int:
    """Say what is wrong with `target`; 1 where something is."""
    names = read(target.with_name(".env.example").read_text(encoding="utf-8"))
    passwords = {name: "" for name in names if name.endswith(GENERATED)}
    found = list(problems(passwords | read(target.read_text(encoding="utf-8"))))
    for problem in found:
        print(f"{target.name}: {problem}", file=sys.stderr)  # noqa: T201
    return 1 if found else 0


def main(given: list[str], root: Path = ROOT) -> int:
    if given == ["--check"]:
        return check(root / ".env")
    told = read("\n".join(given))
    if len(told) != len(given):
        print("usage: env.py [NAME=VALUE…] | --check", file=sys.stderr)  # noqa: T201
        return 2
    target = root / ".env"
    held = read(target.read_text(encoding="utf-8")) if target.is_file() else {}
    text = filled((root / ".env.example").read_text(encoding="utf-8"), held | told)
    draft = target.with_name(".env.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(target)
    print(f"{target}: {len(read(text))} settings, readable by its owner alone")  # noqa: T201
    check(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
