"""Read what landed: each new file once, into parts by day, records and quarantined rows, and into the ledger.

What belongs here: the landing asset and the tables that it fills. What does not: dialects (landing/), raw days (raw.py).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

import dagster as dg

from energy_assets.assets.daily import columns_of, declared_columns
from energy_assets.home import Home
from energy_assets.keys import OWNERS, RAW
from energy_assets.landing.contract import RECORD_SOURCES, Source
from energy_assets.landing.contract import source as contract_source
from energy_assets.resources import ledger
from energy_assets.resources.deliveries import Delivery, State, deliveries, recent_days
from energy_assets.resources.landing_zone import LandingZone, not_taken
from energy_assets.resources.warehouse import Warehouse
from energy_assets.resources.why import remedy_of_file

SHOWN_FILES = 50
MARKS = {State.arrived: "🟩", State.partly_late: "🟨", State.late: "🟨", State.missing: "🟥", State.expected: "⬜"}

LANDING_FILES = dg.AssetSpec(
    [RAW, "landing_files"],
    group_name=RAW,
    owners=OWNERS,
    kinds={"file", "postgres"},
    description="The ledger of deliveries: one row per content that landed, by sha256, with what became of its rows.",
    metadata={
        "dagster/table_name": "raw_data.landing_files",
        "dagster/column_schema": dg.TableSchema(declared_columns("raw_data.landing_files")),
    },
)

REJECTED_ROWS = dg.AssetSpec(
    [RAW, "rejected_rows"],
    group_name=RAW,
    owners=OWNERS,
    kinds={"file", "postgres"},
    description="Quarantine: every row that could not be read, with file, row, column, value and reason.",
    metadata={
        "dagster/table_name": "raw_data.rejected_rows",
        "dagster/column_schema": dg.TableSchema(declared_columns("raw_data.rejected_rows")),
    },
)


def record_table(source: Source) -> dg.AssetSpec:
    """A table of records: landing appends what a file says, and what counts of it is a question of files that count."""
    return dg.AssetSpec(
        [RAW, source.table],
        deps=[LANDING_FILES],
        group_name=RAW,
        owners=OWNERS,
        kinds={"file", "postgres"},
        description=f"{source.description}; one row per delivered row.",
        metadata={
            "dagster/table_name": f"{RAW}.{source.table}",
            "dagster/column_schema": dg.TableSchema(columns_of(source)),
        },
    )


RECORD_TABLES = {source.name: record_table(source) for source in RECORD_SOURCES}

LANDED = (LANDING_FILES.key, REJECTED_ROWS.key, *(spec.key for spec in RECORD_TABLES.values()))
"""What a landing run writes: all that is not kept by day."""


@dg.multi_asset(specs=[LANDING_FILES, REJECTED_ROWS, *RECORD_TABLES.values()], name="landing_files")
def landing(
    context: dg.AssetExecutionContext, warehouse: Warehouse, landing_zone: LandingZone
) -> Iterator[dg.MaterializeResult]:
    """Land every file that is settled and not read yet; a file that cannot be read never stops the others."""
    listing = landing_zone.listing()
    for sentence in not_taken(listing):
        context.log.warning(sentence)
    counts: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for landed in landing_zone.land(ledger.unread(warehouse, listing.settled, landing_zone.mappings_changed_at())):
        counts[landed.status] += 1
        if landed.status == "changed_while_read" or landed.sha256 is None:
            counts["not opened"] += landed.status == "unreadable"
            context.log.warning(f"{landed.path}: {landed.message}")
            continue
        is_new = ledger.record(warehouse, landed, run_id=context.run_id)
        counts["new"] += is_new
        counts["rows"] += landed.rows_accepted * is_new
        counts["rejected"] += landed.rows_rejected * is_new
        records.update(landed.records.keys() if is_new else ())
        counts["erased"] += landed.rows_erased
        if landed.rows_erased:
            context.log.warning(f"{landed.path}: {landed.rows_erased:,} rows of erased customers were left out")
        if not is_new and (retraction := ledger.retraction_of(warehouse, landed.sha256)):
            context.log.warning(
                f"{landed.path} holds what was withdrawn ({retraction}) and counts for nothing: where it should, "
                f"energy-assets retract --undo {landed.sha256[:8]}"
            )
        if landed.status == "unreadable":
            context.log.error(f"{landed.path} is quarantined: {landed.message}")
    widen_calendar(landing_zone, warehouse)
    yield dg.MaterializeResult(
        asset_key=LANDING_FILES.key,
        metadata={
            "files read": counts["landed"],
            "files unreadable": counts["unreadable"] - counts["not opened"],
            "files refused": len(listing.refused) + counts["not opened"],
            "files still being written": len(listing.unsettled) + counts["changed_while_read"],
            "new contents": counts["new"],
            "rows accepted": counts["rows"],
            **({"rows of erased customers left out": counts["erased"]} if counts["erased"] else {}),
            "deliveries": dg.MetadataValue.md(delivery_picture(recent_deliveries(landing_zone, warehouse))),
            "dagster/row_count": warehouse.rows("select count(*) from raw_data.landing_files")[0][0],
        },
    )
    yield dg.MaterializeResult(
        asset_key=REJECTED_ROWS.key,
        metadata={
            "rows rejected": counts["rejected"],
            "dagster/row_count": warehouse.rows("select count(*) from raw_data.rejected_rows")[0][0],
        },
    )
    for name, spec in RECORD_TABLES.items():
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "files with new records": records[name],
                "dagster/row_count": ledger.record_count(warehouse, contract_source(name)),
            },
        )


@dg.asset_check(
    asset=LANDING_FILES.key,
    name="readable",
    description="Every delivered file could be read; one that could not turns no day red, its rows are merely not there.",
)
def readable(warehouse: Warehouse, landing_zone: LandingZone) -> dg.AssetCheckResult:
    files = [
        (file.path, file.message, "; ".join(remedy_of_file(file))) for file in ledger.unreadable_files(warehouse)
    ] + [(path, *_split(reason)) for path, reason in sorted(landing_zone.listing().refused.items())]
    records = [
        dg.TableRecord({"file": path, "why": why, "what to do": remedy}) for path, why, remedy in files[:SHOWN_FILES]
    ]
    return dg.AssetCheckResult(
        passed=not files,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(files)} files could not be read, the first {files[0][0]}: {files[0][1]} → {files[0][2]}"
        if files
        else "every file could be read",
        metadata={"unreadable": dg.MetadataValue.table(records)} if files else {},
    )


def _split(reason: str) -> tuple[str, str]:
    """Why a file is refused, and what to do about it."""
    why, _, remedy = reason.partition(": ")
    return why, remedy


def recent_deliveries(landing_zone: LandingZone, warehouse: Warehouse) -> list[Delivery]:
    calendar = Home.at(landing_zone.home).calendar()
    return deliveries(warehouse, recent_days(calendar), calendar, with_meters=False)


def delivery_picture(known: Sequence[Delivery]) -> str:
    """A Markdown table with a row for each day and a column for each source, newest day first."""
    if not known:
        return "nothing was delivered yet"
    sources = list(dict.fromkeys(delivery.source for delivery in known))
    by_day: dict[date, list[str]] = {}
    for delivery in known:
        by_day.setdefault(delivery.day, []).append(_cell(delivery))
    rows = [f"| {day} | {' | '.join(cells)} |" for day, cells in sorted(by_day.items(), reverse=True)]
    return "\n".join([f"| day | {' | '.join(sources)} |", "|---" * (len(sources) + 1) + "|", *rows])


def _cell(delivery: Delivery) -> str:
    if not delivery.files:
        return f"{MARKS[delivery.state]} {delivery.state}"
    rejected = f", {delivery.rejected:,} rejected" if delivery.rejected else ""
    late = "" if delivery.state is State.arrived else f", {delivery.state}"
    return f"{MARKS[delivery.state]} {delivery.rows:,} rows{rejected}{late}"


def widen_calendar(landing_zone: LandingZone, warehouse: Warehouse) -> None:
    """Let the home's calendar hold every delivered day: the first may move earlier, a historical home's last later."""
    home = Home.at(landing_zone.home)
    delivered = ledger.delivered_days(warehouse)
    if delivered is None:
        return
    calendar = home.calendar()
    wider = calendar.including(delivered.start, delivered.last)
    if wider != calendar:
        home.write_calendar(wider)
