"""What a utility of so many meters takes, from what was measured of smaller ones: rows, room, seconds, memory, money.

What belongs here: the arithmetic, and what it assumes. What does not: where the numbers come from (capacity_inputs.py), the page (capacity.py).

Everything grows with the meters in a straight line, but for a fixed part of a day's run. Room is in GB of 10⁹ bytes, money in USD and XAF.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from benchmarks.capacity_inputs import MILLION, Measured
from energy_assets.settings import Settings

READINGS_A_METER = 48
"""A day; half-hourly meters."""
DAYS_A_YEAR, MONTHS_A_YEAR, HOURS_A_MONTH = 365, 12, 730
RANGE_DAYS, BACKUP_DAYS, FEW_METERS, LOADED_ROWS, EVIDENCE_METERS = 30, 3, 1_000, 480_000, 100_000
"""Of the measurements whose words in capacity_inputs.py say so."""


@dataclass(frozen=True)
class Assumed:
    """What no measurement tells: put in your own."""

    core_hour_usd: float = 0.05
    """With its share of memory, rented the whole month."""
    disk_gb_month_usd: float = 0.10
    backup_gb_month_usd: float = 0.02
    window_s: float = 3 * 3600.0
    """From the morning run (automation/schedules.py) to when yesterday has to be there (automation/freshness.py)."""
    visit_costs: Mapping[str, float] = field(
        default_factory=lambda: Settings.model_fields["visit_costs"].get_default(call_default_factory=True)
    )

    @property
    def xaf_per_usd(self) -> float:
        """As ENERGY_VISIT_COSTS reckons."""
        return self.visit_costs["XAF"] / self.visit_costs["USD"]


@dataclass(frozen=True)
class Line:
    """Seconds of a day's run: a fixed part, and one for each meter."""

    fixed: float
    a_meter: float

    def at(self, meters: float) -> float:
        return self.fixed + self.a_meter * meters


def fitted(seconds: Mapping[int, float]) -> Line:
    """The line through seconds by meters with the least squares of relative errors: 3 s of 30 count as 20 of 200."""
    weights = {meters: 1 / taken**2 for meters, taken in seconds.items()}
    w, wx, wxx, wy, wxy = (
        sum(weight * meters**power * seconds[meters] ** of for meters, weight in weights.items())
        for power, of in ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1))
    )
    a_meter = (w * wxy - wx * wy) / (w * wxx - wx**2)
    return Line((wy - a_meter * wx) / w, a_meter)


def along(points: Mapping[int, float], meters: float) -> float:
    """On the straight lines between the points; beyond them on the first or last one, carried on."""
    known = sorted(points)
    before, behind = next(((a, b) for a, b in pairwise(known) if meters <= b), (known[-2], known[-1]))
    return points[before] + (points[behind] - points[before]) * (meters - before) / (behind - before)


