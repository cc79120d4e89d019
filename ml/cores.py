"""Processors that this process may use: for what shares work among threads."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""How much processor time a container may use in a period, in microseconds (cgroups of version 2): `200000 100000`, or `max 100000`."""


def cores(quota: Path = QUOTA) -> int:
    """As many as the process may run on, and no more than its container is given the time of."""
    known = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        given, period = quota.read_text().split()
        return known if given == "max" else max(1, min(known, math.ceil(int(given) / int(period))))
    except (OSError, ValueError):
        return known
