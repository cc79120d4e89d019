"""A disk that is soon full: a file system of its own in memory.

What belongs here: mounting and filling it. What does not: what must happen then.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BALLAST = "ballast"


class NotPermitted(Exception):
    """This user may not mount a file system."""


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[Path]:
    """A file system of its own at `place`. Raises NotPermitted."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotPermitted("a small disk needs the right to mount one (root)") from error
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> None:
    """Take all room that is left at `place`."""
    block = bytes(1 << 16)
    with (place / BALLAST).open("wb", buffering=0) as handle:
        try:
            while True:
                handle.write(block)
        except OSError:
            return


def free(place: Path) -> None:
    """Give back what `fill` took."""
    (place / BALLAST).unlink()
