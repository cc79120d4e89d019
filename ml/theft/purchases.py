"""What prepaid customers used beside what they bought.

What belongs here: what is left of purchases of earlier weeks. What does not: reading them, what a score makes of it (scores.py).
"""

from __future__ import annotations

import numpy as np


def carried_over(missing_wh: np.ndarray) -> np.ndarray:
    """What purchases of these days leave for those after them, at least: int64 [meters], in Wh.

    `missing_wh` int64 [days, meters] is each day's use less its purchases. A prepaid meter uses nothing that was not bought before: the most that it ever
    had used beyond what it had bought within these days was there before them. What it has bought and not used since is how far the last day lies below
    that. What was there before and is not used up yet is not known, and counts as nothing.
    """
    if not len(missing_wh):
        return np.zeros(missing_wh.shape[1], dtype=np.int64)
    missing = np.cumsum(missing_wh, axis=0)
    return np.maximum(missing.max(axis=0), 0) - missing[-1]
