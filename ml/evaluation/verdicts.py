"""What a method says of each meter.

What belongs here: the form of it. What does not: methods, and which there are (methods.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a method says of each meter, float64 [meters] each, NaN where it cannot tell; None where it never does.

    `scores` is the order of suspicion, higher first. `onset` is the first day of theft, counted from the history's first day; `stolen_wh` a day
    over the last weeks; `value` the order by what a visit is worth: probability × stolen energy. Without it, money is ordered by `scores`.
    """

    scores: np.ndarray
    onset: np.ndarray | None = None
    stolen_wh: np.ndarray | None = None
    value: np.ndarray | None = None
