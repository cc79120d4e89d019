"""`python -m benchmarks [NAME…]`: measure all, and write RESULTS.md; or those that are named, and only print."""

from __future__ import annotations

import os
import sys
import time

from benchmarks import (
    clickhouse_models,
    daily_run,
    dashboard_questions,
    first_minutes,
    import_time,
    million,
    month,
    other_loaders,
    pages,
    range_run,
    raw_load,
    readings_year,
    report,
    serving_copy,
    simulation,
    table_layout,
    year,
)

BENCHMARKS = {
    "simulation": simulation.measure,
    "import": import_time.measure,
    "demo": first_minutes.measure,
    "raw": raw_load.measure,
    "loaders": other_loaders.measure,
    "serving": serving_copy.measure,
    "dashboards": dashboard_questions.measure,
    "layout": table_layout.measure,
    "range": range_run.measure,
    "month": month.measure,
}
ALONE = {
    "clickhouse_models": clickhouse_models.measure,
    "daily": daily_run.measure,
    "million": million.measure,
    "pages": pages.measure,
    "readings": readings_year.measure,
    "year": year.measure,
}
"""Measured where they are named, for they take long or need more than `make install` gives; each writes a document of its own."""


def main(names: list[str]) -> int:
    known = BENCHMARKS | ALONE
    if unknown := [name for name in names if name not in known]:
        print(f"no benchmark is called {', '.join(unknown)}: there are {', '.join(known)}", file=sys.stderr)
        return 2
    load, started = os.getloadavg()[0], time.perf_counter()
    measures = []
    for name in names or BENCHMARKS:
        for measure in known[name]():
            measures.append(measure)
            print("\n".join([report.line(measure), *report.details(measure)]), flush=True)
    print(f"measured in {time.perf_counter() - started:.0f} s")
    if not names:
        report.write(measures, "make bench", load)
        print(f"wrote {report.RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
