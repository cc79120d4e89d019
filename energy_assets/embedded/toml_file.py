"""A small TOML file of a home, read once and again when it changed: every statement asks it where its store is.

What belongs here: that reading. What does not: what the files hold (credentials.py, ports.py).
"""

from __future__ import annotations

import tomllib
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """What the file holds now, the caller's own. Raises FileNotFoundError, PermissionError, and tomllib's errors."""
    seen = path.stat()
    return deepcopy(_read(path, seen.st_ino, seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=16)
def _read(path: Path, *_stamp: int) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
