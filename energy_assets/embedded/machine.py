"""What this machine gives us of memory, and what a container allows of it; processors: ml/cores.py."""

from __future__ import annotations

from pathlib import Path

import psutil

MIB = 1024**2
GIB = 1024**3

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def total_memory() -> int:
    """Bytes of memory, or of the container's limit where that is less."""
    total = psutil.virtual_memory().total
    return min([total, *_container_limits()])


def available_memory() -> int:
    """Bytes that can still be taken without swapping, never above the container's limit."""
    return min([psutil.virtual_memory().available, *_container_limits()])


def _container_limits() -> list[int]:
    texts = [path.read_text().strip() for path in _CGROUP_LIMITS if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]
