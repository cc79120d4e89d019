"""Hits of the rules that need history or relations: the fleet's day and the four weeks before it in, rows out.

What belongs here: which rule sees what, and reading it, each day once while a window moves forward. What does not: what a rule
computes (ml/validation).

A rule is off on a day where its sources brought nothing within the lookback: that follows from what was delivered for these days
alone, so that no order of delivery changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from energy_assets.keys import ESTIMATE_LOOKBACK_DAYS, FEATURES
from energy_assets.resources.fleet import FleetDay, Group, States, looked_up, texts_of
from energy_assets.resources.profiles import PastProfiles
from ml.validation import fleet_checks, profile_checks, register_checks
from ml.validation.outages import NO_TRANSFORMER, runs
from ml.validation.profile_checks import Finding
from ml.validation.rules import Rule

if TYPE_CHECKING:
    from energy_assets.resources.warehouse import Warehouse

SCHEMA = pa.schema(
    [
        ("reading_date", pa.date32()),
        ("rule", pa.string()),
        ("subject_id", pa.string()),
        ("from_at", pa.timestamp("us", tz="UTC")),
        ("to_at", pa.timestamp("us", tz="UTC")),
        ("hit_count", pa.int64()),
        ("observed", pa.float64()),
        ("threshold", pa.float64()),
        ("related_id", pa.string()),
    ]
)
DECIMALS = 4
BLOCK_METERS = 20_000
"""Meters whose four weeks are one array at a time: about 110 MB of half-hours."""
TABLES = {
    "meter_readings": FEATURES,
    "meters": "stg_meters",
    "outages": "stg_outages",
    "register_readings": "stg_register_readings",
    "token_purchases": "stg_token_purchases",
    "transformer_readings": "int_transformer_balance",
}
"""By source, the table whose rows say that a day has it."""

REGISTERS = """
    with shown as (
        select distinct on (meter_id) meter_id, read_at, register_wh from staging.stg_register_readings
        where reading_date = %(day)s::date and register_wh is not null order by meter_id, read_at
    ),
    before as (
        select distinct on (meter_id) meter_id, read_at, register_wh from staging.stg_register_readings
        where reading_date = any(%(before)s::date[]) and register_wh is not null order by meter_id, read_at desc
    )
    select meter_id, before.read_at as from_at, shown.read_at as to_at, shown.register_wh - before.register_wh as counted_wh
    from shown join before using (meter_id) order by meter_id
"""
PURCHASED = """
    select meter_id, sum(energy_wh)::double precision as energy_wh from staging.stg_token_purchases
    where purchase_date = any(%(days)s::date[]) group by meter_id order by meter_id
"""
BALANCES = """
    select transformer_id, reading_at, interval_minutes, non_technical_loss_wh::double precision as loss_wh
    from intermediate.int_transformer_balance where reading_date = %(day)s::date and non_technical_loss_wh is not null
    order by transformer_id, reading_at
"""


class Validation:
    """The hits of day after day; what days share is read once while they move forward."""

    def __init__(self, warehouse: Warehouse, zone: ZoneInfo, rules: Mapping[str, Rule], states: States) -> None:
        self.warehouse, self._zone, self._rules, self._states = warehouse, zone, rules, states
        self.past = PastProfiles(warehouse, zone)
        self._balances: dict[date, pa.Table] = {}
        self.off: dict[str, None] = {}
        """Rules that some day could not judge by, for want of a source, or that are switched off."""

    def hits(self, day: date) -> pa.Table:
        """The day's hits, as SCHEMA."""
        fleet = FleetDay(self.warehouse, self._zone, day, self._states)
        if fleet.is_empty:
            return SCHEMA.empty_table()
        seen = _Seen(self, fleet)
        found = [SCHEMA.empty_table(), *(table for group in fleet.groups() for table in seen.group(group))]
        self.past.keep(day, fleet.profiles)  # tomorrow it is of the past
        return pa.concat_tables(found)

    def balances(self, days: list[date]) -> dict[date, pa.Table]:
        self._balances = {of: held for of, held in self._balances.items() if not days or of >= days[0]}
        for of in days:
            if of not in self._balances:
                self._balances[of] = self.warehouse.table(BALANCES, {"day": of})
        return {of: self._balances[of] for of in days}

    def on(self, name: str, delivered: set[str]) -> Rule | None:
        rule = self._rules[name]
        if not rule.is_on(delivered):
            self.off[name] = None
            return None
        return rule


