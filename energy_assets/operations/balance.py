"""Where a home's energy went, in a few numbers, and what a simulator knows of it.

What belongs here: sums over the days that may be read. What does not: the balance itself (dbt_project/), printing (cli.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from energy_assets.home import Home
    from energy_assets.resources.warehouse import Warehouse

Z90 = 1.645
"""Standard deviations on either side of the mean that hold 90 % of a normal distribution."""

READABLE_LOSSES = """
    select losses.* from marts.mart_transformer_losses as losses
    join quality.day_states as gate on gate.table_name = 'mart_transformer_losses' and gate.reading_date = losses.loss_date
    where gate.state in ('green', 'accepted')
"""


@dataclass(frozen=True)
class Balance:
    """Energy in kWh over the intervals that could be balanced, of all transformers and days that may be read."""

    days: int
    transformers: int
    energy_in_kwh: float
    metered_kwh: float
    estimated_kwh: float
    technical_loss_kwh: float
    non_technical_loss_kwh: float
    deviation_kwh: float
    """Of the non-technical loss: a meter errs alike on all days, different transformers' meters do not."""
    intervals: int
    balanced: int
    outage: int
    values: Mapping[str, float]
    """Currency -> what the non-technical loss would have cost, implausible balances left out."""
    implausible: Mapping[str, tuple[int, date]]
    """Transformer whose meters say more than came in -> on how many days, and the first of them."""

    @property
    def non_technical_loss_share(self) -> float:
        return self.non_technical_loss_kwh / self.energy_in_kwh if self.energy_in_kwh else 0.0

    @property
    def interval_kwh(self) -> tuple[float, float]:
        """The 90 % interval of the non-technical loss."""
        spread = Z90 * self.deviation_kwh
        return self.non_technical_loss_kwh - spread, self.non_technical_loss_kwh + spread


@dataclass(frozen=True)
class Truth:
    """What a simulator knows of the same intervals, in kWh."""

    energy_in_kwh: float
    metered_kwh: float
    technical_loss_kwh: float
    non_technical_loss_kwh: float


def balance(warehouse: Warehouse) -> Balance | None:
    """None where no transformer was balanced on any day that may be read."""
    rows = warehouse.rows(
        f"""
        with losses as ({READABLE_LOSSES}),
        transformers as (
            select transformer_id, sum(deviation_kwh) as deviation_kwh from losses group by transformer_id
        )
        select count(distinct loss_date), count(distinct transformer_id), sum(energy_in_kwh), sum(metered_kwh), sum(estimated_kwh),
               sum(technical_loss_kwh), sum(non_technical_loss_kwh),
               (select sqrt(sum(power(deviation_kwh, 2))) from transformers),
               sum(interval_count), sum(balanced_count), sum(outage_count)
        from losses
        """
    )[0]
    if not rows[0]:
        return None
    days, transformers, *energy, intervals, balanced, outage = rows
    values = warehouse.rows(
        f"select currency, sum(non_technical_loss_value) from ({READABLE_LOSSES}) as losses"
        " where is_plausible and non_technical_loss_value is not null group by currency order by currency"
    )
    implausible = warehouse.rows(
        f"select transformer_id, count(*), min(loss_date) from ({READABLE_LOSSES}) as losses"
        " where not is_plausible group by transformer_id order by 2 desc, 1"
    )
    energy_in, metered, estimated, technical, non_technical, deviation = map(float, energy)
    return Balance(
        days,
        transformers,
        energy_in,
        metered,
        estimated,
        technical,
        non_technical,
        deviation,
        int(intervals),
        int(balanced),
        int(outage),
        values={currency: float(value) for currency, value in values},
        implausible={transformer: (count, first) for transformer, count, first in implausible},
    )


def truth_of(home: Home, warehouse: Warehouse) -> Truth | None:
    """What is true of the intervals that `balance` sums; None where the home's deliveries were not simulated."""
    truth = home.path / "simulated" / "truth"
    if not (truth / "transformers").is_dir():
        return None
    import polars as pl

    table = warehouse.table(
        "select balance.transformer_id, balance.reading_at from intermediate.int_transformer_balance as balance"
        " join quality.day_states as gate on gate.table_name = 'mart_transformer_losses' and gate.reading_date = balance.reading_date"
        " where balance.excluded_because is null and gate.state in ('green', 'accepted')"
    )
    balanced = pl.DataFrame(pl.from_arrow(table)).lazy()
    fed = _on(balanced, pl.scan_parquet(truth / "transformers" / "*.parquet"))
    meters = pl.scan_parquet(truth / "meters.parquet").select("meter_id", "transformer_id")
    used = _on(balanced, pl.scan_parquet(truth / "intervals" / "*.parquet").join(meters, on="meter_id"))
    energy, hooked, technical = _sums(fed, "energy_kwh", "hooked_kwh", "technical_loss_kwh")
    true, reported = _sums(used, "true_kwh", "reported_kwh")
    return Truth(energy, reported, technical, true - reported + hooked)


def _on(balanced: pl.LazyFrame, rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of balanced intervals."""
    return rows.join(balanced, on=["transformer_id", "reading_at"], how="semi")


def _sums(rows: pl.LazyFrame, *columns: str) -> tuple[float, ...]:
    return rows.select(columns).sum().collect().row(0)
