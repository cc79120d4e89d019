"""What a fleet's meters reported over weeks, as arrays: what evidence of theft is read from.

What belongs here: these arrays and what follows from their shape. What does not: evidence (the modules beside), where arrays come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class FleetHistory:
    """Meters of one interval length over consecutive local days, the last being the day that is scored.

    `wh` is float32 [days, meters, slots] in Wh, NaN where nothing was accepted or supply was off; daily readings have one slot.
    `day_types` int [days] as in ml.forecast; `customer_class` int [meters]; `transformer` int [meters], NO_TRANSFORMER where unknown.
    `lost_wh` float64 [days, transformers, slots] is each transformer's non-technical loss (in − metered − technical), NaN where the interval
    cannot be balanced; None where no transformer has a meter. `year_ago_wh` float64 [meters] is the energy of a day in the four weeks to a year before
    the last day, as season_wh (season.py) makes it; None where nobody's is known.
    """

    wh: np.ndarray
    day_types: np.ndarray
    customer_class: np.ndarray
    transformer: np.ndarray
    lost_wh: np.ndarray | None = None
    year_ago_wh: np.ndarray | None = None

    def __post_init__(self) -> None:
        days, meters, slots = self.wh.shape
        for name, shape in (("day_types", (days,)), ("customer_class", (meters,)), ("transformer", (meters,))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        if self.lost_wh is not None and (self.lost_wh.shape[0], self.lost_wh.shape[2]) != (days, slots):
            raise ValueError(f"losses {self.lost_wh.shape} do not fit readings {self.wh.shape}")

    @property
    def known_losses(self) -> np.ndarray:
        """`lost_wh` of a history that has losses; ValueError of another one."""
        if self.lost_wh is None:
            raise ValueError("no transformer has a meter: there is no loss to explain")
        return self.lost_wh

    @property
    def days(self) -> int:
        return self.wh.shape[0]

    @property
    def meters(self) -> int:
        return self.wh.shape[1]

    @property
    def slots(self) -> int:
        return self.wh.shape[2]

    def last(self, days: int) -> FleetHistory:
        """The last `days` days, or all where there are fewer."""
        part = slice(max(self.days - days, 0), None)
        return replace(
            self,
            wh=self.wh[part],
            day_types=self.day_types[part],
            lost_wh=None if self.lost_wh is None else self.lost_wh[part],
        )

    def without_balance(self) -> FleetHistory:
        """The same meters, as where no transformer has a meter."""
        return replace(self, lost_wh=None)

    def members(self) -> list[np.ndarray]:
        """Meters behind each transformer: int arrays, one for each of `lost_wh`."""
        transformers = 0 if self.lost_wh is None else self.lost_wh.shape[1]
        return [np.flatnonzero(self.transformer == number) for number in range(transformers)]