class _Seen:
    """One day: what it has, and each rule on each group of meters."""

    def __init__(self, validation: Validation, fleet: FleetDay) -> None:
        self._validation, self._fleet = validation, fleet
        self._readable = set(fleet.readable)
        self._delivered = {
            source
            for source, table in TABLES.items()
            if any(rows for (name, _), rows in fleet.readable.items() if name == table)
        }
        self._days = [fleet.day - timedelta(days=number) for number in range(ESTIMATE_LOOKBACK_DAYS, 0, -1)]
        validation.past.read(fleet.past_days, self._days[0])

    def group(self, group: Group) -> Iterator[pa.Table]:
        for start in range(0, len(group.meter_ids), BLOCK_METERS):
            yield from self._block(group, slice(start, start + BLOCK_METERS))
        yield from self._outages(group)
        if rule := self._on("sibling"):
            has_delivered = (~np.isnan(group.wh)).any(axis=1)
            share = fleet_checks.silent_siblings(has_delivered, group.was_seen, group.transformer, rule)
            yield self._rows(
                "sibling", group, group.meter_ids, self._whole_day(group, share, rule["share"], share >= rule["share"])
            )
        if (rule := self._on("inactive")) and len(self._fleet.register.meter_ids):
            is_registered = np.isin(group.meter_ids, self._fleet.register.meter_ids)
            energy, is_hit = fleet_checks.inactive(group.wh, is_registered)
            yield self._rows("inactive", group, group.meter_ids, self._whole_day(group, energy, np.nan, is_hit))
        if rule := self._on("load_shedding_use"):
            within, is_hit = fleet_checks.load_shedding_use(group.wh, group.is_wholly_off, rule)
            energy = within.sum(axis=1, dtype=np.float64)
            first, last = _extent(within > 0)
            found = Finding(
                energy,
                _full(rule["least_wh"], energy),
                is_hit,
                first,
                last,
                (within > 0).sum(axis=1),
            )
            yield self._rows("load_shedding_use", group, group.meter_ids, found)

    def _block(self, group: Group, part: slice) -> Iterator[pa.Table]:
        """The rules that see a meter's four weeks."""
        ids, wh, minutes = group.meter_ids[part], group.wh[part], group.interval_minutes
        is_off = (group.is_reported_off | group.is_dark)[part]
        past = self._validation.past.of(self._days, ids, minutes, wh.shape[1])
        has_past = bool(self._fleet.past_days)
        checks: tuple[tuple[str, Callable[[Rule], Finding]], ...] = (
            ("spike", lambda rule: profile_checks.spike(wh, past, rule)),
            ("high_low", lambda rule: profile_checks.high_low(wh, past, rule)),
            ("dynamic_comparison", lambda rule: profile_checks.dynamic_comparison(wh, past, rule)),
            ("zero", lambda rule: profile_checks.zero(wh, past, is_off, rule)),
            (
                "consecutive_interval",
                lambda rule: profile_checks.consecutive_interval(wh, past, is_off, rule, interval_minutes=minutes),
            ),
            ("frozen_value", lambda rule: profile_checks.frozen_value(wh, past, rule, interval_minutes=minutes)),
            ("clock_drift", lambda rule: profile_checks.clock_drift(wh, past, rule, interval_minutes=minutes)),
        )
        for name, check in checks:
            rule = self._on(name)
            if rule and has_past and minutes < 1440:
                yield self._rows(name, group, ids, check(rule))
        if (rule := self._on("prolonged_estimation")) and has_past:
            days = fleet_checks.unread_days((~np.isnan(np.concatenate([past, wh[None]]))).any(axis=2)).astype(float)
            is_hit = group.was_seen[part] & (days >= rule["days"])
            yield self._rows("prolonged_estimation", group, ids, self._whole_day(group, days, rule["days"], is_hit))
        if (rule := self._on("prepaid_without_purchases")) and has_past:
            yield self._rows("prepaid_without_purchases", group, ids, self._prepaid(group, ids, wh, past, rule))
        if has_past:
            yield from self._registers(group, ids, wh, past)
            yield from self._transformers(group, part, wh, past)

    def _outages(self, group: Group) -> Iterator[pa.Table]:
        if not self._on("outage_from_siblings") or not group.is_dark.any():
            return
        known = np.flatnonzero(group.transformer != NO_TRANSFORMER)
        dark = np.zeros((len(group.transformer_ids), group.wh.shape[1]), dtype=bool)
        dark[group.transformer[known]] = group.is_dark[known]
        first, last = _extent(dark)
        slots = dark.sum(axis=1)
        hours = slots * group.interval_minutes / 60
        found = Finding(hours, np.full(len(hours), np.nan), slots > 0, first, last, slots)
        yield self._rows("outage_from_siblings", group, group.transformer_ids, found)

    def _prepaid(self, group: Group, ids: np.ndarray, wh: np.ndarray, past: np.ndarray, rule: Rule) -> Finding:
        days = self._days_of("stg_token_purchases")
        table = self._validation.warehouse.table(PURCHASED, {"days": days})
        bought = looked_up(ids, texts_of(table["meter_id"]), table["energy_wh"].to_numpy(), 0.0)
        register = self._fleet.register
        is_prepaid = looked_up(ids, register.meter_ids, register.is_prepaid, False)
        used, is_hit = fleet_checks.prepaid_without_purchases(wh, past, bought, is_prepaid, len(days), rule)
        return self._whole_day(group, used, rule["least_wh"], is_hit)

    def _registers(self, group: Group, ids: np.ndarray, wh: np.ndarray, past: np.ndarray) -> Iterator[pa.Table]:
        before = [of for of in self._days_of("stg_register_readings") if of < self._fleet.day]
        rules = {name: self._on(name) for name in ("register_reset", "multiplier", "sum")}
        if not before or not any(rules.values()) or ("stg_register_readings", self._fleet.day) not in self._readable:
            return
        table = self._validation.warehouse.table(REGISTERS, {"day": self._fleet.day, "before": before})
        pair_ids = texts_of(table["meter_id"])
        rows = np.searchsorted(ids, pair_ids) if len(ids) else np.zeros(0, dtype=int)
        held = (
            np.flatnonzero((rows < len(ids)) & (ids[np.minimum(rows, len(ids) - 1)] == pair_ids)) if len(ids) else rows
        )
        if not len(held):
            return
        rows, pair_ids = rows[held], pair_ids[held]
        counted = table["counted_wh"].to_numpy().astype(np.float64)[held]
        from_at, to_at = (table[name].cast(pa.timestamp("s", "UTC")).to_numpy()[held] for name in ("from_at", "to_at"))
        summed = self._summed(group, rows, wh, past, from_at, to_at)
        register = self._fleet.register
        summed = summed / looked_up(pair_ids, register.meter_ids, register.ct_multiplier, 1.0)
        reset = register_checks.register_reset(counted)
        if rules["register_reset"]:
            yield self._rows("register_reset", group, pair_ids, self._whole_day(group, counted, 0.0, reset))
        usual = np.full(len(counted), np.nan)
        if rule := rules["multiplier"]:
            usual = register_checks.multiplier(counted, summed, rule)
            yield self._rows("multiplier", group, pair_ids, self._whole_day(group, usual, 1.0, ~np.isnan(usual)))
        if rule := rules["sum"]:
            differs, limit = register_checks.sum_differs(counted, summed, rule)
            yield self._rows(
                "sum", group, pair_ids, self._whole_day(group, differs, limit, (differs > limit) & np.isnan(usual))
            )

    def _summed(
        self, group: Group, rows: np.ndarray, wh: np.ndarray, past: np.ndarray, from_at: np.ndarray, to_at: np.ndarray
    ) -> np.ndarray:
        """Accepted energy between two instants, float [pairs]; NaN where an interval between is missing or cut in two."""
        starts = [self._validation.past.slot_starts(of, group.interval_minutes) for of in self._days]
        days = (
            (energy[rows][:, : len(slot_starts)], slot_starts[: wh.shape[1]])
            for energy, slot_starts in [*zip(past, starts, strict=True), (wh, group.slot_starts)]
            if slot_starts is not None
        )
        return register_checks.summed_wh(days, from_at, to_at, interval_minutes=group.interval_minutes)

    def _transformers(self, group: Group, part: slice, wh: np.ndarray, past: np.ndarray) -> Iterator[pa.Table]:
        rule = self._on("wrong_transformer")
        days = self._days_of("int_transformer_balance")
        if not rule or len(days) < rule["least_days"] or not len(group.transformer_ids):
            return
        slots = wh.shape[1]
        residual = np.full((len(group.transformer_ids), len(self._days) + 1, slots), np.nan)
        for of, table in self._validation.balances(days).items():
            table = table.filter(pc.equal(table["interval_minutes"], group.interval_minutes))
            ids = texts_of(table["transformer_id"])
            at = np.minimum(np.searchsorted(group.transformer_ids, ids), len(group.transformer_ids) - 1)
            began = table["reading_at"].cast(pa.timestamp("s", "UTC")).to_numpy()
            first = began.min() if len(began) else None
            number = len(self._days) - (self._fleet.day - of).days
            slot = (
                ((began - self._day_starts_at(of)) // np.timedelta64(group.interval_minutes * 60, "s"))
                if first
                else began
            )
            kept = (
                (group.transformer_ids[at] == ids) & (slot >= 0) & (slot < slots) if first else np.zeros(0, dtype=bool)
            )
            residual[at[kept], number, slot[kept].astype(int)] = table["loss_wh"].to_numpy()[kept]
        energy = np.concatenate([past, wh[None]]).transpose(1, 0, 2)
        figure, better = fleet_checks.wrong_transformer(energy, group.transformer[part], residual, rule)
        found = self._whole_day(group, figure, rule["correlation"], ~np.isnan(figure))
        related: Any = np.where(better == NO_TRANSFORMER, None, group.transformer_ids[better])
        yield self._rows("wrong_transformer", group, group.meter_ids[part], found, related)

    def _day_starts_at(self, day: date) -> np.datetime64:
        from energy_assets.resources.profiles import day_starts_at

        return day_starts_at(day, self._validation._zone)

    def _days_of(self, table: str) -> list[date]:
        """Readable days of the lookback and the day itself."""
        return sorted(of for name, of in self._readable if name == table)

    def _on(self, name: str) -> Rule | None:
        return self._validation.on(name, self._delivered)

    def _whole_day(self, group: Group, observed: np.ndarray, limit: np.ndarray | float, is_hit: np.ndarray) -> Finding:
        slots = np.full(len(observed), group.wh.shape[1])
        return Finding(observed, _full(limit, observed), is_hit, np.zeros(len(observed), dtype=int), slots, slots)

    def _rows(
        self, rule: str, group: Group, ids: np.ndarray, found: Finding, related: np.ndarray | None = None
    ) -> pa.Table:
        hit = np.flatnonzero(found.is_hit & ~np.isnan(found.observed))
        ends = np.append(group.slot_starts, self._fleet.ends_at).astype("datetime64[us]")
        limit = np.round(found.limit[hit].astype(np.float64), DECIMALS)
        return pa.table(
            [
                pa.repeat(pa.scalar(self._fleet.day, pa.date32()), len(hit)),
                pa.repeat(rule, len(hit)),
                pa.array(ids[hit]),
                pa.array(ends[found.first[hit]]),
                pa.array(ends[found.last[hit]]),
                pa.array(found.count[hit].astype(np.int64)),
                pa.array(np.round(found.observed[hit].astype(np.float64), DECIMALS)),
                pa.array(limit, from_pandas=True),
                pa.array([None] * len(hit) if related is None else related[hit].tolist(), pa.string()),
            ],
            names=SCHEMA.names,
        ).cast(SCHEMA)


def _extent(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last (past the end) slot of true of each row, 0 and 0 without any."""
    row, first, last = runs(where)
    begins, ends = np.zeros((2, len(where)), dtype=int)
    begins[row[::-1]], ends[row] = first[::-1], last
    return begins, ends


def _full(limit: np.ndarray | float, observed: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(limit, dtype=np.float64), observed.shape)