@dataclass(frozen=True)
class Capacity:
    """The model. Arguments called `meters` are of one utility in one home."""

    known: Measured
    assumed: Assumed = field(default_factory=Assumed)

    # Rows and room

    def readings(self, meters: float, days: float = 1) -> float:
        return READINGS_A_METER * meters * days

    def delivered_gb(self, meters: float, days: float = 1) -> float:
        """As Parquet; CSV takes more."""
        return self.known.million_delivered_gb * meters / MILLION * days

    def parts_gb(self, meters: float, days: float = 1) -> float:
        return self._of_few(self.known.parts_mb, meters) * days

    def big_tables_gb(self, meters: float, days: float = 1) -> float:
        """Postgres: readings, staged readings, hours, scores."""
        return self._of_few(sum(self.known.postgres_mb.values()), meters) * days

    def other_tables_gb(self, meters: float, days: float = 1) -> float:
        return self._of_few(self.known.postgres_rest_mb, meters) * days

    def all_tables_gb(self, meters: float, days: float = 1) -> float:
        return self.big_tables_gb(meters, days) + self.other_tables_gb(meters, days)

    def kept_tables_gb(self, meters: float) -> float:
        """Postgres after a year in which the big tables kept the least that they may."""
        return self.big_tables_gb(meters, self.known.least_days) + self.other_tables_gb(meters, DAYS_A_YEAR)

    def served_readings_gb(self, meters: float, days: float = 1) -> float:
        return self.known.served_gb / self.known.served_readings * self.readings(meters, days)

    def served_gb(self, meters: float, days: float = 1) -> float:
        """ClickHouse, all tables."""
        return self.known.million_clickhouse_gb * meters / MILLION * days

    def backup_gb(self, meters: float, days: float = 1) -> float:
        return self._of_few(self.known.backup_mb / BACKUP_DAYS, meters) * days

    def disk_gb(self, meters: float) -> float:
        """What a machine holds after a year, delivered files let go once they were read."""
        return self.kept_tables_gb(meters) + self.served_gb(meters, DAYS_A_YEAR) + self.parts_gb(meters, DAYS_A_YEAR)

    def _of_few(self, megabytes: float, meters: float) -> float:
        return megabytes / 1000 * meters / FEW_METERS

    # Time

    @cached_property
    def line(self) -> Line:
        return fitted(self.known.run_s)

    @property
    def is_landing_timed(self) -> bool:
        return bool(self.known.million_landing_s)

    @property
    def landing_s_a_meter(self) -> float:
        """Reading, checking and writing parts."""
        if self.known.million_landing_s:
            return self.known.million_landing_s / MILLION
        return (self.known.land_and_load_s - self.known.load_s) / LOADED_ROWS * READINGS_A_METER

    @property
    def look_back_s_a_meter(self) -> float:
        """What evidence of theft takes longer with all the days that it reads back than with the few that the daily run was measured with."""
        return max(self.known.evidence_long_s - self.known.evidence_short_s, 0.0) / EVIDENCE_METERS

    def morning_s(self, meters: float) -> float:
        """From files to pages, in a home that has the days which are read back; on the machine that was measured."""
        return self.line.at(meters) + (self.look_back_s_a_meter + self.landing_s_a_meter) * meters

    @property
    def million_core_s(self) -> float:
        """Processor seconds of a million meters' run, of its process and both stores."""
        known = self.known
        return known.million_run_core_s + known.million_postgres_core_s + known.million_clickhouse_core_s

    @property
    def busy_share(self) -> float:
        """Of the cores that were there, those that the run of a million keeps busy where nothing else works."""
        return min(self.million_core_s / (self.known.million_cores * self.line.at(MILLION)), 1.0)

    def morning_core_s(self, meters: float) -> float:
        """Processor seconds of a morning. The fixed part, landing and looking back are taken to keep one core."""
        a_meter = max(self.million_core_s - self.line.fixed, 0.0) / MILLION
        return self.line.fixed + (a_meter + self.look_back_s_a_meter + self.landing_s_a_meter) * meters

    def cores(self, meters: float) -> int:
        """So that a morning ends in its window, were more cores used as well as those that were measured; never fewer than these."""
        needed = self.morning_core_s(meters) / self.assumed.window_s / self.busy_share
        return max(int(self.known.million_cores), math.ceil(needed))

    def late_days(self, meters: float) -> int:
        """How late readings may be for all days since to fit in the window beside the newest one, were each computed whole."""
        return max(int(self.assumed.window_s // self.morning_s(meters)) - 1, 0)

    @property
    def few_day_s(self) -> float:
        """A day of 1,000 meters in a range."""
        return self.known.year_s / DAYS_A_YEAR if self.known.year_s else self.known.range_s / RANGE_DAYS

    def backfill_s(self, meters: float, days: float = DAYS_A_YEAR) -> float:
        """A range of days at once, landing included; on the machine that was measured."""
        a_meter = self.line.a_meter + self.look_back_s_a_meter
        a_day = self.few_day_s + a_meter * (meters - FEW_METERS) + self.landing_s_a_meter * meters
        return a_day * days

    def run_gb(self, meters: float) -> float:
        """Memory of the run's process at its peak."""
        return along(self.known.run_mb, meters) / 1000

    # Money

    def usd_a_month(self, meters: float) -> float:
        """A machine rented around the clock, its disk after a year, and a backup of a year of which nothing was dropped."""
        cores = self.cores(meters) * HOURS_A_MONTH * self.assumed.core_hour_usd
        disk = self.disk_gb(meters) * self.assumed.disk_gb_month_usd
        return cores + disk + self.backup_gb(meters, DAYS_A_YEAR) * self.assumed.backup_gb_month_usd

    def xaf_a_meter(self, meters: float) -> float:
        """The same a meter and month."""
        return self.usd_a_month(meters) * self.assumed.xaf_per_usd / meters

    @property
    def xaf_a_lost_kwh(self) -> float:
        """In the demo's city."""
        return self.known.demo_lost_xaf / (self.known.demo_lost_mwh * 1000)

    @property
    def lost_xaf_a_meter(self) -> float:
        """Non-technical loss of the demo's city, a meter and month."""
        return self.known.demo_lost_xaf / self.known.demo_meters / self.known.demo_days * DAYS_A_YEAR / MONTHS_A_YEAR

    @property
    def won_xaf_a_meter(self) -> float:
        """What the campaigns stopped and billed, at that price, a meter and month."""
        known = self.known
        stopped = known.campaign_unvisited_kwh - known.campaign_hidden_kwh
        return (stopped + known.campaign_billed_kwh) * self.xaf_a_lost_kwh / self._campaign_meter_months

    @property
    def visits_xaf_a_meter(self) -> float:
        return self.known.campaign_visits * self.assumed.visit_costs["XAF"] / self._campaign_meter_months

    @property
    def _campaign_meter_months(self) -> float:
        return self.known.campaign_meters * self.known.campaign_weeks * 7 / DAYS_A_YEAR * MONTHS_A_YEAR
