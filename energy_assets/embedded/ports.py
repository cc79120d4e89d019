"""Which port each program of a home listens on: found once, remembered in the home's ports file.

What belongs here: finding a free port and remembering it. What does not: who listens there (processes.py).
"""

from __future__ import annotations

import socket
import tomllib
import zlib
from collections.abc import Callable

import tomlkit

from energy_assets.embedded import toml_file
from energy_assets.embedded.errors import StoreError
from energy_assets.home import Home, write_atomically

LOOPBACK = "127.0.0.1"
RANGES = {
    "postgres": range(5433, 5533),
    "superset": range(8089, 8123),
    "clickhouse": range(8124, 8200),
    "ui": range(3070, 3170),
    "docs": range(3170, 3270),
    "code": range(4266, 4366),
    "metrics": range(9464, 9564),
}
"""Near each store's usual port, but not it; below the ephemeral ports, which outgoing connections borrow at random."""


def remembered(home: Home) -> dict[str, int]:
    """Ports by program, empty where none was remembered yet. Raises StoreError where the file cannot be read."""
    if not home.ports_file.is_file():
        return {}
    try:
        return toml_file.read(home.ports_file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{home.ports_file} is no TOML ({error}): correct it, or remove it and run `energy-assets down` and `up`:"
            " ports are then chosen anew"
        ) from error


def remember(home: Home, **ports: int) -> None:
    """Store `ports`, keeping those of other programs."""
    known = remembered(home)
    if (merged := known | ports) != known:
        write_atomically(home.ports_file, tomlkit.dumps(merged))


def assigned(home: Home, program: str) -> int:
    """The port that `program` listens on, or will: chosen and remembered where it never ran."""
    port = remembered(home).get(program)
    if port is None:
        port = choose(home, program, say=lambda line: None)
        remember(home, **{program: port})
    return port


def choose(home: Home, program: str, *, say: Callable[[str], None]) -> int:
    """A port that `program` can listen on now: the remembered one, else another, said so."""
    known = remembered(home).get(program)
    if known is not None and is_free(known):
        return known
    port = _free_port(home, program)
    if known is not None:
        say(f"port {known} of {program} is taken by another program: using {port} from now on")
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that a former server left in TIME_WAIT do not make the port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _free_port(home: Home, program: str) -> int:
    """The first free port of the program's range, each home beginning elsewhere: homes that start together rarely meet."""
    candidates = RANGES[program]
    first = zlib.crc32(str(home.path).encode()) % len(candidates)
    for offset in range(len(candidates)):
        if is_free(port := candidates[(first + offset) % len(candidates)]):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
